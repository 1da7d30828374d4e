//! Parses a JSON document into a CEL value, with limits on size and depth.

use std::{borrow::Cow, cell::Cell, collections::HashMap};

use cel::common::{
    types::{CelBool, CelDouble, CelList, CelMap, CelMapKey, CelNull, CelString},
    value::Val,
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Maximum size of a document in bytes.
const MAX_SIZE: usize = 16 << 20;
/// Maximum number of values in a document. Each takes up to about a hundred bytes.
pub(super) const MAX_VALUES: usize = 1_000_000;

/// Parses `json` like Go: all numbers are doubles, the last of several equal keys wins, and invalid
/// Unicode in a string becomes U+FFFD.
///
/// Unlike upstream: documents with more than 16 MiB, a million values or 128 levels are rejected.
pub(super) fn read(json: &[u8]) -> Result<Box<dyn Val>, String> {
    if json.len() > MAX_SIZE {
        return Err(format!("the JSON document is larger than {MAX_SIZE} bytes"));
    }
    let text = go_regexp::decode_lossy(json);
    let text = without_lone_surrogates(&text);
    let values_left = Cell::new(MAX_VALUES);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let document = Document { values_left: &values_left }.deserialize(&mut deserializer);
    document
        .and_then(|document| deserializer.end().map(|()| document))
        .map_err(|error| format!("invalid JSON in the body: {error}"))
}

/// Replaces escapes of unpaired surrogates in `json` with `\ufffd`.
fn without_lone_surrogates(json: &str) -> Cow<'_, str> {
    if !json.contains(r"\ud") && !json.contains(r"\uD") {
        return Cow::Borrowed(json);
    }
    let mut cleaned = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        cleaned.push_str(before);
        let length = match (unicode_escape(escape), escape.get(6..).and_then(unicode_escape)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(0xD800..0xE000), _) => {
                cleaned.push_str(r"\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // The escaped character can be a backslash.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (kept, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        cleaned.push_str(kept);
        rest = after;
    }
    cleaned.push_str(rest);
    Cow::Owned(cleaned)
}

/// Returns the code unit at the start of `text`, if it starts with `\u` and four hexadecimal
/// digits.
fn unicode_escape(text: &str) -> Option<u32> {
    let digits = text.strip_prefix(r"\u")?.get(..4)?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(digits, 16).ok()
}

/// Deserialises one value with all nested values.
#[derive(Clone, Copy)]
struct Document<'c> {
    values_left: &'c Cell<usize>,
}

impl Document<'_> {
    fn number<E: de::Error>(number: impl Into<serde_json::Number>) -> Result<Box<dyn Val>, E> {
        let double = number.into().as_f64();
        let double = double.ok_or_else(|| E::custom("number out of range"))?;
        Ok(Box::new(CelDouble::from(double)))
    }
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Box<dyn Val>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let values_left = self.values_left.get().checked_sub(1);
        self.values_left.set(
            values_left
                .ok_or_else(|| de::Error::custom(format!("more than {MAX_VALUES} values")))?,
        );
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Box<dyn Val>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Box::new(CelBool::from(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Self::number(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Self::number(value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Box::new(CelDouble::from(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Box::new(CelString::from(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Self::Value, E> {
        Ok(Box::new(CelString::from(value)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Box::new(CelNull))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            list.push(element);
        }
        Ok(Box::new(CelList::from(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = entries.next_key::<String>()? {
            map.insert(CelMapKey::from(key), entries.next_value_seed(self)?);
        }
        Ok(Box::new(CelMap::from(map)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_unpaired_surrogates() {
        for (json, cleaned) in [
            (r#""plain""#, r#""plain""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\uD83D x""#, r#""\ufffd x""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\u0041""#, r#""\ufffd\u0041""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83d\"""#, r#""\\\ufffd\"""#),
            (r#""\ud83d\"#, r#""\ufffd\"#),
            (r#""\ud8"#, r#""\ud8"#),
            (r#""\ud8é""#, r#""\ud8é""#),
        ] {
            assert_eq!(without_lone_surrogates(json), cleaned, "{json}");
        }
    }

    #[test]
    fn rejects_too_large_documents() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(nested(100).as_bytes()).is_ok());
        for (json, reason) in [
            (nested(200), "recursion limit"),
            (format!("[{}1]", "1,".repeat(MAX_VALUES)), "more than 1000000 values"),
            (" ".repeat(MAX_SIZE + 1), "larger than"),
            (String::new(), "EOF"),
            ("1e999".to_owned(), "out of range"),
            ("{} x".to_owned(), "trailing"),
        ] {
            let error = read(json.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
