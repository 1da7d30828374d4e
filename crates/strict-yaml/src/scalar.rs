//! What a scalar means, by the rules of Go's yaml.v3, which are those of YAML 1.1 and 1.2 mixed.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A scalar as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, without quotes.
    pub text: String,
    /// Whether it has no quotes and is no block.
    pub plain: bool,
    /// Its tag: the name of one of YAML's own, such as `binary` for `!!binary`, or else empty.
    pub tag: Option<String>,
}

/// What a scalar means when nothing says what is wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Nothing: `~`, `null`, or no text at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number beyond those.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// Anything else, and whatever stands in quotes.
    Text,
}

impl Scalar {
    /// What it means.
    pub fn meaning(&self) -> Meaning {
        let text = self.text.as_str();
        match self.tag.as_deref() {
            Some("float") => match resolve(text) {
                Meaning::Integer(_) | Meaning::Unsigned(_) => float(text),
                other => other,
            },
            Some("int" | "bool" | "null") => resolve(text),
            None if self.plain => resolve(text),
            _ => Meaning::Text,
        }
    }

    /// The tag, if the text is nothing that can have it.
    pub fn wrong_tag(&self) -> Option<&str> {
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

    /// Whether it means nothing.
    pub fn is_null(&self) -> bool {
        self.meaning() == Meaning::Null
    }

    /// Its meaning where a boolean is wanted: more words count than elsewhere.
    pub fn as_bool(&self) -> Option<bool> {
        match self.meaning() {
            Meaning::Bool(value) => Some(value),
            Meaning::Text => match self.text.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
                "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its meaning where a whole number is wanted: what follows a decimal point is cut.
    pub fn as_integer(&self) -> Option<i64> {
        match self.meaning() {
            Meaning::Integer(value) => Some(value),
            Meaning::Float(value) if value.is_finite() => {
                format!("{:.0}", value.trunc()).parse().ok()
            }
            _ => None,
        }
    }

    /// Its meaning where a number is wanted.
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

    /// Its bytes: those of its text, or what `!!binary` stands for; `None` when that is not
    /// base64.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        if self.tag.as_deref() != Some("binary") {
            return Some(self.text.clone().into_bytes());
        }
        let digits: String = self.text.split_ascii_whitespace().collect();
        STANDARD.decode(digits).ok()
    }
}

/// Whether a plain scalar of this text would be read as this text.
pub fn reads_as_text(text: &str) -> bool {
    let scalar = Scalar { text: text.to_owned(), plain: true, tag: None };
    text != "<<" && scalar.meaning() == Meaning::Text && scalar.as_bool().is_none()
}

/// What a plain scalar means.
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
        return Meaning::Text;
    }
    let number = text.replace('_', "");
    integer(&number).unwrap_or_else(|| float(&number))
}

/// A whole number, with a base before its digits if there is one; a leading zero means octal, as
/// YAML 1.1 has it.
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

/// A number with a decimal point or an exponent: digits on one side of the point at least.
fn float(text: &str) -> Meaning {
    let decimal = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let text = text.replace('_', "");
    match text.parse() {
        Ok(value) if text.chars().all(decimal) => Meaning::Float(value),
        _ => Meaning::Text,
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
    fn whole_numbers() {
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
    fn words_with_a_meaning_do_not_read_as_text() {
        for text in ["", "~", "null", "true", "yes", "N", "5", "1.5", "0x1", "<<", ".inf"] {
            assert!(!reads_as_text(text), "{text}");
        }
        for text in ["GET", "5s", "1.2.3", "nothing", "2024-01-02"] {
            assert!(reads_as_text(text), "{text}");
        }
    }
}
