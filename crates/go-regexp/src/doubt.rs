//! What a pattern that can be compiled cannot have been meant to say.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::{
    Compiled, Regexp,
    template::{self, Group},
};

/// What a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A text without a line break: a line of a peer, the value of a header.
    Line,
    /// Any text, such as a body or a message.
    Text,
}

/// What reading a pattern told about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doubts {
    /// The operator that repeats a place in the text.
    empty_repetition: Option<char>,
    never_in_line: bool,
    never_in_text: bool,
    always_in_text: bool,
}

impl Doubts {
    /// What is to be known of a pattern that was read.
    pub(super) fn of(hir: &Hir, empty_repetition: Option<char>) -> Self {
        // As most patterns are.
        if matches!(hir.kind(), HirKind::Literal(_)) && empty_repetition.is_none() {
            let never_in_line = is_never(hir, Around::default(), Subject::Line);
            return Self { never_in_line, ..Self::default() };
        }
        Self {
            empty_repetition,
            never_in_line: is_never(hir, Around::default(), Subject::Line),
            never_in_text: is_never(hir, Around::default(), Subject::Text),
            always_in_text: is_always(hir),
        }
    }
}

impl Regexp {
    /// Why the pattern cannot mean what it says, if there is a reason, as a sentence without its
    /// end.
    ///
    /// Nothing of the pattern but its operators is quoted, since it may be secret.
    #[must_use]
    pub fn doubt(&self, subject: Subject) -> Option<String> {
        let Doubts { empty_repetition, never_in_line, never_in_text, .. } = self.compiled.doubts;
        if let Some(operator) = empty_repetition {
            return Some(format!(
                "'{operator}' has nothing to repeat: before it stands a position, such as '^', and \
                 no character; write '\\{operator}' for the character itself"
            ));
        }
        let pattern = self.as_str();
        doubt_of_text(pattern, subject).or_else(|| {
            let is_never = if subject == Subject::Line { never_in_line } else { never_in_text };
            is_never.then(|| never(subject).to_owned())
        })
    }

    /// Whether the pattern matches every text.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        self.compiled.doubts.always_in_text
    }

    /// The groups that `template` refers to and the pattern does not have.
    #[must_use]
    pub fn unknown_references(&self, template: &str) -> Vec<String> {
        let Compiled { names, groups, .. } = &*self.compiled;
        let is_unknown = |group: &Group<'_>| match group {
            Group::Index(index) => index > groups,
            Group::Name(name) => !names.iter().any(|(known, _)| known == name),
        };
        let unknown = template::references(template).into_iter().filter(is_unknown);
        unknown.map(|group| group.to_string()).collect()
    }
}

fn never(subject: Subject) -> &'static str {
    match subject {
        Subject::Line => {
            "it can never match: it requires a character before '^' or after '$', or a line break, \
             which is removed before"
        }
        Subject::Text => {
            "it can never match: it requires a character before '^' or after '$'; '(?m)' at its \
             beginning lets them match at each line"
        }
    }
}

/// Whether characters must stand before and after a part of a pattern.
#[derive(Clone, Copy, Default)]
struct Around {
    before: bool,
    after: bool,
}

/// Whether nothing that a subject may be matches.
fn is_never(hir: &Hir, around: Around, subject: Subject) -> bool {
    let is_line = subject == Subject::Line;
    match hir.kind() {
        HirKind::Empty => false,
        HirKind::Literal(literal) => is_line && literal.0.contains(&b'\n'),
        HirKind::Class(Class::Unicode(class)) => {
            let only_breaks = |class: &regex_syntax::hir::ClassUnicode| {
                class.ranges().iter().all(|range| range.start() == '\n' && range.end() == '\n')
            };
            class.ranges().is_empty() || is_line && only_breaks(class)
        }
        HirKind::Class(Class::Bytes(class)) => class.ranges().is_empty(),
        HirKind::Look(look) => match look {
            Look::Start => around.before,
            Look::End => around.after,
            Look::StartLF => is_line && around.before,
            Look::EndLF => is_line && around.after,
            _ => false,
        },
        HirKind::Capture(capture) => is_never(&capture.sub, around, subject),
        HirKind::Repetition(repetition) => {
            repetition.min > 0 && is_never(&repetition.sub, around, subject)
        }
        HirKind::Alternation(parts) => parts.iter().all(|part| is_never(part, around, subject)),
        HirKind::Concat(parts) => {
            let consumes =
                |part: &Hir| part.properties().minimum_len().is_none_or(|least| least > 0);
            let first = parts.iter().position(consumes).unwrap_or(usize::MAX);
            let last = parts.iter().rposition(consumes);
            parts.iter().enumerate().any(|(index, part)| {
                let before = around.before || first < index;
                let after = around.after || last.is_some_and(|last| last > index);
                is_never(part, Around { before, after }, subject)
            })
        }
    }
}

