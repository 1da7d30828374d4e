//! Warnings about patterns that compile but cannot do what was probably meant.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::{
    Regexp, Shared,
    template::{self, Group},
};

/// The kind of text that a pattern is matched against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A text without line breaks, such as a line of a protocol or the value of a header.
    Line,
    /// Any text, such as a body or a message.
    Text,
}

/// Properties of a pattern that warnings are derived from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Properties {
    /// The operator of a repetition of an empty match, such as the `+` of `^+`.
    empty_repetition: Option<char>,
    never_matches_line: bool,
    never_matches_text: bool,
    matches_everything: bool,
}

impl Properties {
    /// Finds the properties of a parsed pattern.
    pub(super) fn of(hir: &Hir, empty_repetition: Option<char>) -> Self {
        let never_matches_line = never_matches(hir, Context::default(), Subject::Line);
        // A shortcut for the most frequent kind of pattern.
        if matches!(hir.kind(), HirKind::Literal(_)) && empty_repetition.is_none() {
            return Self { never_matches_line, ..Self::default() };
        }
        Self {
            empty_repetition,
            never_matches_line,
            never_matches_text: never_matches(hir, Context::default(), Subject::Text),
            matches_everything: matches_everything(hir),
        }
    }
}

impl Regexp {
    /// Returns a warning if the pattern cannot do what was probably meant.
    ///
    /// The text is a phrase without a full stop. It quotes operators of the pattern but no literal
    /// text, which may be secret.
    ///
    /// ```
    /// use go_regexp::{Regexp, Subject};
    ///
    /// let warning = Regexp::new("^+OK")?.warning(Subject::Line).unwrap();
    /// assert!(warning.contains(r"write '\+' to match the character itself"));
    /// assert_eq!(Regexp::new(r"^\+OK")?.warning(Subject::Line), None);
    /// # Ok::<(), go_regexp::Error>(())
    /// ```
    #[must_use]
    pub fn warning(&self, subject: Subject) -> Option<String> {
        let properties = self.shared.properties;
        if let Some(operator) = properties.empty_repetition {
            return Some(format!(
                "'{operator}' has no effect: no character precedes it; write '\\{operator}' to \
                 match the character itself"
            ));
        }
        warning_about_text(self.as_str(), subject).or_else(|| {
            let (never, warning) = match subject {
                Subject::Line => (properties.never_matches_line, NEVER_MATCHES_LINE),
                Subject::Text => (properties.never_matches_text, NEVER_MATCHES_TEXT),
            };
            never.then(|| warning.to_owned())
        })
    }

    /// Returns true if the pattern is known to match every text.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        self.shared.properties.matches_everything
    }

    /// Returns the references of a template to capture groups that the pattern does not have.
    ///
    /// ```
    /// let regexp = go_regexp::Regexp::new("^(a)")?;
    /// assert_eq!(regexp.unknown_references("$1 ${2} $1x"), ["$2", "$1x"]);
    /// # Ok::<(), go_regexp::Error>(())
    /// ```
    #[must_use]
    pub fn unknown_references(&self, template: &str) -> Vec<String> {
        let Shared { names, group_count, .. } = &*self.shared;
        let is_unknown = |group: &Group<'_>| match group {
            Group::Index(index) => index > group_count,
            Group::Name(name) => !names.iter().any(|(known, _)| known == name),
        };
        let unknown = template::references(template).into_iter().filter(is_unknown);
        unknown.map(|group| group.to_string()).collect()
    }
}

const NEVER_MATCHES_LINE: &str = "can never match: the pattern requires a character before '^' or \
    after '$', or a line break, which is removed before matching";
const NEVER_MATCHES_TEXT: &str = "can never match: the pattern requires a character before '^' or \
    after '$'; start it with '(?m)' to match them at each line";

/// Characters that the pattern requires around a part of it.
#[derive(Clone, Copy, Default)]
struct Context {
    before: bool,
    after: bool,
}

/// Returns true if the pattern is known to match no text of this kind.
fn never_matches(hir: &Hir, context: Context, subject: Subject) -> bool {
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
            Look::Start => context.before,
            Look::End => context.after,
            Look::StartLF => is_line && context.before,
            Look::EndLF => is_line && context.after,
            _ => false,
        },
        HirKind::Capture(capture) => never_matches(&capture.sub, context, subject),
        HirKind::Repetition(repetition) => {
            repetition.min > 0 && never_matches(&repetition.sub, context, subject)
        }
        HirKind::Alternation(parts) => {
            parts.iter().all(|part| never_matches(part, context, subject))
        }
        HirKind::Concat(parts) => {
            let consumes =
                |part: &Hir| part.properties().minimum_len().is_none_or(|least| least > 0);
            let first = parts.iter().position(consumes).unwrap_or(usize::MAX);
            let last = parts.iter().rposition(consumes);
            parts.iter().enumerate().any(|(index, part)| {
                let before = context.before || first < index;
                let after = context.after || last.is_some_and(|last| last > index);
                never_matches(part, Context { before, after }, subject)
            })
        }
    }
}

