//! Unicode classes: `\pL`, `\p{Greek}`, `\P{^Lu}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::{
    super::error::{Reason, RegexpError},
    cursor::Cursor,
    group::Flags,
};

/// Names of the category of code points that no text holds.
const SURROGATE: [&str; 2] = ["cs", "surrogate"];
/// Scripts go by their names, not by their codes of four letters; these are names.
const FOUR_LETTER_SCRIPTS: [&str; 9] =
    ["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];
/// What Unicode lists among the scripts without being one.
const NO_SCRIPTS: [&str; 2] = ["katakanaorhiragana", "unknown"];

/// Reads a Unicode class, if one follows.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    flags: Flags,
) -> Result<Option<ClassUnicode>, RegexpError> {
    let start = *cursor;
    let mut negated = match () {
        () if cursor.eat(r"\p") => false,
        () if cursor.eat(r"\P") => true,
        () => return Ok(None),
    };
    let name = if cursor.eat("{") {
        cursor
            .take_until("}")
            .ok_or_else(|| RegexpError::new(Reason::CharacterRange, start.rest()))?
    } else {
        let before = *cursor;
        cursor.advance();
        cursor.since(before)
    };
    let name = match name.strip_prefix('^') {
        Some(name) => {
            negated = !negated;
            name
        }
        None => name,
    };
    let Some(mut class) = class(name) else {
        return Err(cursor.error(Reason::CharacterRange, start));
    };
    if flags.ignore_case {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
    Ok(Some(class))
}

/// The general category or script called `name`, in which case and separators do not matter.
fn class(name: &str) -> Option<ClassUnicode> {
    let is_separator = |character: &char| matches!(character, ' ' | '_' | '-');
    let name: String = name.chars().filter(|character| !is_separator(character)).collect();
    let name = name.to_ascii_lowercase();
    // The tables would also find a name behind "is".
    if name.starts_with("is") || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    if SURROGATE.contains(&&*name) {
        return Some(ClassUnicode::empty());
    }
    if let Some(category) = property("gc", &name) {
        return Some(category);
    }
    let is_code = name.len() == 4 && !FOUR_LETTER_SCRIPTS.contains(&&*name);
    if is_code || NO_SCRIPTS.contains(&&*name) { None } else { property("sc", &name) }
}

/// The characters whose property `key` has this value.
fn property(key: &str, value: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{key}={value}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // A class of one character.
        HirKind::Literal(literal) => {
            let character = str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(character, character)]))
        }
        _ => None,
    }
}
