//! Masks values in texts of a peer that are secret by the name before them.

use std::ops::Range;

use memchr::memmem;

use crate::{
    diagnostics::redaction::{
        decoding::{Level, levels},
        places::{Found, replace},
    },
    settings::{
        redact::is_secret_parameter,
        secret::{HIDDEN, is_secret_name},
    },
};

/// Maximum distance between the start of a tag and what belongs to it, in bytes.
const MAX_TAG: usize = 512;

/// Replaces values after a secret name: of members in JSON, parameters in URLs and forms, fields in
/// HTML, elements in XML, and lines like headers. Names and values may be escaped.
pub(crate) fn mask_values(text: &mut String) {
    let found = levels(text.as_bytes()).flat_map(|level| values(&level)).collect();
    replace(text, found);
}

/// Returns the positions of the values in a text, or in a decoded text.
fn values(level: &Level<'_>) -> Vec<Found> {
    // Decoded bytes need not be UTF-8. Only ASCII is searched for.
    let ascii = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { OTHER };
    let text: String = level.bytes.iter().map(ascii).collect();
    let mut found: Vec<Found> = Vec::new();
    let (mut last, mut end) = (0..0, 0);
    for (at, separator) in text.match_indices([':', '=', '<']) {
        // Between a tag and its text can be other names with their values.
        if last.contains(&at) || separator == "<" && at < end {
            continue;
        }
        let Some(value) = secret_value(&text, at, separator).filter(|it| !it.is_empty()) else {
            continue;
        };
        end = end.max(value.end);
        last = value.clone();
        let place = level.position(value.start)..level.position(value.end);
        found.push(Found { place, shown: HIDDEN });
    }
    found
}

/// A character that is no part of a name, in place of all that are not ASCII.
const OTHER: char = '\u{7f}';

/// The replacement of a secret is like a tag of this name.
const NAME_OF_REPLACEMENT: &str = "secret";

/// Returns the position of the value after the separator at `at`, if its name is secret.
fn secret_value(text: &str, at: usize, separator: &str) -> Option<Range<usize>> {
    let (before, rest) = text.split_at_checked(at)?;
    let after = rest.strip_prefix(separator)?;
    let value = after.trim_start_matches([' ', '\t']);
    let start = text.len() - value.len();
    let unquoted = before.trim_end_matches([' ', '\t']);
    match separator {
        "<" => element(after).map(|Range { start, end }| at + 1 + start..at + 1 + end),
        ":" => {
            let Some(quoted) = unquoted.strip_suffix(['"', '\'']) else {
                let name = name_at_end(before);
                // Items of a list, and what curl -v prints.
                let is_mark = |it: char| it.is_whitespace() || matches!(it, '-' | '>' | '<' | '*');
                let is_header = is_secret_name(name)
                    && before.strip_suffix(name)?.rsplit('\n').next()?.chars().all(is_mark);
                return is_header.then(|| start..end_of_line(text, start));
            };
            // The quotes of JSON in a string of JSON are escaped.
            let quoted = quoted.trim_end_matches('\\');
            is_secret_name(name_at_end(quoted)).then(|| value_at(text, start))
        }
        _ => {
            // A member of an array: `'token' => 'x'`, `user[token]=x`.
            let value =
                value.strip_prefix('>').map_or(value, |value| value.trim_start_matches(' '));
            let start = text.len() - value.len();
            let member = unquoted.trim_end_matches(['"', '\'', ']']);
            let name = name_at_end(member);
            let is_secret = match name {
                "value" | "content" => is_secret_tag(unquoted, after),
                _ if member.strip_suffix(name)?.ends_with(['?', '&', ';']) => {
                    is_secret_parameter(name)
                }
                _ => is_secret_name(name),
            };
            is_secret.then(|| value_at(text, start))
        }
    }
}

/// Returns the position of the text of an element whose tag has a secret name. The tag begins before `after`.
fn element(after: &str) -> Option<Range<usize>> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.' | ':');
    let name = after.get(..after.find(|it| !is_name(it))?)?;
    if !is_secret_name(name.rsplit(':').next()?) {
        return None;
    }
    let start = after.get(..MAX_TAG.min(after.len()))?.find('>')? + 1;
    let value = after.get(start..)?;
    let end = memmem::find(value.as_bytes(), format!("</{name}").as_bytes()).or_else(|| {
        // The end is missing in an excerpt. Other texts contain names in angle brackets too.
        let is_value = !value.contains(|it: char| it == '<' || it.is_whitespace());
        (is_value && name != NAME_OF_REPLACEMENT).then_some(value.len())
    })?;
    Some(start..start + end)
}

/// Returns the name at the end of a text.
fn name_at_end(text: &str) -> &str {
    let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    let start = text.trim_end_matches(is_name).len();
    text.get(start..).unwrap_or_default()
}

/// Returns whether the HTML tag around a separator has a secret name.
fn is_secret_tag(before: &str, after: &str) -> bool {
    let begin = before.get(before.len().saturating_sub(MAX_TAG)..);
    let begin = begin.and_then(|text| text.rsplit_once('<'));
    let end = after.get(..MAX_TAG.min(after.len())).unwrap_or_default();
    let end = end.split('>').next().unwrap_or_default();
    let parts = [begin.map_or("", |(_, tag)| tag), end];
    parts.iter().flat_map(|part| part.split("name=").skip(1)).any(|name| {
        let name = name.trim_start_matches(['"', '\'']).split(['"', '\'', ' ', '>']).next();
        name.is_some_and(is_secret_parameter)
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
                "{&quot;access_token&quot;:&quot;a\\&#34;b&quot;,&#39;n&#39;:1}",
                "{&quot;access_token&quot;:&quot;<secret>&quot;,&#39;n&#39;:1}",
            ),
            ("%7B%22token%22%3A%22x%22%7D", "%7B%22token%22%3A%22<secret>%22%7D"),
            ("?to=%2Fa%3Ftoken%3Dx%26b%3D1&n=1", "?to=%2Fa%3Ftoken%3D<secret>%26b%3D1&n=1"),
            (r"token\u003dx\u0026n\u003d1", r"token\u003d<secret>\u0026n\u003d1"),
            (
                "&amp;lt;token&amp;gt;x&amp;lt;/token&amp;gt;",
                "&amp;lt;token&amp;gt;<secret>&amp;lt;/token&amp;gt;",
            ),
            ("<a:Password Type='x'>x y</a:Password>", "<a:Password Type='x'><secret></a:Password>"),
            ("<token><![CDATA[x]]></token><n>1</n>", "<token><secret></token><n>1</n>"),
            ("<a><apiKey>hunter", "<a><apiKey><secret>"),
            ("<token {\"token\": \"x\"}>y", "<token {\"token\": \"<secret>\"}><secret>"),
            (
                "user[password]=x&user%5Bpassword%5D=x&n=1",
                "user[password]=<secret>&user%5Bpassword%5D=<secret>&n=1",
            ),
            (
                "['password' => 'x', :token=>\"x\", 'n' => 1]",
                "['password' => '<secret>', :token=>\"<secret>\", 'n' => 1]",
            ),
            ("<input type=hidden name=pwd value=x>", "<input type=hidden name=pwd value=<secret>>"),
            ("/login;jsessionid=x a=1", "/login;jsessionid=<secret> a=1"),
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
            "use <token> here",
            "<secret>: <secret>x and <tokens>",
            "<token></token><password/>",
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
