//! Syntax errors, with the texts of Go's `regexp/syntax` package.

/// A syntax error of a pattern. Its text is that of Go's `regexp/syntax.Error`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{part}`")]
pub struct Error {
    kind: ErrorKind,
    part: String,
}

/// The kind of a syntax error, Go's `syntax.ErrorCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ErrorKind {
    #[error("invalid character class range")]
    CharacterRange,
    #[error("invalid escape sequence")]
    Escape,
    #[error("invalid named capture")]
    GroupName,
    #[error("invalid or unsupported Perl syntax")]
    PerlSyntax,
    #[error("invalid nested repetition operator")]
    NestedRepetition,
    #[error("invalid repeat count")]
    RepeatCount,
    #[error("missing argument to repetition operator")]
    NothingToRepeat,
    #[error("missing closing ]")]
    MissingBracket,
    #[error("missing closing )")]
    MissingParenthesis,
    #[error("unexpected )")]
    UnexpectedParenthesis,
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    #[error("expression nests too deeply")]
    TooDeep,
    #[error("expression too large")]
    TooLarge,
}

impl Error {
    /// Creates an error about `part` of the pattern.
    pub(super) fn new(kind: ErrorKind, part: &str) -> Self {
        Self { kind, part: part.to_owned() }
    }

    /// Returns what to write instead, if there is a usual mistake.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.kind {
            ErrorKind::PerlSyntax => "RE2 has no lookahead, lookbehind or atomic groups",
            ErrorKind::Escape => "RE2 has no such escape sequence",
            ErrorKind::NothingToRepeat => r"write .* for any text, and \* or \+ for the character",
            ErrorKind::NestedRepetition => "put the repeated part in parentheses",
            ErrorKind::RepeatCount => "repeat at most 1000 times",
            ErrorKind::MissingBracket => r"close the bracket, or write \[ for the character",
            ErrorKind::MissingParenthesis => {
                r"close the parenthesis, or write \( for the character"
            }
            ErrorKind::UnexpectedParenthesis => {
                r"open the parenthesis, or write \) for the character"
            }
            ErrorKind::TrailingBackslash => r"write \\ for a backslash",
            ErrorKind::GroupName => {
                "write (?P<name>…) or (?<name>…) with letters, digits and underscores"
            }
            ErrorKind::CharacterRange | ErrorKind::TooDeep | ErrorKind::TooLarge => return None,
        })
    }
}
