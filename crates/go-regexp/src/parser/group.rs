//! Groups: `(…)`, `(?P<name>…)`, `(?:…)`, and flags such as `(?i)`.

use std::mem;

use regex_syntax::hir::Hir;

use super::{
    super::error::{Error, ErrorKind},
    Parser,
    flags::Flags,
    piece::Piece,
};

/// A group whose end has not been parsed yet.
#[derive(Default)]
pub(super) struct Group {
    /// The number of a capture group.
    index: Option<u32>,
    /// The flags to restore after the group.
    flags_outside: Flags,
    alternatives: Vec<Piece>,
    sequence: Vec<Piece>,
    /// Literal text at the end of the sequence, not yet in it.
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

    /// Removes the last item, to which a repetition operator applies.
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

    /// Removes and returns the content of the group.
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
    /// Parses the start of a group, or a flag setting such as `(?i)`.
    pub(super) fn open_group(&mut self) -> Result<(), Error> {
        if self.cursor.rest().starts_with("(?") {
            return self.open_special_group();
        }
        self.cursor.advance();
        self.enter(true);
        Ok(())
    }

    pub(super) fn close_group(&mut self) -> Result<(), Error> {
        let piece = self.group.take();
        let Some(outer) = self.outer.pop() else {
            return Err(Error::new(ErrorKind::UnexpectedParenthesis, self.cursor.pattern()));
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

    fn open_special_group(&mut self) -> Result<(), Error> {
        // Without any text after the bracket, Go reports an unknown flag.
        for opening in ["(?P<", "(?<"] {
            if self.cursor.rest().strip_prefix(opening).is_some_and(|rest| !rest.is_empty()) {
                return self.open_named_group(opening);
            }
        }
        self.read_flags()
    }

    fn open_named_group(&mut self, opening: &str) -> Result<(), Error> {
        let start = self.cursor;
        self.cursor.eat(opening);
        let Some(name) = self.cursor.take_until(">") else {
            return Err(Error::new(ErrorKind::GroupName, start.rest()));
        };
        let is_word = |character: char| character == '_' || character.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(self.cursor.error(ErrorKind::GroupName, start));
        }
        self.enter(true);
        if let Ok(index) = usize::try_from(self.group_count) {
            self.names.push((name.to_owned(), index));
        }
        Ok(())
    }

    /// Parses `(?flags)` or `(?flags:`.
    fn read_flags(&mut self) -> Result<(), Error> {
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
        Err(self.cursor.error(ErrorKind::PerlSyntax, start))
    }
}