/// Returns true if the pattern is known to match every text.
fn matches_everything(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty => true,
        HirKind::Literal(_) | HirKind::Class(_) => false,
        HirKind::Look(look) => {
            matches!(look, Look::Start | Look::End | Look::StartLF | Look::EndLF)
        }
        HirKind::Capture(capture) => matches_everything(&capture.sub),
        HirKind::Repetition(repetition) => repetition.min == 0,
        HirKind::Alternation(parts) => parts.iter().any(matches_everything),
        HirKind::Concat(parts) => {
            let is_start =
                |part: &Hir| matches!(part.kind(), HirKind::Look(Look::Start | Look::StartLF));
            let is_end = |part: &Hir| matches!(part.kind(), HirKind::Look(Look::End | Look::EndLF));
            let others = || parts.iter().filter(|part| !is_start(part) && !is_end(part));
            let (starts, ends) = (parts.iter().any(is_start), parts.iter().any(is_end));
            let all = others().all(matches_everything);
            all && (!(starts && ends) || others().any(matches_whole_text))
        }
    }
}

/// Returns true if the pattern matches any text from start to end.
fn matches_whole_text(hir: &Hir) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else { return false };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return false };
    let mut missing = class.clone();
    missing.negate();
    repetition.min == 0 && repetition.max.is_none() && missing.ranges().is_empty()
}

/// Finds notation of other tools in the text of a pattern.
fn warning_about_text(pattern: &str, subject: Subject) -> Option<String> {
    if pattern.ends_with('\n') {
        let text = "ends with a line break, which the YAML block style | keeps; write |- instead";
        return Some(text.to_owned());
    }
    if subject == Subject::Line && ends_with_return(pattern) {
        let text =
            "requires a carriage return at the end of the line, which is removed before matching";
        return Some(text.to_owned());
    }
    if let Some(flags) = trailing_flags(pattern) {
        return Some(format!(
            "'{flags}' at the end of the pattern has no effect; move it to the beginning"
        ));
    }
    if let Some(flags) = delimited(pattern) {
        return Some(format!(
            "the slashes and '{flags}' around the pattern are matched literally; write '(?{})' at \
             the beginning instead",
            flags.replace('g', "")
        ));
    }
    if let Some(inner) = pattern.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''))
        && !inner.contains('\'')
    {
        let text = "the quotation marks around the pattern are matched literally; remove them";
        return Some(text.to_owned());
    }
    None
}

/// Returns true if the pattern ends with `\r` or `\r$`.
fn ends_with_return(pattern: &str) -> bool {
    let rest = pattern.strip_suffix('$').unwrap_or(pattern);
    rest.ends_with('\r') || rest.ends_with("\\r") && !rest.ends_with("\\\\r")
}

/// Returns a flag setting such as `(?i)` at the end, where it has no effect.
fn trailing_flags(pattern: &str) -> Option<&str> {
    let start = pattern.rfind("(?").filter(|start| *start > 0)?;
    let group = pattern.get(start..)?;
    let flags = group.strip_prefix("(?")?.strip_suffix(')')?;
    (!flags.is_empty() && flags.chars().all(|c| "imsU-".contains(c))).then_some(group)
}

/// Returns the flags of a pattern in slashes, such as the `i` of `/pattern/i`.
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
    fn patterns_that_cannot_work_have_a_warning() {
        for (pattern, subject, expected) in [
            (r"^+OK", LINE, "'+' has no effect"),
            (r"^*OK", LINE, r"write '\*' to match the character"),
            (r"OK$*", TEXT, "has no effect: no character"),
            (r"(?:)+a", TEXT, "has no effect: no character"),
            (r"\b+word", TEXT, "has no effect: no character"),
            (r"(^)?a", LINE, "has no effect: no character"),
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
            (r"healthy(?i)", TEXT, "move it to the beginning"),
            (r"/heal.hy/i", TEXT, "write '(?i)' at the beginning"),
            (r"'healthy'", TEXT, "quotation marks"),
        ] {
            let warning = Regexp::new(pattern).unwrap().warning(subject).unwrap_or_default();
            assert!(warning.contains(expected), "{pattern:?}: {warning}");
        }
    }

    #[test]
    fn reasonable_patterns_have_no_warning() {
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
            assert_eq!(pattern.warning(subject), None, "{pattern}");
        }
    }

    #[test]
    fn patterns_that_match_everything_are_found() {
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
    fn references_to_unknown_groups_are_found() {
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
