//! Masks values in texts of a peer that are secret by the name before them.

use std::ops::Range;

use crate::settings::{
    redact::is_secret_parameter,
    secret::{HIDDEN, is_secret_name},
};

/// Maximum distance between the start of an HTML tag and a value in it, in bytes.
const MAX_TAG: usize = 512;

/// Replaces values after a secret name: of members in JSON, parameters in URLs and forms, fields in
/// HTML, and lines like headers.
pub(crate) fn mask_values(text: &mut String) {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices([':', '=']) {
        if found.last().is_some_and(|last| at < last.end) {
            continue;
        }
        found.extend(secret_value(text, at).filter(|value| !value.is_empty()));
    }
    for value in found.into_iter().rev() {
        text.replace_range(value, HIDDEN);
    }
}

/// Returns the position of the value after the separator at `at`, if its name is secret.
fn secret_value(text: &str, at: usize) -> Option<Range<usize>> {
    let (before, rest) = text.split_at_checked(at)?;
    let (separator, after) = rest.split_at_checked(1)?;
    let start = at + 1 + after.len() - after.trim_start_matches([' ', '\t']).len();
    let unquoted = before.trim_end_matches([' ', '\t']);
    if separator == ":" {
        let Some(quoted) = unquoted.strip_suffix(['"', '\'']) else {
            // Items of a list, and what curl -v prints.
            let is_mark = |it: char| it.is_whitespace() || matches!(it, '-' | '>' | '<' | '*');
            let line = before.rsplit('\n').next()?.trim_start_matches(is_mark);
            let is_header = !line.is_empty() && name_at_end(line) == line && is_secret_name(line);
            return is_header.then(|| start..end_of_line(text, start));
        };
        // The quotes of JSON in a string of JSON are escaped.
        let quoted = quoted.trim_end_matches('\\');
        return is_secret_name(name_at_end(quoted)).then(|| value_at(text, start));
    }
    let name = name_at_end(unquoted);
    let is_secret = match name {
        "value" | "content" => is_secret_tag(unquoted, after),
        _ if unquoted.strip_suffix(name)?.ends_with(['?', '&']) => is_secret_parameter(name),
        _ => is_secret_name(name),
    };
    is_secret.then(|| value_at(text, start))
}

/// Returns the name at the end of a text.
fn name_at_end(text: &str) -> &str {
    let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    let start = text.trim_end_matches(is_name).len();
    text.get(start..).unwrap_or_default()
}

/// Returns whether the HTML tag around a separator has a secret name.
fn is_secret_tag(before: &str, after: &str) -> bool {
    let start = before.ceil_char_boundary(before.len().saturating_sub(MAX_TAG));
    let begin = before.get(start..).and_then(|text| text.rsplit_once('<'));
    let end = after.get(..after.floor_char_boundary(MAX_TAG)).unwrap_or_default();
    let end = end.split('>').next().unwrap_or_default();
    let parts = [begin.map_or("", |(_, tag)| tag), end];
    parts.iter().flat_map(|part| part.split("name=").skip(1)).any(|name| {
        let name = name.trim_start_matches(['"', '\'']).split(['"', '\'', ' ', '>']).next();
        name.is_some_and(is_secret_name)
    })
}

/// Returns the position of the value that begins at `start`, without its quotes.
fn value_at(text: &str, start: usize) -> Range<usize> {
    let rest = text.get(start..).unwrap_or_default();
    let slashes = rest.len() - rest.trim_start_matches('\\').len();
    if slashes > 0 && rest.get(slashes..).is_some_and(|rest| rest.starts_with(['"', '\''])) {
        let (quote, value) = rest.split_at_checked(slashes + 1).unwrap_or_default();
        let start = start + quote.len();
        return start..start + value.find(quote).unwrap_or(value.len());
    }
    if rest.starts_with(['[', '{']) {
        return start..start + end_of_brackets(rest);
    }
    if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
        let value = rest.get(1..).unwrap_or_default();
        let mut is_escaped = false;
        let end = value.find(|character| {
            let is_end = character == quote && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_end
        });
        return start + 1..start + 1 + end.unwrap_or(value.len());
    }
    let is_end = |it: char| it.is_whitespace() || "&;,\"'<>(){}[]".contains(it);
    start..start + rest.find(is_end).unwrap_or(rest.len())
}

/// Returns the position after the bracket that closes the first one.
fn end_of_brackets(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, bracket) in text.match_indices(['[', '{', ']', '}']) {
        if matches!(bracket, "[" | "{") {
            depth += 1;
        } else {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    text.len()
}

fn end_of_line(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.find('\n').unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_masked_by_their_name() {
        for (text, expected) in [
            (r#"{"access_token": "a\"b", "n": 1}"#, r#"{"access_token": "<secret>", "n": 1}"#),
            (r#"{"password":12345,"code":404}"#, r#"{"password":<secret>,"code":404}"#),
            (r#"{"token":"never ends"#, r#"{"token":"<secret>"#),
            ("{'api_key': 'x'}", "{'api_key': '<secret>'}"),
            (
                "<a href='/next?sid=1&code=2&a=3'>",
                "<a href='/next?sid=<secret>&code=<secret>&a=3'>",
            ),
            ("token=abc&x=1", "token=<secret>&x=1"),
            (
                "<input name=\"csrf_token\" type=hidden value=\"x\">",
                "<input name=\"csrf_token\" type=hidden value=\"<secret>\">",
            ),
            ("<meta name=csrf-token content='x'>", "<meta name=csrf-token content='<secret>'>"),
            (
                "<input type=\"hidden\" value=\"x\" name=\"csrf_token\">",
                "<input type=\"hidden\" value=\"<secret>\" name=\"csrf_token\">",
            ),
            (
                r#"{"body":"{\"access_token\":\"x\",\"n\":1}"}"#,
                r#"{"body":"{\"access_token\":\"<secret>\",\"n\":1}"}"#,
            ),
            (r#"{"token":["x", {"y": 1}], "n": 1}"#, r#"{"token":<secret>, "n": 1}"#),
            (r#"{"password":{"value":"x""#, r#"{"password":<secret>"#),
            (
                "- password: x\n> Authorization: Bearer x",
                "- password: <secret>\n> Authorization: <secret>",
            ),
            ("GET /\nAuthorization: Bearer x\nA: b", "GET /\nAuthorization: <secret>\nA: b"),
        ] {
            let mut shown = text.to_owned();
            mask_values(&mut shown);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn other_texts_stay() {
        for text in [
            "invalid token: it has expired",
            r#"{"error": "the token has expired", "code": "E1"}"#,
            "<input name=user value=x><input value=token>",
            "a == b: c = d\ntokens are: =",
            "token:",
            "\u{e9}=\u{e9}:",
        ] {
            let mut shown = text.to_owned();
            mask_values(&mut shown);
            assert_eq!(shown, text);
        }
    }

    proptest! {
        #[test]
        fn hostile_texts_are_masked(
            before in "([-:=<>&? \n\\\\é]|name=|value=|token){0,20}",
            after in "[-:=\"'<>&? \n\\\\é]{0,20}",
        ) {
            let mut text = format!("{before}\n{{\"token\": \"hunter2\"}}{after}");
            mask_values(&mut text);
            prop_assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
