//! A place in a pattern.

use super::super::error::{Reason, RegexpError};

/// A place in a pattern; copies remember where something started.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'p> {
    pattern: &'p str,
    rest: &'p str,
}

impl<'p> Cursor<'p> {
    pub(super) fn new(pattern: &'p str) -> Self {
        Self { pattern, rest: pattern }
    }

    /// The whole pattern.
    pub(super) fn pattern(&self) -> &'p str {
        self.pattern
    }

    /// What follows.
    pub(super) fn rest(&self) -> &'p str {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The next character, which is passed.
    pub(super) fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Passes the next character.
    pub(super) fn advance(&mut self) {
        self.next();
    }

    /// Passes `text` if it is what follows.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        self.rest.strip_prefix(text).is_some_and(|rest| {
            self.rest = rest;
            true
        })
    }

    /// Passes everything before `end` and `end` itself, and returns what was before it.
    pub(super) fn take_until(&mut self, end: &str) -> Option<&'p str> {
        let (before, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(before)
    }

    /// Passes all that is left.
    pub(super) fn take_rest(&mut self) -> &'p str {
        std::mem::take(&mut self.rest)
    }

    /// Passes decimal digits.
    pub(super) fn take_digits(&mut self) -> &'p str {
        let rest = self.rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest;
        digits
    }

    /// What was passed since `start`.
    pub(super) fn since(&self, start: Self) -> &'p str {
        start.rest.strip_suffix(self.rest).unwrap_or(start.rest)
    }

    /// `reason` holds for what was passed since `start`.
    pub(super) fn error(&self, reason: Reason, start: Self) -> RegexpError {
        RegexpError::new(reason, self.since(start))
    }
}
