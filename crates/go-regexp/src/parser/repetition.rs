//! Repetitions: `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, each lazy when followed by `?`.

use super::{
    super::error::{Error, ErrorKind},
    Parser,
    cursor::Cursor,
};

/// Maximum count in braces, and maximum product of the counts of nested repetitions.
const MAX_COUNT: u32 = 1000;

/// Bounds of a repetition; a `max` of `None` means unbounded.
struct Counts {
    min: u32,
    max: Option<u32>,
}

impl<'p> Parser<'p> {
    /// Parses a repetition operator. Returns false if the text is literal, such as a brace without
    /// counts.
    ///
    /// `previous` is the start of a repetition operator directly before this one.
    pub(super) fn read_repetition(&mut self, previous: Option<Cursor<'p>>) -> Result<bool, Error> {
        let start = self.cursor;
        let counts = match self.cursor.next() {
            Some('*') => Counts { min: 0, max: None },
            Some('+') => Counts { min: 1, max: None },
            Some('?') => Counts { min: 0, max: Some(1) },
            _ => {
                let Some(counts) = read_braces(&mut self.cursor) else {
                    // Braces without counts are literal text.
                    self.cursor = start;
                    self.cursor.advance();
                    self.push_literal('{')?;
                    return Ok(false);
                };
                counts
            }
        };
        let Counts { min, max } = counts;
        if min > MAX_COUNT || max.is_some_and(|max| max > MAX_COUNT || max < min) {
            return Err(self.cursor.error(ErrorKind::RepeatCount, start));
        }
        let lazy = self.flags.lazy != self.cursor.eat("?");
        if let Some(previous) = previous {
            return Err(self.cursor.error(ErrorKind::NestedRepetition, previous));
        }
        let Some(piece) = self.group.pop() else {
            return Err(self.cursor.error(ErrorKind::NothingToRepeat, start));
        };
        if piece.hir.properties().maximum_len() == Some(0) {
            self.empty_repetition = self.empty_repetition.or(start.peek());
        }
        let piece = piece.repeat(min, max, !lazy);
        if piece.copies() > MAX_COUNT {
            return Err(self.cursor.error(ErrorKind::RepeatCount, start));
        }
        self.push(piece)?;
        Ok(true)
    }
}

/// Parses the counts and the closing brace.
fn read_braces(cursor: &mut Cursor<'_>) -> Option<Counts> {
    let min = read_count(cursor)?;
    let max = if !cursor.eat(",") {
        Some(min)
    } else if cursor.rest().starts_with('}') {
        None
    } else {
        Some(read_count(cursor)?)
    };
    cursor.eat("}").then_some(Counts { min, max })
}

/// Parses a decimal number without leading zeros. A number that overflows becomes the maximum.
fn read_count(cursor: &mut Cursor<'_>) -> Option<u32> {
    let digits = cursor.take_digits();
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
