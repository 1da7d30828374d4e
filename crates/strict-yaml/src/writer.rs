//! Prints values as YAML that reads back as the same values.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{scalar::reads_as_text, value::Value};

/// Prints a value in block style with `indent` columns for each level.
#[must_use]
pub fn to_yaml(value: &Value, indent: usize) -> String {
    let mut writer = Writer { text: String::new(), indent: indent.max(ITEM.len()) };
    writer.write_block(value, 0);
    writer.text
}

/// Begins an item of a list.
const ITEM: &str = "- ";

struct Writer {
    text: String,
    indent: usize,
}

impl Writer {
    /// Writes a value on lines of its own that begin at `column`.
    fn write_block(&mut self, value: &Value, column: usize) {
        match value {
            Value::List(items) if !items.is_empty() => {
                for item in items {
                    self.start_line(column);
                    self.write_item(item, column);
                }
            }
            Value::Map(keys) | Value::Section(keys) if !keys.is_empty() => {
                for (index, (key, value)) in keys.iter().enumerate() {
                    if index > 0 || self.is_at_line_start() {
                        self.start_line(column);
                    }
                    self.write_entry(key, value, column);
                }
            }
            single => {
                self.start_line(column);
                self.end_line(single, column);
            }
        }
    }

    /// Writes an item of a list; the first key of a section follows the dash.
    fn write_item(&mut self, item: &Value, column: usize) {
        match item {
            Value::List(items) if !items.is_empty() => {
                self.text.push_str("-\n");
                self.write_block(item, self.next_level(column));
            }
            Value::Map(keys) | Value::Section(keys) if !keys.is_empty() => {
                self.text.push_str(ITEM);
                self.write_block(item, column + ITEM.len());
            }
            single => {
                self.text.push_str(ITEM);
                self.end_line(single, column);
            }
        }
    }

    fn write_entry(&mut self, key: &str, value: &Value, column: usize) {
        self.text.push_str(&quoted(key));
        self.text.push(':');
        let is_block = match value {
            Value::List(items) => !items.is_empty(),
            Value::Map(keys) | Value::Section(keys) => !keys.is_empty(),
            _ => false,
        };
        if is_block {
            self.text.push('\n');
            self.write_block(value, self.next_level(column));
        } else {
            self.text.push(' ');
            self.end_line(value, column);
        }
    }

    /// Writes the value of a key or an item that begins at `column`.
    fn end_line(&mut self, single: &Value, column: usize) {
        match single {
            Value::Text(text) if is_literal(text) => {
                self.write_literal(text, self.next_level(column));
            }
            single => self.text.push_str(&in_line(single)),
        }
        self.text.push('\n');
    }

    /// Writes the lines of a text as they are.
    fn write_literal(&mut self, text: &str, column: usize) {
        let (text, head) = match text.strip_suffix('\n') {
            Some(text) => (text, "|"),
            None => (text, "|-"),
        };
        self.text.push_str(head);
        for line in text.split('\n') {
            self.text.push('\n');
            if !line.is_empty() {
                self.start_line(column);
                self.text.push_str(line);
            }
        }
    }

    fn start_line(&mut self, column: usize) {
        self.text.push_str(&" ".repeat(column));
    }

    fn is_at_line_start(&self) -> bool {
        self.text.is_empty() || self.text.ends_with('\n')
    }

    /// The next multiple of the indentation, as Go's yaml.v3 does it.
    fn next_level(&self, column: usize) -> usize {
        (column / self.indent + 1) * self.indent
    }
}

/// A value that needs no lines of its own.
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

/// Returns whether a text of several lines can be a literal block: no character is invisible.
fn is_literal(text: &str) -> bool {
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    text.contains('\n')
        && lines.all(|line| line.chars().all(is_shown) && !line.ends_with(' '))
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
}

/// A text, in quotes if it needs them.
fn quoted(text: &str) -> String {
    if !text.chars().all(is_shown) || !reads_as_text(text) {
        escaped(text)
    } else if is_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Returns whether a character is visible.
fn is_shown(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')
}

/// Returns whether a text clearly needs no quotes.
fn is_plain(text: &str) -> bool {
    let begins = |c: char| c.is_alphanumeric() || "/_.^$(\\<+=;".contains(c);
    text.starts_with(begins)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
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
            c if !is_shown(c) => {
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
            ("labels".to_owned(), Value::List(vec![text("a")])),
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
    - expect: '^220 '
      labels:
        - a
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
    labels:
      - a
    starttls: true
  - b
map:
  'a: b': !!binary AP8=
";
        assert_eq!(to_yaml(&value, 2), expected);
    }

    #[test]
    fn lines_are_shown_as_they_are() {
        for (lines, expected) in [
            ("a\nb", "k: |-\n    a\n    b\n"),
            ("a\n\n  b\n", "k: |\n    a\n\n      b\n"),
            ("a\n\n", "k: \"a\\n\\n\"\n"),
            (" a\nb", "k: \" a\\nb\"\n"),
            ("a \nb", "k: \"a \\nb\"\n"),
            ("a\r\nb", "k: \"a\\r\\nb\"\n"),
        ] {
            let value = Value::Map(vec![("k".to_owned(), text(lines))]);
            assert_eq!(to_yaml(&value, 4), expected, "{lines:?}");
        }
    }

    #[test]
    fn quotes_where_they_are_needed() {
        for (text, expected) in [
            ("GET", "GET"),
            ("", "\"\""),
            ("yes", "\"yes\""),
            ("5", "\"5\""),
            ("5s", "5s"),
            ("null", "\"null\""),
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
