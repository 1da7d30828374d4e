//! Escape sequences.

use regex_syntax::hir::{Class, Hir, Look};

use super::{super::error::Error, Parser, class, code_point, piece::Piece};

impl Parser<'_> {
    /// Parses an escape sequence outside of brackets.
    pub(super) fn read_escape(&mut self) -> Result<(), Error> {
        for (escape, look) in [
            (r"\A", Look::Start),
            (r"\z", Look::End),
            (r"\b", Look::WordAscii),
            (r"\B", Look::WordAsciiNegate),
        ] {
            if self.cursor.eat(escape) {
                return self.push_look(look);
            }
        }
        if self.cursor.eat(r"\Q") {
            return self.read_quotation();
        }
        if let Some(class) = class::read_escape(&mut self.cursor, self.flags, &mut self.budget)? {
            return self.push(Piece::leaf(Hir::class(Class::Unicode(class))));
        }
        match code_point::read(&mut self.cursor).map(char::from_u32)? {
            Some(character) => self.push_literal(character),
            // A surrogate, which matches nothing.
            None => self.push(Piece::leaf(Hir::fail())),
        }
    }

    /// Parses literal text after `\Q`, up to `\E` or the end of the pattern.
    fn read_quotation(&mut self) -> Result<(), Error> {
        let text = match self.cursor.take_until(r"\E") {
            Some(text) => text,
            None => self.cursor.take_rest(),
        };
        text.chars().try_for_each(|character| self.push_literal(character))
    }
}
