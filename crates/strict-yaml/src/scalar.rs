//! The meaning of scalars by the rules of Go's yaml.v3, a mixture of YAML 1.1 and 1.2.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A scalar as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text without quotes.
    pub text: String,
    /// True for a plain scalar: neither quoted nor a block.
    pub plain: bool,
    /// Its tag: the name of one of YAML's own, such as `binary` for `!!binary`; empty for any other.
    pub tag: Option<String>,
}

/// The meaning of a scalar if no type is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// `~`, `null` or an empty text.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// An integer above the range of `i64`.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string: anything else, and every quoted scalar.
    String,
}

impl Scalar {
    /// Its meaning if no type is expected.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        let text = self.text.as_str();
        match self.tag.as_deref() {
            Some("float") => match resolve(text) {
                Meaning::Integer(_) | Meaning::Unsigned(_) => float(text),
                other => other,
            },
            Some("int" | "bool" | "null") => resolve(text),
            None if self.plain => resolve(text),
            _ => Meaning::String,
        }
    }

    /// Its tag, if its text does not match it.
    pub(crate) fn wrong_tag(&self) -> Option<&str> {
        let tag = self.tag.as_deref()?;
        let fits = match (tag, self.meaning()) {
            ("int", meaning) => matches!(meaning, Meaning::Integer(_) | Meaning::Unsigned(_)),
            ("float", meaning) => matches!(meaning, Meaning::Float(_)),
            ("bool", meaning) => matches!(meaning, Meaning::Bool(_)),
            ("null", meaning) => meaning == Meaning::Null,
            ("binary", _) => self.bytes().is_some(),
            _ => true,
        };
        (!fits).then_some(tag)
    }

    /// Returns whether it means null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.meaning() == Meaning::Null
    }

    /// Its meaning as a boolean, for which more words count than elsewhere.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.meaning() {
            Meaning::Bool(value) => Some(value),
            Meaning::String => match self.text.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its meaning as an integer; fractions are cut off.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self.meaning() {
            Meaning::Integer(value) => Some(value),
            Meaning::Float(value) if value.is_finite() => {
                format!("{:.0}", value.trunc()).parse().ok()
            }
            _ => None,
        }
    }

    /// Its meaning as a number.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self.meaning() {
            Meaning::Float(value) => Some(value),
            Meaning::Integer(_) | Meaning::Unsigned(_) => match float(&self.text) {
                Meaning::Float(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its bytes: those of its text, or the decoded ones after `!!binary`; `None` if that is not
    /// base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        if self.tag.as_deref() != Some("binary") {
            return Some(self.text.clone().into_bytes());
        }
        let digits: String = self.text.split_ascii_whitespace().collect();
        STANDARD.decode(digits).ok()
    }
}

/// Returns whether a plain scalar of this text is read as this string.
pub(crate) fn reads_as_text(text: &str) -> bool {
    let scalar = Scalar { text: text.to_owned(), plain: true, tag: None };
    text != "<<" && scalar.meaning() == Meaning::String && scalar.as_bool().is_none()
}

/// The meaning of a plain scalar.
fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Bool(true),
        "false" | "False" | "FALSE" => return Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Meaning::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return Meaning::String;
    }
    let number = text.replace('_', "");
    integer(&number).unwrap_or_else(|| float(&number))
}

/// An integer, possibly with a prefix for its base; a leading zero means octal, as in YAML 1.1.
fn integer(text: &str) -> Option<Meaning> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, base) = match digits.get(..2) {
        Some("0x" | "0X") => (digits.get(2..)?, 16),
        Some("0b" | "0B") => (digits.get(2..)?, 2),
        Some("0o" | "0O") => (digits.get(2..)?, 8),
        Some(two) if two.starts_with('0') => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    if negative {
        let value = i128::from(value).checked_neg()?;
        return i64::try_from(value).ok().map(Meaning::Integer);
    }
    Some(i64::try_from(value).map_or(Meaning::Unsigned(value), Meaning::Integer))
}

/// A number with a decimal point or an exponent.
fn float(text: &str) -> Meaning {
    let decimal = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let text = text.replace('_', "");
    match text.parse() {
        Ok(value) if text.chars().all(decimal) => Meaning::Float(value),
        _ => Meaning::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.to_owned(), plain: true, tag: None }
    }

    fn quoted(text: &str) -> Scalar {
        Scalar { plain: false, ..plain(text) }
    }

    fn tagged(tag: &str, text: &str) -> Scalar {
        Scalar { tag: Some(tag.to_owned()), ..quoted(text) }
    }

    #[test]
    fn integers() {
        for (text, expected) in [
            ("0", Some(0)),
            ("200", Some(200)),
            ("+5", Some(5)),
            ("-5", Some(-5)),
            ("200.5", Some(200)),
            ("-200.5", Some(-200)),
            ("1e3", Some(1000)),
            (".5", Some(0)),
            ("0620", Some(400)),
            ("08", Some(8)),
            ("0x1F", Some(31)),
            ("-0x10", Some(-16)),
            ("0b101", Some(5)),
            ("0o17", Some(15)),
            ("4_00", Some(400)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("18446744073709551615", None),
            ("1e30", None),
            (".inf", None),
            (".nan", None),
            ("", None),
            ("-", None),
            ("+-5", None),
            ("0x", None),
            ("5s", None),
            ("2024-01-02", None),
            ("1e", None),
            ("infinity", None),
        ] {
            assert_eq!(plain(text).as_integer(), expected, "{text}");
        }
        assert_eq!(quoted("5").as_integer(), None);
        assert_eq!(tagged("int", "5").as_integer(), Some(5));
        assert_eq!(tagged("str", "5").as_integer(), None);
        assert_eq!(tagged("", "5").as_integer(), None);
    }

    #[test]
    fn booleans() {
        for text in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"] {
            assert_eq!(plain(text).as_bool(), Some(true), "{text}");
        }
        for text in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"] {
            assert_eq!(plain(text).as_bool(), Some(false), "{text}");
        }
        for text in ["1", "0", "tRUE", "yES", "enabled", "", "~"] {
            assert_eq!(plain(text).as_bool(), None, "{text}");
        }
        assert_eq!(quoted("true").as_bool(), None);
    }

    #[test]
    fn binary_is_base64_and_may_be_broken_over_lines() {
        assert_eq!(
            tagged("binary", "AAAA\n CATS Fi8=").bytes().unwrap(),
            b"\0\0\0\x08\x04\xd2\x16/"
        );
        assert_eq!(tagged("binary", "!").bytes(), None);
        assert_eq!(quoted("AAAA").bytes().unwrap(), b"AAAA");
    }

    #[test]
    fn tags_must_fit() {
        for (tag, text, fits) in [
            ("int", "5", true),
            ("int", "a", false),
            ("int", "5.5", false),
            ("float", "5", true),
            ("bool", "true", true),
            ("bool", "yes", false),
            ("null", "", true),
            ("null", "a", false),
            ("binary", "aGk=", true),
            ("binary", "a", false),
            ("str", "5", true),
            ("", "5", true),
        ] {
            assert_eq!(tagged(tag, text).wrong_tag().is_none(), fits, "!!{tag} {text}");
        }
    }

    #[test]
    fn words_with_another_meaning_do_not_read_as_strings() {
        for text in ["", "~", "null", "true", "yes", "N", "5", "1.5", "0x1", "<<", ".inf"] {
            assert!(!reads_as_text(text), "{text}");
        }
        for text in ["GET", "5s", "1.2.3", "nothing", "2024-01-02"] {
            assert!(reads_as_text(text), "{text}");
        }
    }
}
