//! Key-value pairs as logfmt, quoted like the text log handler of Go.

use std::{fmt::Write as _, time::SystemTime};

use chrono::{DateTime, Local, SecondsFormat};

/// Appends ` key=value`, or `key=value` to an empty text.
pub fn push_pair(out: &mut String, key: &str, value: &str) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push(' ');
    }
    push_text(out, key);
    out.push('=');
    push_text(out, value);
}

/// Formats a time as RFC 3339 with milliseconds and the local offset.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn push_text(out: &mut String, text: &str) {
    let plain = |character: char| {
        character.is_ascii_graphic() && !matches!(character, '"' | '=')
            || (!character.is_ascii() && character.is_alphanumeric())
    };
    // As in Go, a backslash alone needs no quotes.
    if !text.is_empty() && text.chars().all(plain) {
        out.push_str(text);
    } else {
        push_quoted(out, text);
    }
}

/// Appends `text` in double quotes, like `strconv.Quote` of Go.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            other => push_visible(out, other),
        }
    }
    out.push('"');
}

/// Appends a character. Invisible characters, and those that change the appearance of others, are
/// escaped as in Go.
pub fn push_visible(out: &mut String, character: char) {
    // Writing to a String cannot fail.
    let _ = match character {
        '\n' => write!(out, "\\n"),
        '\r' => write!(out, "\\r"),
        '\t' => write!(out, "\\t"),
        '\u{7}' => write!(out, "\\a"),
        '\u{8}' => write!(out, "\\b"),
        '\u{c}' => write!(out, "\\f"),
        '\u{b}' => write!(out, "\\v"),
        control if control.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(control)),
        control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control)),
        tag if tag > '\u{ffff}' && is_invisible(tag) => write!(out, "\\U{:08x}", u32::from(tag)),
        other if is_invisible(other) => write!(out, "\\u{:04x}", u32::from(other)),
        other => out.write_char(other),
    };
}

/// Returns whether a character is shown as nothing, or changes how others are shown: controls, marks of
/// direction, separators, tags and variation selectors.
#[must_use]
pub fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e01ef}')
}

/// Returns untrusted text as one line without invisible characters.
#[must_use]
pub fn visible(text: &str) -> String {
    // Each refusal has a text.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|character| push_visible(&mut out, character));
    out
}

/// Returns `text` in double quotes, like `%q` of Go.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_quoted(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_values_are_quoted() {
        let cases = [
            ("plain", "key=plain"),
            ("", "key=\"\""),
            ("two words", "key=\"two words\""),
            ("a=b", "key=\"a=b\""),
            ("C:\\dir", "key=C:\\dir"),
            ("line\nbreak\u{1}", "key=\"line\\nbreak\\x01\""),
            ("\u{202e}txt", "key=\"\\u202etxt\""),
            ("grün", "key=grün"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            push_pair(&mut out, "key", value);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn invisible_characters_are_escaped() {
        for (text, expected) in [
            ("", ""),
            (r#"all of "~ !\""#, r#"all of "~ !\""#),
            ("a\u{7f}", "a\\x7f"),
            ("two\nlines \u{1f}", "two\\nlines \\x1f"),
            ("gr\u{fc}n \u{202e}", "gr\u{fc}n \\u202e"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }
}
