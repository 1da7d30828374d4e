//! Groups: `(…)`, `(?P<name>…)`, `(?:…)`, and flags such as `(?i)`.

use std::mem;

use regex_syntax::hir::Hir;

use super::{
    super::error::{Reason, RegexpError},
    Parser,
    piece::Piece,
};

/// What `(?ismU)` switches.
#[expect(clippy::struct_excessive_bools, reason = "four switches that do not depend on each other")]
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    pub(super) multi_line: bool,
    pub(super) dot_matches_line_feed: bool,
    pub(super) lazy: bool,
}

/// A group that is being read.
#[derive(Default)]
pub(super) struct Group {
    /// Its number, if it captures.
    index: Option<u32>,
    /// The flags that hold again after it.
    flags_outside: Flags,
    alternatives: Vec<Piece>,
    sequence: Vec<Piece>,
    /// Literal text at the end of the sequence.
    text: String,
}

impl Group {
    pub(super) fn push(&mut self, piece: Piece) {
        self.end_text();
        self.sequence.push(piece);
    }

    pub(super) fn push_literal(&mut self, character: char) {
        self.text.push(character);
    }

    /// Takes away what a repetition applies to.
    pub(super) fn pop(&mut self) -> Option<Piece> {
        let Some(character) = self.text.pop() else {
            return self.sequence.pop();
        };
        self.end_text();
        let mut buffer = [0; 4];
        Some(Piece::leaf(Hir::literal(character.encode_utf8(&mut buffer).as_bytes())))
    }

    pub(super) fn end_alternative(&mut self) {
        self.end_text();
        self.alternatives.push(Piece::sequence(mem::take(&mut self.sequence)));
    }

    /// Takes out everything that was read.
    pub(super) fn take(&mut self) -> Piece {
        self.end_alternative();
        Piece::choice(mem::take(&mut self.alternatives))
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.sequence.push(Piece::leaf(Hir::literal(self.text.as_bytes())));
            self.text.clear();
        }
    }
}

impl Parser<'_> {
    /// Reads what `(` starts: a group, or flags alone.
    pub(super) fn open_group(&mut self) -> Result<(), RegexpError> {
        if self.cursor.rest().starts_with("(?") {
            return self.open_special_group();
        }
        self.cursor.advance();
        self.enter(true);
        Ok(())
    }

    pub(super) fn close_group(&mut self) -> Result<(), RegexpError> {
        let piece = self.group.take();
        let Some(outer) = self.outer.pop() else {
            return Err(RegexpError::new(Reason::UnexpectedParenthesis, self.cursor.pattern()));
        };
        self.cursor.advance();
        let group = mem::replace(&mut self.group, outer);
        self.flags = group.flags_outside;
        self.push(match group.index {
            Some(index) => piece.capture(index),
            None => piece,
        })
    }

    fn enter(&mut self, captures: bool) {
        let index = captures.then(|| {
            self.group_count = self.group_count.saturating_add(1);
            self.group_count
        });
        let group = Group { index, flags_outside: self.flags, ..Group::default() };
        self.outer.push(mem::replace(&mut self.group, group));
    }

    fn open_special_group(&mut self) -> Result<(), RegexpError> {
        // Something must follow the bracket, or it counts as an unknown flag.
        for opening in ["(?P<", "(?<"] {
            if self.cursor.rest().strip_prefix(opening).is_some_and(|rest| !rest.is_empty()) {
                return self.open_named_group(opening);
            }
        }
        self.read_flags()
    }

    fn open_named_group(&mut self, opening: &str) -> Result<(), RegexpError> {
        let start = self.cursor;
        self.cursor.eat(opening);
        let Some(name) = self.cursor.take_until(">") else {
            return Err(RegexpError::new(Reason::GroupName, start.rest()));
        };
        let is_word = |character: char| character == '_' || character.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(self.cursor.error(Reason::GroupName, start));
        }
        self.enter(true);
        if let Ok(index) = usize::try_from(self.group_count) {
            self.names.push((name.to_owned(), index));
        }
        Ok(())
    }

    /// Reads `(?flags)` or `(?flags:`.
    fn read_flags(&mut self) -> Result<(), RegexpError> {
        let start = self.cursor;
        self.cursor.eat("(?");
        let mut flags = self.flags;
        let mut on = true;
        let mut is_complete = true;
        while let Some(next) = self.cursor.next() {
            match next {
                'i' => flags.ignore_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_matches_line_feed = on,
                'U' => flags.lazy = on,
                '-' if on => on = false,
                ':' | ')' if is_complete => {
                    if next == ':' {
                        self.enter(false);
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            // A minus sign must be followed by a flag.
            is_complete = next != '-';
        }
        Err(self.cursor.error(Reason::PerlSyntax, start))
    }
}
