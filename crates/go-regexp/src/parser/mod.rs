//! Reads Go's syntax of patterns into what `regex_automata` compiles.
//!
//! The syntax is that of Go's `regexp.Compile`. Groups are kept on a stack of our own, so that no
//! pattern can exhaust the thread's.

mod class;
mod cursor;
mod escape;
mod group;
mod piece;
mod repetition;
mod unicode;

use regex_syntax::hir::{Class, Dot, Hir, Look};

use self::{
    class::Budget,
    cursor::Cursor,
    group::{Flags, Group},
    piece::Piece,
};
use super::error::{Reason, RegexpError};

/// A pattern that was read.
pub(super) struct Pattern {
    /// What it matches; its groups are numbered and without names.
    pub(super) hir: Hir,
    /// How deep it nests.
    pub(super) height: u32,
    /// The names of groups with their numbers, in the pattern's order.
    pub(super) names: Vec<(String, usize)>,
    /// The operator of the first repetition of what takes no characters, such as `^+`.
    pub(super) empty_repetition: Option<char>,
}

/// Reads `pattern` as Go would.
pub(super) fn parse(pattern: &str) -> Result<Pattern, RegexpError> {
    let mut parser = Parser {
        cursor: Cursor::new(pattern),
        flags: Flags::default(),
        outer: Vec::new(),
        group: Group::default(),
        group_count: 0,
        names: Vec::new(),
        empty_repetition: None,
        budget: Budget::default(),
    };
    parser.read_all()?;
    parser.finish()
}

struct Parser<'p> {
    cursor: Cursor<'p>,
    flags: Flags,
    /// The groups around the one that is being read, outermost first.
    outer: Vec<Group>,
    /// The group that is being read; the pattern itself is one too.
    group: Group,
    /// Capturing groups seen so far.
    group_count: u32,
    names: Vec<(String, usize)>,
    empty_repetition: Option<char>,
    budget: Budget,
}

impl Parser<'_> {
    fn read_all(&mut self) -> Result<(), RegexpError> {
        // Where the repetition starts that was read just before, if it was one.
        let mut previous = None;
        while let Some(next) = self.cursor.peek() {
            let start = self.cursor;
            let repetition = match next {
                '*' | '+' | '?' | '{' => self.read_repetition(previous)?,
                _ => {
                    self.read_other(next)?;
                    false
                }
            };
            previous = repetition.then_some(start);
        }
        Ok(())
    }

    /// Reads whatever `next` starts, which is not a repetition.
    fn read_other(&mut self, next: char) -> Result<(), RegexpError> {
        match next {
            '(' => return self.open_group(),
            ')' => return self.close_group(),
            '[' => {
                let class = class::read(&mut self.cursor, self.flags, &mut self.budget)?;
                return self.push(Piece::leaf(Hir::class(Class::Unicode(class))));
            }
            '\\' => return self.read_escape(),
            _ => self.cursor.advance(),
        }
        match next {
            '|' => {
                self.group.end_alternative();
                Ok(())
            }
            '^' => self.push_look(if self.flags.multi_line { Look::StartLF } else { Look::Start }),
            '$' => self.push_look(if self.flags.multi_line { Look::EndLF } else { Look::End }),
            '.' => {
                let dot = if self.flags.dot_matches_line_feed {
                    Dot::AnyChar
                } else {
                    Dot::AnyCharExceptLF
                };
                self.push(Piece::leaf(Hir::dot(dot)))
            }
            _ => self.push_literal(next),
        }
    }

    fn push(&mut self, piece: Piece) -> Result<(), RegexpError> {
        if piece.is_too_deep() {
            return Err(RegexpError::new(Reason::TooDeep, self.cursor.pattern()));
        }
        self.group.push(piece);
        Ok(())
    }

    fn push_look(&mut self, look: Look) -> Result<(), RegexpError> {
        self.push(Piece::leaf(Hir::look(look)))
    }

    fn push_literal(&mut self, character: char) -> Result<(), RegexpError> {
        if self.flags.ignore_case {
            let class = class::folded(character);
            if class.literal().is_none() {
                return self.push(Piece::leaf(Hir::class(Class::Unicode(class))));
            }
        }
        self.group.push_literal(character);
        Ok(())
    }

    fn finish(mut self) -> Result<Pattern, RegexpError> {
        if !self.outer.is_empty() {
            return Err(RegexpError::new(Reason::MissingParenthesis, self.cursor.pattern()));
        }
        let piece = self.group.take();
        if piece.is_too_deep() {
            return Err(RegexpError::new(Reason::TooDeep, self.cursor.pattern()));
        }
        let Self { names, empty_repetition, .. } = self;
        Ok(Pattern { height: piece.height(), hir: piece.hir, names, empty_repetition })
    }
}
