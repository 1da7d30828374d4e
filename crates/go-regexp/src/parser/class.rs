//! Character classes: `[a-z]`, `[[:alpha:]]`, `\d`, `\pL`.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::{
    super::error::{Error, ErrorKind},
    code_point,
    cursor::Cursor,
    flags::Flags,
    unicode,
};

/// POSIX classes `[:name:]` with their ranges.
const POSIX_CLASSES: [(&str, &[(char, char)]); 14] = [
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7F')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1F'), ('\x7F', '\x7F')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

const DIGIT: &[(char, char)] = &[('0', '9')];
/// The ranges of `\s`; unlike `[:space:]` without the vertical tab.
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0C', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// Number of ranges that the classes of one pattern may still add.
///
/// A class such as `\pL` has hundreds of ranges, so that without a limit a long pattern of classes
/// would take thousands of times its length.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(1 << 20)
    }
}

impl Budget {
    fn spend(&mut self, class: &ClassUnicode, cursor: &Cursor<'_>) -> Result<(), Error> {
        let left = self.0.checked_sub(class.ranges().len());
        self.0 = left.ok_or_else(|| Error::new(ErrorKind::TooLarge, cursor.pattern()))?;
        Ok(())
    }
}

/// Returns the class of a character and its case variants.
pub(super) fn folded(character: char) -> ClassUnicode {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
    class.case_fold_simple();
    class
}

/// Parses a class in brackets.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    flags: Flags,
    budget: &mut Budget,
) -> Result<ClassUnicode, Error> {
    let start = *cursor;
    cursor.advance();
    let negated = cursor.eat("^");
    // Sorted once at the end, because a class may list thousands of characters.
    let mut ranges = Vec::new();
    // A closing bracket in first position is a literal.
    let mut is_first = true;
    while is_first || !cursor.eat("]") {
        is_first = false;
        if let Some(posix) = read_posix(cursor, flags)? {
            ranges.extend_from_slice(posix.ranges());
        } else if let Some(escape) = read_escape(cursor, flags, budget)? {
            ranges.extend_from_slice(escape.ranges());
        } else {
            ranges.extend(read_range(cursor, start)?);
        }
    }
    let class = finish(ranges, negated, flags);
    budget.spend(&class, cursor)?;
    Ok(class)
}

/// Parses an escape sequence for a class if one comes next.
pub(super) fn read_escape(
    cursor: &mut Cursor<'_>,
    flags: Flags,
    budget: &mut Budget,
) -> Result<Option<ClassUnicode>, Error> {
    if let Some(class) = unicode::read(cursor, flags)? {
        budget.spend(&class, cursor)?;
        return Ok(Some(class));
    }
    for (escape, ranges, negated) in [
        (r"\d", DIGIT, false),
        (r"\D", DIGIT, true),
        (r"\s", SPACE, false),
        (r"\S", SPACE, true),
        (r"\w", WORD, false),
        (r"\W", WORD, true),
    ] {
        if cursor.eat(escape) {
            return Ok(Some(named(ranges, negated, flags)));
        }
    }
    Ok(None)
}

/// Parses `[:name:]` or `[:^name:]` if one comes next.
fn read_posix(cursor: &mut Cursor<'_>, flags: Flags) -> Result<Option<ClassUnicode>, Error> {
    let start = *cursor;
    if !cursor.eat("[:") {
        return Ok(None);
    }
    let Some(name) = cursor.take_until(":]") else {
        *cursor = start;
        return Ok(None);
    };
    let (plain, negated) = match name.strip_prefix('^') {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    match POSIX_CLASSES.iter().find(|(name, _)| *name == plain) {
        Some((_, ranges)) => Ok(Some(named(ranges, negated, flags))),
        None => Err(cursor.error(ErrorKind::CharacterRange, start)),
    }
}

fn named(ranges: &[(char, char)], negated: bool, flags: Flags) -> ClassUnicode {
    let ranges = ranges.iter().map(|&(first, last)| ClassUnicodeRange::new(first, last));
    finish(ranges, negated, flags)
}

fn finish(
    ranges: impl IntoIterator<Item = ClassUnicodeRange>,
    negated: bool,
    flags: Flags,
) -> ClassUnicode {
    let mut class = ClassUnicode::new(ranges);
    // Folding comes first: a negated class excludes both cases of a letter.
    if flags.ignore_case {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
    class
}

/// Parses one character or a range; `class` is the start of the class.
///
/// Surrogates are cut off the range, which may leave it empty.
fn read_range(
    cursor: &mut Cursor<'_>,
    class: Cursor<'_>,
) -> Result<Option<ClassUnicodeRange>, Error> {
    let start = *cursor;
    let first = read_code_point(cursor, class)?;
    // A hyphen before the closing bracket is a literal.
    let after_hyphen = cursor.rest().strip_prefix('-');
    let last = if after_hyphen.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(']')) {
        cursor.advance();
        read_code_point(cursor, class)?
    } else {
        first
    };
    if last < first {
        return Err(cursor.error(ErrorKind::CharacterRange, start));
    }
    let first = char::from_u32(first).unwrap_or('\u{E000}');
    let last = char::from_u32(last).unwrap_or('\u{D7FF}');
    Ok((first <= last).then(|| ClassUnicodeRange::new(first, last)))
}

fn read_code_point(cursor: &mut Cursor<'_>, class: Cursor<'_>) -> Result<u32, Error> {
    match cursor.peek() {
        None => Err(Error::new(ErrorKind::MissingBracket, class.rest())),
        Some('\\') => code_point::read(cursor),
        Some(character) => {
            cursor.advance();
            Ok(u32::from(character))
        }
    }
}
