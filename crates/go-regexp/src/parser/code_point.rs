//! Escape sequences for single characters.

use super::{
    super::error::{Error, ErrorKind},
    cursor::Cursor,
};

/// Parses an escape sequence for one character. Returns its code point.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
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
