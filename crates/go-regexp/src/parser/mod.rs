//! Parser for Go's regular expression syntax. Its output is the [`Hir`] that `regex_automata`
//! compiles.
//!
//! The syntax is that of Go's `regexp.Compile` (<https://pkg.go.dev/regexp/syntax>). Open groups
//! are kept on a heap stack, so that no pattern can overflow the stack of the thread.

mod class;
mod code_point;
mod cursor;
mod escape;
mod flags;
mod group;
mod piece;
mod repetition;
mod unicode;

use regex_syntax::hir::{Class, Dot, Hir, Look};

use self::{class::Budget, cursor::Cursor, flags::Flags, group::Group, piece::Piece};
use super::error::{Error, ErrorKind};

/// A parsed pattern.
pub(super) struct Pattern {
    /// The expression. Its groups have numbers but no names.
    pub(super) hir: Hir,
    /// Nesting depth, as Go counts it.
    pub(super) height: u32,
    /// Names of groups with their numbers, in the order of the pattern.
    pub(super) names: Vec<(String, usize)>,
    /// The operator of the first repetition that repeats an empty match, such as the `+` of `^+`.
    pub(super) empty_repetition: Option<char>,
}

/// Parses a pattern.
pub(super) fn parse(pattern: &str) -> Result<Pattern, Error> {
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
    /// The groups around the current one, outermost first.
    outer: Vec<Group>,
    /// The current group. The whole pattern counts as a group.
    group: Group,
    /// Number of capture groups so far.
    group_count: u32,
    names: Vec<(String, usize)>,
    empty_repetition: Option<char>,
    budget: Budget,
}

impl Parser<'_> {
    fn read_all(&mut self) -> Result<(), Error> {
        // Start of the directly preceding item if that is a repetition.
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

    /// Parses an item that starts with `next` and is not a repetition.
    fn read_other(&mut self, next: char) -> Result<(), Error> {
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

    fn push(&mut self, piece: Piece) -> Result<(), Error> {
        if piece.is_too_deep() {
            return Err(Error::new(ErrorKind::TooDeep, self.cursor.pattern()));
        }
        self.group.push(piece);
        Ok(())
    }

    fn push_look(&mut self, look: Look) -> Result<(), Error> {
        self.push(Piece::leaf(Hir::look(look)))
    }

    fn push_literal(&mut self, character: char) -> Result<(), Error> {
        if self.flags.ignore_case {
            let class = class::folded(character);
            if class.literal().is_none() {
                return self.push(Piece::leaf(Hir::class(Class::Unicode(class))));
            }
        }
        self.group.push_literal(character);
        Ok(())
    }

    fn finish(mut self) -> Result<Pattern, Error> {
        if !self.outer.is_empty() {
            return Err(Error::new(ErrorKind::MissingParenthesis, self.cursor.pattern()));
        }
        let piece = self.group.take();
        if piece.is_too_deep() {
            return Err(Error::new(ErrorKind::TooDeep, self.cursor.pattern()));
        }
        let Self { names, empty_repetition, .. } = self;
        Ok(Pattern { height: piece.height(), hir: piece.hir, names, empty_repetition })
    }
}
