//! Expressions in the Common Expression Language that judge a JSON body.

mod adapt;
mod check;
mod functions;
mod json;
mod overloads;
mod types;

use std::{fmt, sync::Arc, thread, time::Instant};

use cel::{
    Value,
    common::{ast::IdedExpr, types::CelBool},
    parser::{ParseErrors, Parser},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::regexp::Regexp;

/// Characters that an expression may have, as in upstream's library.
const LENGTH_LIMIT: usize = 100_000;
/// Nesting of brackets and macros, as in upstream's library.
const NESTING_LIMIT: u16 = 250;
/// Nesting of operations, of which a chain such as `a + b + c` counts each.
const HEIGHT_LIMIT: usize = 500;
/// Operations that any thread's stack is large enough for.
const SHALLOW: usize = 24;
/// Bytes of stack for whatever is deeper.
const DEEP_STACK_SIZE: usize = 256 << 20;

/// What is said of an expression that a defect of the library keeps from being compiled.
const UNFORESEEN: &str = "the expression cannot be handled";

/// A compiled expression over the variable `body`; standard library and macros only.
///
/// Every number of the document is a double. Numbers of different types are equal and ordered by
/// value, but there is no arithmetic between them.
///
/// Unlike upstream:
/// - A constant pattern that does not compile is refused at load; upstream fails the evaluation.
/// - `google.protobuf` messages cannot be constructed.
/// - The keys of a map that an expression constructs are booleans, integers and strings; a number
///   from the document has to be converted: `{int(body.a): 1}`.
/// - `timestamp()` also reads a lower-case `t` and `z` and a blank instead of the `T`, and
///   `string()` of a timestamp is in UTC. `duration()` does not know the unit `µs`; write `us`.
/// - `existsOne` is another name of `exists_one`.
/// - An evaluation fails when its document is longer than 16 MiB, has more than a million values or
///   nests deeper than 128 levels, and when its macros visit more than five million elements.
///
/// Two are equal when their expressions are.
#[derive(Clone)]
pub struct CelProgram {
    compiled: Arc<Compiled>,
}

struct Compiled {
    text: String,
    expression: IdedExpr,
    /// Whether evaluating needs a large stack.
    is_deep: bool,
    /// The patterns that `matches` is called with.
    patterns: Vec<Regexp>,
}

impl CelProgram {
    /// Compiles `expression`; the error says where and what is wrong with it.
    pub fn new(expression: &str) -> Result<Self, String> {
        if expression.chars().nth(LENGTH_LIMIT).is_some() {
            return Err(format!("the expression is longer than {LENGTH_LIMIT} characters"));
        }
        let compiled = on_deep_stack(|| compile(expression)).flatten()?;
        Ok(Self { compiled: Arc::new(compiled) })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.compiled.text
    }

    /// What the expression says of the JSON document `json`.
    ///
    /// Blocks its thread until it is done or, if a macro runs long, `deadline` has come. Fails when
    /// the document cannot be read, a step fails or the result is not a boolean.
    pub fn evaluate(&self, json: &[u8], deadline: Instant) -> Result<bool, String> {
        if self.compiled.is_deep {
            on_deep_stack(|| self.compiled.evaluate(json, deadline)).flatten()
        } else {
            self.compiled.evaluate(json, deadline)
        }
    }
}

impl Compiled {
    fn evaluate(&self, json: &[u8], deadline: Instant) -> Result<bool, String> {
        let document = json::read(json)?;
        let allowance = functions::Allowance::until(deadline);
        let mut context = functions::context(&self.patterns, &allowance)?;
        context.add_variable_as_val(check::VARIABLE, document);
        let result = Value::resolve_val(&self.expression, &context);
        allowance.check()?;
        let result = result.map_err(|error| format!("the evaluation failed: {error}"))?;
        match result.downcast_ref::<CelBool>() {
            Some(verdict) => Ok(*verdict.inner()),
            None => Err(format!("the result is not a boolean but a {}", result.get_type().name())),
        }
    }
}

fn compile(text: &str) -> Result<Compiled, String> {
    let parser = Parser::new().max_recursion_depth(NESTING_LIMIT);
    let (mut expression, source) =
        parser.parse_with_source_info(text).map_err(|errors| syntax_error(&errors))?;
    let height = adapt::height(&mut expression);
    if height > HEIGHT_LIMIT {
        return Err(format!("the expression nests more than {HEIGHT_LIMIT} operations"));
    }
    check::check(&expression, &source)?;
    let patterns = adapt::adapt(&mut expression)?;
    Ok(Compiled { text: text.to_owned(), expression, is_deep: height > SHALLOW, patterns })
}

/// The first of the errors; the crate's own text repeats the expression for each of them.
fn syntax_error(errors: &ParseErrors) -> String {
    let Some(first) = errors.errors.first() else { return "syntax error".to_owned() };
    if first.msg.contains("Recursion limit") {
        return "the expression nests too deeply".to_owned();
    }
    let (line, column) = first.pos;
    format!("{line}:{column}: {}", first.msg)
}

/// Runs `work` where nesting cannot exhaust the stack.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(DEEP_STACK_SIZE);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| error.to_string())?;
        thread.join().map_err(|_| UNFORESEEN.to_owned())
    })
}

impl fmt::Debug for CelProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CelProgram").field(&self.as_str()).finish()
    }
}

impl fmt::Display for CelProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl PartialEq for CelProgram {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for CelProgram {}

impl<'de> Deserialize<'de> for CelProgram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expression = String::deserialize(deserializer)?;
        Self::new(&expression).map_err(|error| {
            de::Error::custom(format!(
                "\"Could not compile CEL program\" expression=\"{expression}\": {error}"
            ))
        })
    }
}

