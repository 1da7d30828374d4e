//! Values as YAML that reads back as the same values.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::config::yaml::{scalar::reads_as_text, value::Value};

/// Prints a value in block style, `indent` spaces for each level.
pub(in crate::config) fn to_yaml(value: &Value, indent: usize) -> String {
    let mut writer = Writer { text: String::new(), indent };
    writer.write_block(value, 0);
    writer.text
}

struct Writer {
    text: String,
    indent: usize,
}

impl Writer {
    /// Writes a value as lines of its own at `level`.
    fn write_block(&mut self, value: &Value, level: usize) {
        match value {
            Value::List(items) if !items.is_empty() => {
                for item in items {
                    self.write_item(item, level);
                }
            }
            Value::Map(keys) | Value::Section(keys) if !keys.is_empty() => {
                for (key, value) in keys {
                    self.start_line(level);
                    self.write_entry(key, value, level);
                }
            }
            single => {
                self.start_line(level);
                self.text.push_str(&in_line(single));
                self.text.push('\n');
            }
        }
    }

    /// Writes a list's item; the first key of a section stands behind the dash.
    fn write_item(&mut self, item: &Value, level: usize) {
        self.start_line(level);
        self.text.push('-');
        match item {
            Value::Map(keys) | Value::Section(keys) if !keys.is_empty() => {
                for (index, (key, value)) in keys.iter().enumerate() {
                    if index == 0 {
                        self.text.push_str(&" ".repeat(self.indent.saturating_sub(1)));
                    } else {
                        self.start_line(level + 1);
                    }
                    self.write_entry(key, value, level + 1);
                }
            }
            Value::List(items) if !items.is_empty() => {
                self.text.push('\n');
                self.write_block(item, level + 1);
            }
            single => {
                self.text.push(' ');
                self.text.push_str(&in_line(single));
                self.text.push('\n');
            }
        }
    }

    fn write_entry(&mut self, key: &str, value: &Value, level: usize) {
        self.text.push_str(&quoted(key));
        self.text.push(':');
        let is_block = match value {
            Value::List(items) => !items.is_empty(),
            Value::Map(keys) | Value::Section(keys) => !keys.is_empty(),
            _ => false,
        };
        if is_block {
            self.text.push('\n');
            self.write_block(value, level + 1);
        } else {
            self.text.push(' ');
            self.text.push_str(&in_line(value));
            self.text.push('\n');
        }
    }

    fn start_line(&mut self, level: usize) {
        self.text.push_str(&" ".repeat(level * self.indent));
    }
}

/// A value that takes no lines of its own.
fn in_line(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Plain(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::Bytes(bytes) => format!("!!binary {}", STANDARD.encode(bytes)),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) | Value::Section(_) => "{}".to_owned(),
    }
}

/// A text, in quotes if it would mean something else without them.
fn quoted(text: &str) -> String {
    let is_shown = |c: char| !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}');
    if !text.chars().all(is_shown) {
        return escaped(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Whether a text can do without quotes. Not all that can do so: only what nobody has to think
/// about.
fn is_plain(text: &str) -> bool {
    let begins = |c: char| c.is_alphanumeric() || "/_.^$(\\<+=;".contains(c);
    text.starts_with(begins)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && reads_as_text(text)
}

/// A text in double quotes, on one line.
fn escaped(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                let code = format!("\\U{:08X}", u32::from(c));
                quoted.push_str(&code);
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn levels_and_lists() {
        let step = Value::Section(vec![
            ("expect".to_owned(), text("^220 ")),
            ("starttls".to_owned(), Value::Plain("true".to_owned())),
        ]);
        let value = Value::Section(vec![
            ("name".to_owned(), text("web")),
            ("empty".to_owned(), Value::List(Vec::new())),
            ("steps".to_owned(), Value::List(vec![step, text("b")])),
            ("map".to_owned(), Value::Map(vec![("a: b".to_owned(), Value::Bytes(vec![0, 255]))])),
        ]);
        let expected = "\
name: web
empty: []
steps:
    -   expect: '^220 '
        starttls: true
    - b
map:
    'a: b': !!binary AP8=
";
        assert_eq!(to_yaml(&value, 4), expected);
        let expected = "\
name: web
empty: []
steps:
  - expect: '^220 '
    starttls: true
  - b
map:
  'a: b': !!binary AP8=
";
        assert_eq!(to_yaml(&value, 2), expected);
    }

    #[test]
    fn quotes_where_they_are_needed() {
        for (text, expected) in [
            ("GET", "GET"),
            ("", "''"),
            ("yes", "'yes'"),
            ("5", "'5'"),
            ("5s", "5s"),
            ("null", "'null'"),
            ("it's", "it's"),
            ("'", "''''"),
            ("- a", "'- a'"),
            ("a #b", "'a #b'"),
            ("a#b", "a#b"),
            ("{a}", "'{a}'"),
            ("<secret>", "<secret>"),
            ("a\nb", "\"a\\nb\""),
            ("\u{1}\\", "\"\\U00000001\\\\\""),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}
