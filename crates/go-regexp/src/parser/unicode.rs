//! Unicode classes: `\pL`, `\p{Greek}`, `\P{^Lu}`.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::{
    super::error::{Error, ErrorKind},
    cursor::Cursor,
    flags::Flags,
};

/// Names of the category of surrogates, which valid text does not contain.
const SURROGATE: [&str; 2] = ["cs", "surrogate"];
/// Script names of four letters. Other names of four letters are ISO 15924 codes, which Go does not
/// accept.
const FOUR_LETTER_SCRIPTS: [&str; 9] =
    ["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];
/// Values of the script property that Go does not have.
const NOT_SCRIPTS: [&str; 2] = ["katakanaorhiragana", "unknown"];

/// Parses a Unicode class if one comes next.
pub(super) fn read(cursor: &mut Cursor<'_>, flags: Flags) -> Result<Option<ClassUnicode>, Error> {
    let start = *cursor;
    let mut negated = match () {
        () if cursor.eat(r"\p") => false,
        () if cursor.eat(r"\P") => true,
        () => return Ok(None),
    };
    let name = if cursor.eat("{") {
        cursor.take_until("}").ok_or_else(|| Error::new(ErrorKind::CharacterRange, start.rest()))?
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
        return Err(cursor.error(ErrorKind::CharacterRange, start));
    };
    if flags.ignore_case {
        class.case_fold_simple();
    }
    if negated {
        class.negate();
    }
    Ok(Some(class))
}

/// Returns the class of a general category or script. Case and separators in the name are ignored.
fn class(name: &str) -> Option<ClassUnicode> {
    let is_separator = |character: &char| matches!(character, ' ' | '_' | '-');
    let name: String = name.chars().filter(|character| !is_separator(character)).collect();
    let name = name.to_ascii_lowercase();
    // The tables of regex-syntax also accept the prefix "is", Go does not.
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
    if is_code || NOT_SCRIPTS.contains(&&*name) { None } else { property("sc", &name) }
}

/// Returns the class of the characters whose property `key` has this value.
fn property(key: &str, value: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{key}={value}}}")).ok()?;
    match hir.into_kind() {
        HirKind::Class(Class::Unicode(class)) => Some(class),
        // regex-syntax turns a class of one character into a literal.
        HirKind::Literal(literal) => {
            let character = str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(character, character)]))
        }
        _ => None,
    }
}