impl Serialize for CelProgram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// A line of the table: an expression and what blackbox\_exporter 0.28.0 made of it.
    ///
    /// `here` is what differs here, with a reason at [`CelProgram`].
    #[derive(Deserialize)]
    #[serde(untagged, deny_unknown_fields)]
    enum Line {
        /// What the following expressions are evaluated over.
        Document { document: String },
        Expression {
            expression: String,
            json: Option<String>,
            outcome: Outcome,
            here: Option<Outcome>,
        },
    }

    #[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum Outcome {
        Verdict(bool),
        Failure(Failure),
    }

    #[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Failure {
        /// At load.
        Refused,
        /// At evaluation.
        Error,
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(10)
    }

    fn outcome(expression: &str, json: &str) -> Outcome {
        match CelProgram::new(expression) {
            Err(_) => Outcome::Failure(Failure::Refused),
            Ok(program) => match program.evaluate(json.as_bytes(), soon()) {
                Ok(verdict) => Outcome::Verdict(verdict),
                Err(_) => Outcome::Failure(Failure::Error),
            },
        }
    }

    #[test]
    fn expressions_mean_what_they_mean_upstream() {
        let mut common = String::new();
        for line in include_str!("recorded_from_upstream.jsonl").lines() {
            match serde_json::from_str(line).unwrap() {
                Line::Document { document } => common = document,
                Line::Expression { expression, json, outcome: recorded, here } => {
                    let json = json.as_deref().unwrap_or(&common);
                    let expected = here.unwrap_or(recorded);
                    assert_eq!(outcome(&expression, json), expected, "{expression} over {json}");
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_where_and_what() {
        for (expression, reason) in [
            ("", "mismatched input"),
            ("body.a ==", "1:10: "),
            ("body.a == b", "1:11: undeclared reference to 'b'"),
            ("true &&\n body.trim()", "2:11: undeclared reference to 'trim'"),
            ("1 == 1.0", "1:3: found no matching overload for '_==_' applied to '(int, double)'"),
            (
                "'a'.contains(1)",
                "found no matching overload for 'contains' applied to 'string.(int)'",
            ),
            ("body.s.matches('[')", "missing closing ]"),
            ("1.all(x, true)", "1:1: 'int' has no elements"),
            ("'a'.b", "type 'string' does not support field selection"),
        ] {
            let error = CelProgram::new(expression).unwrap_err();
            assert!(error.contains(reason), "{expression}: {error}");
        }
    }

    #[test]
    fn what_is_deep_or_long_is_bounded() {
        let nested = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
        let sum = |terms: usize| format!("1{} > 0", " + 1".repeat(terms));
        assert_eq!(outcome(&nested(200), "{}"), Outcome::Verdict(true));
        assert_eq!(outcome(&sum(200), "{}"), Outcome::Verdict(true));
        let alternatives: Vec<_> = (0..300).map(|number| format!("body == {number}")).collect();
        assert_eq!(outcome(&alternatives.join(" || "), "299"), Outcome::Verdict(true));
        for expression in [nested(300), nested(30_000), sum(600), sum(10_000), "x".repeat(100_001)]
        {
            assert_eq!(outcome(&expression, "{}"), Outcome::Failure(Failure::Refused));
        }
    }

    #[test]
    fn long_evaluations_are_cut_short() {
        let json = format!("[{}1]", "1,".repeat(9_999));
        let loops = CelProgram::new("body.all(x, body.all(y, x == y))").unwrap();
        let error = loops.evaluate(json.as_bytes(), Instant::now()).unwrap_err();
        assert!(error.contains("deadline"), "{error}");
        let filters = CelProgram::new("body.filter(x, x == 2).map(x, x) == []").unwrap();
        assert_eq!(filters.evaluate(json.as_bytes(), soon()), Ok(true));
    }

    #[test]
    fn settings_hold_expressions_as_text() {
        let program: CelProgram = serde_json::from_str(r#""body.a == 1""#).unwrap();
        assert_eq!(program, CelProgram::new("body.a == 1").unwrap());
        assert_eq!(serde_json::to_string(&program).unwrap(), r#""body.a == 1""#);
        let error = serde_json::from_str::<CelProgram>(r#""x""#).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Could not compile CEL program\" expression=\"x\": 1:1: undeclared reference to 'x'"
        );
    }

    /// Strings that are expressions more often than random ones.
    fn expression_like() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "body",
            ".a",
            ".b",
            "[0]",
            "['a']",
            " == ",
            " < ",
            " + ",
            " && ",
            " || ",
            " ? ",
            " : ",
            " in ",
            "!",
            "-",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ",",
            "1",
            "2.5",
            "'a'",
            "null",
            "true",
            ".all(x, ",
            ".map(x, ",
            ".filter(x, ",
            "x",
            "has(",
            "size(",
            "string(",
            ".matches('a')",
            "type(",
            "é",
            "\"",
        ]);
        prop::collection::vec(part, 1..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_expression_over_any_body_has_an_outcome(
            expression in prop_oneof![any::<String>(), expression_like()],
            body in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(br#"{"a": [1, "x", null], "b": {"a": true}}"#.to_vec()),
                Just(b"[[1, 2], {\"a\": 3}]".to_vec()),
            ],
        ) {
            match CelProgram::new(&expression) {
                Ok(program) => drop(program.evaluate(&body, soon())),
                Err(error) => prop_assert!(!error.contains(UNFORESEEN), "{expression}: {error}"),
            }
        }
    }
}
