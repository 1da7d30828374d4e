//! A position in a pattern.

use super::super::error::{Error, ErrorKind};

/// A position in a pattern. A copy remembers a start position.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'p> {
    pattern: &'p str,
    rest: &'p str,
}

impl<'p> Cursor<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Self { pattern, rest: pattern }
    }

    /// Returns the whole pattern.
    pub(super) fn pattern(&self) -> &'p str {
        self.pattern
    }

    /// Returns the text from the position on.
    pub(super) fn rest(&self) -> &'p str {
        self.rest
    }

    /// Returns the next character and stays before it.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Returns the next character and moves past it.
    pub(super) fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Moves past the next character.
    pub(super) fn advance(&mut self) {
        self.next();
    }

    /// Moves past `text` if it comes next. Returns true if it does.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    /// Moves past the next `end`. Returns the text before it.
    pub(super) fn take_until(&mut self, end: &str) -> Option<&'p str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    /// Moves to the end. Returns the text up to there.
    pub(super) fn take_rest(&mut self) -> &'p str {
        std::mem::take(&mut self.rest)
    }

    /// Moves past decimal digits. Returns them.
    pub(super) fn take_digits(&mut self) -> &'p str {
        let rest = self.rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest;
        digits
    }

    /// Returns the text between `start` and the position.
    pub(super) fn since(&self, start: Self) -> &'p str {
        start.rest.strip_suffix(self.rest).unwrap_or(start.rest)
    }

    /// Creates an error about the text between `start` and the position.
    pub(super) fn error(&self, kind: ErrorKind, start: Self) -> Error {
        Error::new(kind, self.since(start))
    }
}
