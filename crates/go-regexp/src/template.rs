//! Go's template syntax for captures: `$name`, `${name}`, `$1`, `$$`.

use std::{fmt, sync::LazyLock};

use regex_syntax::hir::{ClassUnicode, HirKind};

/// A reference to a capture group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group<'t> {
    Index(usize),
    Name(&'t str),
}

/// Writes the reference in template syntax.
impl fmt::Display for Group<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(formatter, "${index}"),
            Self::Name(name) => write!(formatter, "${name}"),
        }
    }
}

/// Returns all references of a template.
pub(super) fn references(template: &str) -> Vec<Group<'_>> {
    let mut found = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((name, after)) = reference(rest) {
            found.push(group(name));
            rest = after;
        }
    }
    found
}

/// Minimum number that Go no longer accepts as a group number, but as a name.
const INDEX_LIMIT: usize = 100_000_000;

/// Expands a template; `matched` returns the text for each reference.
pub(super) fn expand<'m>(template: &str, matched: impl Fn(Group<'_>) -> &'m [u8]) -> Vec<u8> {
    let mut expanded = Vec::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.extend_from_slice(before.as_bytes());
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push(b'$');
            rest = after;
        } else if let Some((name, after)) = reference(rest) {
            expanded.extend_from_slice(matched(group(name)));
            rest = after;
        } else {
            expanded.push(b'$');
        }
    }
    expanded.extend_from_slice(rest.as_bytes());
    expanded
}

/// Parses the reference after a `$`. Returns the name and the rest of the text.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inner, in_braces) = match text.strip_prefix('{') {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let end = inner.find(|character| !is_in_name(character)).unwrap_or(inner.len());
    let (name, after) = inner.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let after = if in_braces { after.strip_prefix('}')? } else { after };
    Some((name, after))
}

/// Tells group numbers from names: a number has only digits and no leading zero.
fn group(name: &str) -> Group<'_> {
    let is_number =
        name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    match name.parse() {
        Ok(index) if is_number && index < INDEX_LIMIT => Group::Index(index),
        _ => Group::Name(name),
    }
}

/// Returns true for the characters of a name: letters and decimal digits of every script, and `_`.
fn is_in_name(character: char) -> bool {
    /// Letters and decimal digits.
    static WORD: LazyLock<Option<ClassUnicode>> =
        LazyLock::new(|| match regex_syntax::parse(r"[\p{L}\p{Nd}]").ok()?.into_kind() {
            HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
            _ => None,
        });
    if character.is_ascii() {
        return character == '_' || character.is_ascii_alphanumeric();
    }
    let ranges = WORD.as_ref().map_or(&[][..], ClassUnicode::ranges);
    let after = ranges.partition_point(|range| range.start() <= character);
    after
        .checked_sub(1)
        .and_then(|index| ranges.get(index))
        .is_some_and(|range| character <= range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_expanded() {
        let matched = |group: Group<'_>| -> &[u8] {
            match group {
                Group::Index(0) => b"whole",
                Group::Index(1) => b"one",
                Group::Name("name") => b"named",
                _ => b"",
            }
        };
        for (template, expanded) in [
            ("", ""),
            ("plain", "plain"),
            ("$1", "one"),
            ("${1}x", "onex"),
            ("$1x", ""),
            ("$0|$1|$2", "whole|one|"),
            ("$name.", "named."),
            ("${name}s", "nameds"),
            ("$names", ""),
            ("$$1", "$1"),
            ("$$$1", "$one"),
            ("a$", "a$"),
            ("$ 1", "$ 1"),
            ("${", "${"),
            ("${}", "${}"),
            ("${1", "${1"),
            ("${1 }", "${1 }"),
            ("${$1}", "${one}"),
            ("$01", ""),
            ("$100000000", ""),
            ("$99999999999999999999999", ""),
            ("$1é", ""),
            ("$1€", "one€"),
            ("$1-$1", "one-one"),
        ] {
            assert_eq!(
                String::from_utf8(expand(template, matched)).unwrap(),
                expanded,
                "{template}"
            );
        }
    }
}