/// Whether every text is matched.
fn is_always(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Literal(_) | HirKind::Class(_) => false,
        HirKind::Look(look) => {
            matches!(look, Look::Start | Look::End | Look::StartLF | Look::EndLF)
        }
        HirKind::Capture(capture) => is_always(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min == 0,
        HirKind::Alternation(parts) => parts.iter().any(is_always),
        HirKind::Concat(parts) => {
            let is_start =
                |part: &Hir| matches!(part.kind(), HirKind::Look(Look::Start | Look::StartLF));
            let is_end = |part: &Hir| matches!(part.kind(), HirKind::Look(Look::End | Look::EndLF));
            let others = || parts.iter().filter(|part| !is_start(part) && !is_end(part));
            let (starts, ends) = (parts.iter().any(is_start), parts.iter().any(is_end));
            let all = others().all(is_always);
            all && (!(starts && ends) || others().any(covers))
        }
    }
}

/// Whether it matches any text from its beginning to its end.
fn covers(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    let mut missing = class.clone();
    missing.negate();
    repetition.min == 0 && repetition.max.is_none() && missing.ranges().is_empty()
}

/// What the text of a pattern has of another notation.
fn doubt_of_text(pattern: &str, subject: Subject) -> Option<String> {
    if pattern.ends_with('\n') {
        let text = "it ends with a line break, as the block style | of YAML leaves it; write |- in \
                    its place";
        return Some(text.to_owned());
    }
    if subject == Subject::Line && ends_with_return(pattern) {
        let text = "it requires a carriage return at the end of the line, which is removed before";
        return Some(text.to_owned());
    }
    if let Some(flags) = trailing_flags(pattern) {
        return Some(format!("'{flags}' at its end changes nothing; put it at the beginning"));
    }
    if let Some(flags) = delimited(pattern) {
        return Some(format!(
            "the slashes and '{flags}' around it are taken for text; write '(?{})' at the beginning \
             in place of them",
            flags.replace('g', "")
        ));
    }
    if let Some(inner) = pattern.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
        && !inner.contains('\'')
    {
        let text = "the quotation marks around it have to be in the text too; leave them out";
        return Some(text.to_owned());
    }
    None
}

/// Whether it ends with `\r` or `\r$`.
fn ends_with_return(pattern: &str) -> bool {
    let rest = pattern.strip_suffix('$').unwrap_or(pattern);
    rest.ends_with('\r') || rest.ends_with("\\r") && !rest.ends_with("\\\\r")
}

/// A group of flags such as `(?i)` at the end, where nothing is left that they could change.
fn trailing_flags(pattern: &str) -> Option<&str> {
    let start = pattern.rfind("(?").filter(|start| *start > 0)?;
    let group = pattern.get(start..)?;
    let flags = group.strip_prefix("(?")?.strip_suffix(')')?;
    (!flags.is_empty() && flags.chars().all(|c| "imsU-".contains(c))).then_some(group)
}

