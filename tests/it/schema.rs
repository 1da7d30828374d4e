//! Checks JSON documents against a JSON schema, as far as those of `docs` need it.
//!
//! A keyword that is not implemented is an error, and so is a property that the schema does not
//! declare.

use serde_json::{Map, Value, json};

/// A JSON schema of draft 2020-12.
pub(crate) struct Schema {
    root: Value,
}

type Checked = Result<(), String>;

impl Schema {
    pub(crate) fn parse(text: &str) -> Self {
        Self { root: serde_json::from_str(text).unwrap() }
    }

    /// Checks a document; the error names the place.
    pub(crate) fn check(&self, document: &Value) -> Checked {
        self.value(&self.root, document, "$")
    }

    fn value(&self, schema: &Value, value: &Value, place: &str) -> Checked {
        let keywords = schema.as_object().ok_or_else(|| format!("{place}: no schema: {schema}"))?;
        for (keyword, rule) in keywords {
            match keyword.as_str() {
                // The properties are checked at the end.
                "$defs"
                | "$schema"
                | "additionalProperties"
                | "description"
                | "properties"
                | "title" => {}
                "$ref" => self.value(self.definition(rule)?, value, place)?,
                "anyOf" => {
                    let schemas = rule.as_array().into_iter().flatten();
                    let errors: Vec<_> = schemas
                        .map_while(|schema| self.value(schema, value, place).err())
                        .collect();
                    if errors.len() == rule.as_array().map_or(0, Vec::len) {
                        return Err(errors.join(", or "));
                    }
                }
                "type" => check_type(rule, value, place)?,
                "format" => check_format(rule, value, place)?,
                "minimum" => {
                    let is_wrong =
                        value.as_f64().zip(rule.as_f64()).is_some_and(|(it, min)| it < min);
                    demand(!is_wrong, place, || format!("{value} is less than {rule}"))?;
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(rule, item, &format!("{place}[{index}]"))?;
                    }
                }
                "required" => {
                    let names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                    for name in names {
                        let is_there = value.as_object().is_none_or(|it| it.contains_key(name));
                        demand(is_there, place, || format!("no {name}"))?;
                    }
                }
                _ => return Err(format!("{place}: the keyword {keyword} is not implemented")),
            }
        }
        self.properties(keywords, value, place)
    }

    /// Checks the properties of an object, if the schema declares any.
    fn properties(&self, keywords: &Map<String, Value>, value: &Value, place: &str) -> Checked {
        let (declared, others) = (keywords.get("properties"), keywords.get("additionalProperties"));
        if declared.is_none() && others.is_none() {
            return Ok(());
        }
        for (name, value) in value.as_object().into_iter().flatten() {
            let schema = declared.and_then(|declared| declared.get(name)).or(others);
            let schema = schema.ok_or_else(|| format!("{place}: {name} is not declared"))?;
            self.value(schema, value, &format!("{place}.{name}"))?;
        }
        Ok(())
    }

    fn definition(&self, reference: &Value) -> Result<&Value, String> {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.root.pointer(pointer));
        found.ok_or_else(|| format!("{reference} leads nowhere"))
    }
}

fn demand(holds: bool, place: &str, objection: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(format!("{place}: {}", objection())) }
}

fn check_type(rule: &Value, value: &Value, place: &str) -> Checked {
    let is = |name: &Value| match name.as_str() {
        Some("array") => value.is_array(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("null") => value.is_null(),
        Some("number") => value.is_number(),
        Some("object") => value.is_object(),
        Some("string") => value.is_string(),
        _ => false,
    };
    let holds = rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is));
    demand(holds, place, || format!("{value} is not of type {rule}"))
}

/// Checks the format of a number. The keyword `type` says whether it may be null.
fn check_format(rule: &Value, value: &Value, place: &str) -> Checked {
    if value.is_null() {
        return Ok(());
    }
    let holds = match rule.as_str() {
        Some("double") => value.is_number(),
        Some("uint" | "uint64") => value.is_u64(),
        Some("uint32") => value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
        _ => return Err(format!("{place}: the format {rule} is not implemented")),
    };
    demand(holds, place, || format!("{value} is not of format {rule}"))
}

/// Checks a document against a schema that uses every keyword.
#[track_caller]
fn assert_checked(document: &Value, expected: Result<(), &str>) {
    let schema = Schema::parse(
        r##"{
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "version": {"type": "integer", "format": "uint32", "minimum": 1},
                "seconds": {"description": "Duration.", "type": "number", "format": "double"},
                "address": {"type": ["string", "null"]},
                "failure": {"anyOf": [{"$ref": "#/$defs/Failure"}, {"type": "null"}]},
                "hops": {"type": "array", "items": {"$ref": "#/$defs/Failure"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}}
            },
            "required": ["version"],
            "$defs": {
                "Failure": {
                    "type": "object",
                    "properties": {"reason": {"type": "string"}},
                    "required": ["reason"]
                }
            }
        }"##,
    );
    assert_eq!(schema.check(document), expected.map_err(str::to_owned), "{document}");
}

#[test]
fn a_valid_document_is_accepted() {
    for document in [
        json!({"version": 1}),
        json!({"version": 4_294_967_295_u32, "seconds": 0.5, "address": null, "failure": null}),
        json!({"version": 1, "seconds": 3, "address": "::1", "failure": {"reason": "timeout"}}),
        json!({"version": 1, "hops": [{"reason": "a"}, {"reason": "b"}], "labels": {"x": "y"}}),
    ] {
        assert_checked(&document, Ok(()));
    }
}

#[test]
fn an_invalid_document_is_rejected() {
    let missing = "$.failure: no reason, or $.failure: {} is not of type \"null\"";
    for (document, error) in [
        (json!([]), "$: [] is not of type \"object\""),
        (json!({}), "$: no version"),
        (json!({"version": 0}), "$.version: 0 is less than 1"),
        (json!({"version": 1.5}), "$.version: 1.5 is not of format \"uint32\""),
        (
            json!({"version": 4_294_967_296_u64}),
            "$.version: 4294967296 is not of format \"uint32\"",
        ),
        (json!({"version": 1, "seconds": "1"}), "$.seconds: \"1\" is not of format \"double\""),
        (json!({"version": 1, "address": 1}), "$.address: 1 is not of type [\"string\",\"null\"]"),
        (json!({"version": 1, "failure": {}}), missing),
        (json!({"version": 1, "hops": {}}), "$.hops: {} is not of type \"array\""),
        (json!({"version": 1, "hops": [{"reason": "a"}, {}]}), "$.hops[1]: no reason"),
        (json!({"version": 1, "labels": {"x": 1}}), "$.labels.x: 1 is not of type \"string\""),
        (json!({"version": 1, "other": 1}), "$: other is not declared"),
    ] {
        assert_checked(&document, Err(error));
    }
}

#[test]
fn an_unsupported_schema_is_an_error() {
    for (schema, error) in [
        (r#"{"pattern": "^a"}"#, "$: the keyword pattern is not implemented"),
        (r#"{"format": "date-time"}"#, "$: the format \"date-time\" is not implemented"),
        (r##"{"$ref": "#/$defs/None"}"##, "\"#/$defs/None\" leads nowhere"),
        (r#"{"items": true}"#, "$[0]: no schema: true"),
        (r#"{"type": "text"}"#, "$: [1] is not of type \"text\""),
    ] {
        assert_eq!(Schema::parse(schema).check(&json!([1])), Err(error.to_owned()));
    }
}
