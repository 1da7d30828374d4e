//! Repetitions: `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`, each lazy when followed by `?`.

use super::{
    super::error::{Reason, RegexpError},
    Parser,
    cursor::Cursor,
};

/// The largest count in braces, and the largest product of nested ones.
const COUNT_LIMIT: u32 = 1000;

/// How often something is repeated; `None` is without limit.
struct Counts {
    min: u32,
    max: Option<u32>,
}

impl<'p> Parser<'p> {
    /// Reads what looks like a repetition, and returns whether it is one.
    ///
    /// `previous` is where a repetition starts that ends here.
    pub(super) fn read_repetition(
        &mut self,
        previous: Option<Cursor<'p>>,
    ) -> Result<bool, RegexpError> {
        let start = self.cursor;
        let counts = match self.cursor.next() {
            Some('*') => Counts { min: 0, max: None },
            Some('+') => Counts { min: 1, max: None },
            Some('?') => Counts { min: 0, max: Some(1) },
            _ => {
                let Some(counts) = read_braces(&mut self.cursor) else {
                    // Braces that hold no counts are text.
                    self.cursor = start;
                    self.cursor.advance();
                    self.push_literal('{')?;
                    return Ok(false);
                };
                counts
            }
        };
        let Counts { min, max } = counts;
        if min > COUNT_LIMIT || max.is_some_and(|max| max > COUNT_LIMIT || max < min) {
            return Err(self.cursor.error(Reason::RepeatCount, start));
        }
        let lazy = self.flags.lazy != self.cursor.eat("?");
        if let Some(previous) = previous {
            return Err(self.cursor.error(Reason::NestedRepetition, previous));
        }
        let Some(piece) = self.group.pop() else {
            return Err(self.cursor.error(Reason::NothingToRepeat, start));
        };
        if piece.hir.properties().maximum_len() == Some(0) {
            self.empty_repetition = self.empty_repetition.or(start.peek());
        }
        let piece = piece.repeat(min, max, !lazy);
        if piece.copies() > COUNT_LIMIT {
            return Err(self.cursor.error(Reason::RepeatCount, start));
        }
        self.push(piece)?;
        Ok(true)
    }
}

/// Reads counts and the closing brace.
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

/// A decimal number without superfluous zeros; one that is too large for its type is as good as the largest.
fn read_count(cursor: &mut Cursor<'_>) -> Option<u32> {
    let digits = cursor.take_digits();
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