/// The flags of a pattern between slashes, as other tools write it.
fn delimited(pattern: &str) -> Option<&str> {
    const FLAGS: [&str; 7] = ["i", "gi", "ig", "im", "mi", "si", "is"];
    let (inner, flags) = pattern.strip_prefix('/')?.rsplit_once('/')?;
    let is_path = inner.is_empty() || inner.starts_with('/');
    (!is_path && FLAGS.contains(&flags)).then_some(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Subject = Subject::Line;
    const TEXT: Subject = Subject::Text;

    #[test]
    fn patterns_that_cannot_mean_what_they_say_are_doubted() {
        for (pattern, subject, expected) in [
            (r"^+OK", LINE, r"'+' has nothing to repeat"),
            (r"^*OK", LINE, r"write '\*' for the character"),
            (r"OK$*", TEXT, "nothing to repeat"),
            (r"(?:)+a", TEXT, "nothing to repeat"),
            (r"\b+word", TEXT, "nothing to repeat"),
            (r"(^)?a", LINE, "nothing to repeat"),
            (r"a^b", LINE, "can never match"),
            (r" ^220", LINE, "can never match"),
            (r"OK$ ", LINE, "can never match"),
            (r"a$b|c^d", TEXT, "(?m)"),
            (r"a\zb", TEXT, "can never match"),
            (r"(a$)b", TEXT, "can never match"),
            (r"(?m)a^b", LINE, "can never match"),
            (r"220.*\r\n", LINE, "line break"),
            (r"[^\x00-\x{10FFFF}]", TEXT, "can never match"),
            ("OK\n", TEXT, "block style"),
            (r"^220.*\r$", LINE, "carriage return"),
            (r"healthy(?i)", TEXT, "put it at the beginning"),
            (r"/heal.hy/i", TEXT, "write '(?i)' at the beginning"),
            (r"'healthy'", TEXT, "quotation marks"),
        ] {
            let doubt = Regexp::new(pattern).unwrap().doubt(subject).unwrap_or_default();
            assert!(doubt.contains(expected), "{pattern:?}: {doubt}");
        }
    }

    #[test]
    fn honest_patterns_are_not_doubted() {
        for (pattern, subject) in [
            (r"^\+OK", LINE),
            (r"^220.*ESMTP.*$", LINE),
            (r"^220 ", LINE),
            (r"(?i)^ssh-2\.0-", LINE),
            (r"^(a|b)$", LINE),
            (r"(^a|b$)", LINE),
            (r"^$", TEXT),
            (r"(?m)^a$\n^b$", TEXT),
            (r"(?m)a$", LINE),
            (r"a(?i)b", TEXT),
            (r"x*^a", TEXT),
            (r"(a|)^b", TEXT),
            (r"\r?$", TEXT),
            (r"a\\r", LINE),
            (r".*", LINE),
            ("", LINE),
            ("/api/v1/", TEXT),
            ("/etc/passwd", TEXT),
            ("//i", TEXT),
            (r#""status":\s*"ok""#, TEXT),
            (r"it's 'here'", TEXT),
            (r"'a' or 'b'", TEXT),
            (r"(.*)Syncthing(.*)", TEXT),
            (r"[+-]?\d+", TEXT),
            (r"\x{feff}?", TEXT),
        ] {
            let pattern = Regexp::new(pattern).unwrap();
            assert_eq!(pattern.doubt(subject), None, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_match_everything_are_known() {
        for (pattern, expected) in [
            ("", true),
            (".*", true),
            ("a*", true),
            ("(a|)", true),
            ("^", true),
            ("^.*", true),
            (".*$", true),
            ("^.*$", false),
            ("(?s)^.*$", true),
            ("^a*$", false),
            ("^$", false),
            ("a", false),
            (".+", false),
            (r"\b", false),
        ] {
            assert_eq!(Regexp::new(pattern).unwrap().matches_everything(), expected, "{pattern}");
        }
    }

    #[test]
    fn references_to_no_group_are_known() {
        for (pattern, template, expected) in [
            ("^(a)", "$1 $0 ${1}", &[][..]),
            ("^(a)", "$2", &["$2"]),
            ("^(?P<name>a)", "$name $other", &["$other"]),
            ("^(a)", "$1x $1_", &["$1x", "$1_"]),
            ("a", "cost: $$5", &[]),
            ("a", "cost: $5", &["$5"]),
            ("a", "$ {x} $", &[]),
        ] {
            let unknown = Regexp::new(pattern).unwrap().unknown_references(template);
            assert_eq!(unknown, expected, "{pattern} {template}");
        }
    }
}
