//! Escape sequences.

use regex_syntax::hir::{Class, Hir, Look};

use super::{
    super::error::{Error, ErrorKind},
    Parser, class,
    cursor::Cursor,
    piece::Piece,
};

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
        match read_character(&mut self.cursor)? {
            Some(character) => self.push_literal(character),
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

/// Parses an escape sequence for one character. Returns its code point.
pub(super) fn read_code_point(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
    let start = *cursor;
    cursor.advance();
    let Some(next) = cursor.next() else {
        return Err(Error::new(ErrorKind::TrailingBackslash, ""));
    };
    let code_point = match next {
        // A single digit other than zero would be a backreference, which RE2 does not have.
        '1'..='7' if !cursor.peek().is_some_and(|next| next.is_digit(8)) => None,
        '0'..='7' => Some(read_octal(next, cursor)),
        'x' => read_hexadecimal(cursor),
        'a' => Some(0x07),
        'f' => Some(0x0C),
        'n' => Some(0x0A),
        'r' => Some(0x0D),
        't' => Some(0x09),
        'v' => Some(0x0B),
        _ if next.is_ascii() && !next.is_ascii_alphanumeric() => Some(u32::from(next)),
        _ => None,
    };
    code_point.ok_or_else(|| cursor.error(ErrorKind::Escape, start))
}

/// Parses an escape sequence for one character. Returns `None` for a surrogate, which matches
/// nothing.
fn read_character(cursor: &mut Cursor<'_>) -> Result<Option<char>, Error> {
    read_code_point(cursor).map(char::from_u32)
}

/// Parses up to three octal digits; `first` is the first of them.
fn read_octal(first: char, cursor: &mut Cursor<'_>) -> u32 {
    let mut value = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = cursor.peek().and_then(|next| next.to_digit(8)) else { break };
        cursor.advance();
        value = value * 8 + digit;
    }
    value
}

/// Parses two hexadecimal digits, or any number of them in braces.
fn read_hexadecimal(cursor: &mut Cursor<'_>) -> Option<u32> {
    let first = cursor.next()?;
    if first != '{' {
        let second = cursor.next();
        return Some(first.to_digit(16)? * 16 + second?.to_digit(16)?);
    }
    let mut value = None;
    loop {
        let next = cursor.next()?;
        if next == '}' {
            return value;
        }
        let digit = next.to_digit(16)?;
        let larger = value.unwrap_or(0) * 16 + digit;
        if larger > u32::from(char::MAX) {
            return None;
        }
        value = Some(larger);
    }
}
