//! Escaping of label names and of text.

use std::fmt::Write as _;

use memchr::{memchr2, memchr3};

/// Escaping scheme for label names beyond ASCII letters, digits and underscores.
///
/// Only label names of `probe_expect_info` need it, since they come from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escaping {
    /// Replaces each special character with an underscore.
    #[default]
    Underscores,
    /// Replaces dots with `_dot_`, and underscores and special characters with `__`.
    Dots,
    /// Writes `U__` and special characters as their code points between underscores.
    Values,
    /// Writes names unchanged, in quotes.
    AllowUtf8,
}

impl Escaping {
    /// All schemes.
    pub const ALL: [Self; 4] = [Self::Underscores, Self::Dots, Self::Values, Self::AllowUtf8];

    /// Returns the name of the scheme in content types.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
            Self::AllowUtf8 => "allow-utf-8",
        }
    }
}

/// Appends a label name.
///
/// Unlike upstream: a colon is escaped, since no scraper accepts it in a label name.
pub(super) fn push_label_name(out: &mut String, name: &str, escaping: Escaping) {
    if is_classic(name) {
        out.push_str(name);
        return;
    }
    match escaping {
        Escaping::AllowUtf8 => {
            out.push('"');
            push_text(out, name, true);
            out.push('"');
            return;
        }
        Escaping::Values => out.push_str("U__"),
        Escaping::Underscores | Escaping::Dots => {}
    }
    for (index, character) in name.chars().enumerate() {
        match (escaping, character) {
            (Escaping::Dots, '.') => out.push_str("_dot_"),
            (Escaping::Dots | Escaping::Values, '_') => out.push_str("__"),
            _ if may_stand(index, character) => out.push(character),
            (Escaping::Dots, _) => out.push_str("__"),
            (Escaping::Values, _) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "_{:x}_", u32::from(character));
            }
            (Escaping::Underscores | Escaping::AllowUtf8, _) => out.push('_'),
        }
    }
}

/// Appends a text, with quotes escaped if `quotes`.
pub(super) fn push_text(out: &mut String, mut text: &str, quotes: bool) {
    // Most text needs no escaping and is copied as a whole.
    let special = |text: &str| {
        if quotes {
            memchr3(b'\\', b'\n', b'"', text.as_bytes())
        } else {
            memchr2(b'\\', b'\n', text.as_bytes())
        }
    };
    while let Some(position) = special(text) {
        let (plain, rest) = text.split_at(position);
        out.push_str(plain);
        let mut rest = rest.chars();
        match rest.next() {
            Some('\n') => out.push_str("\\n"),
            Some(other) => out.extend(['\\', other]),
            None => {}
        }
        text = rest.as_str();
    }
    out.push_str(text);
}

fn is_classic(name: &str) -> bool {
    name.chars().enumerate().all(|(index, character)| may_stand(index, character))
}

fn may_stand(index: usize, character: char) -> bool {
    character == '_' || character.is_ascii_alphabetic() || index > 0 && character.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are those of blackbox_exporter 0.28.0, except for colons.
    #[test]
    fn names_are_written_as_the_scraper_wants() {
        for (name, underscores, dots, values, quoted) in [
            ("plain", "plain", "plain", "plain", "plain"),
            ("a_b", "a_b", "a_b", "a_b", "a_b"),
            ("_", "_", "_", "_", "_"),
            ("U__a", "U__a", "U__a", "U__a", "U__a"),
            ("a.b", "a_b", "a_dot_b", "U__a_2e_b", "\"a.b\""),
            ("a.b_c", "a_b_c", "a_dot_b__c", "U__a_2e_b__c", "\"a.b_c\""),
            ("a-", "a_", "a__", "U__a_2d_", "\"a-\""),
            ("1st", "_st", "__st", "U___31_st", "\"1st\""),
            ("\u{fc}tf", "_tf", "__tf", "U___fc_tf", "\"\u{fc}tf\""),
            ("a\nb", "a_b", "a__b", "U__a_a_b", "\"a\\nb\""),
            ("a b\"c\\d", "a_b_c_d", "a__b__c__d", "U__a_20_b_22_c_5c_d", "\"a b\\\"c\\\\d\""),
            ("\u{65e5}\u{672c}", "__", "____", "U___65e5__672c_", "\"\u{65e5}\u{672c}\""),
            ("\u{1f600}", "_", "__", "U___1f600_", "\"\u{1f600}\""),
            ("a\u{301}", "a_", "a__", "U__a_301_", "\"a\u{301}\""),
            ("a:b", "a_b", "a__b", "U__a_3a_b", "\"a:b\""),
        ] {
            for (escaping, expected) in
                Escaping::ALL.into_iter().zip([underscores, dots, values, quoted])
            {
                let mut found = String::new();
                push_label_name(&mut found, name, escaping);
                assert_eq!(found, expected, "{name:?} as {}", escaping.label());
            }
        }
    }
}
