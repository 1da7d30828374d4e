//! Patterns with `*`, `?` and `[…]`, as in Go's `path.Match`.

/// Returns true if `pattern` matches all of `text`. No part of it matches a slash but a slash itself.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut rest, mut unread) = (pattern.as_slice(), text.as_slice());
    // The pattern after the last star, and the text that it was tried at.
    let mut retry: Option<(&[char], &[char])> = None;
    loop {
        if let Some((&'*', after)) = rest.split_first() {
            retry = Some((after, unread));
            rest = after;
            continue;
        }
        match (one(rest), unread.split_first()) {
            (None, None) if rest.is_empty() => return true,
            (Some((part, after)), Some((next, left))) if part.matches(*next) => {
                (rest, unread) = (after, left);
                continue;
            }
            _ => {}
        }
        // The star takes one more character, which is not a slash.
        match retry.and_then(|(after, tried)| Some((after, tried.split_first()?))) {
            Some((after, (next, left))) if *next != '/' => {
                retry = Some((after, left));
                (rest, unread) = (after, left);
            }
            _ => return false,
        }
    }
}

/// A part of a pattern that matches one character.
enum One<'p> {
    Any,
    Exactly(char),
    Class { is_negated: bool, ranges: &'p [char] },
}

impl One<'_> {
    fn matches(&self, character: char) -> bool {
        match self {
            Self::Any => character != '/',
            Self::Exactly(expected) => character == *expected,
            Self::Class { is_negated, ranges } => {
                character != '/' && is_within(ranges, character) != *is_negated
            }
        }
    }
}

/// Splits the first part off a pattern. A `[` without an end is a character like any other.
fn one(pattern: &[char]) -> Option<(One<'_>, &[char])> {
    let (first, rest) = pattern.split_first()?;
    let part = match first {
        '?' => One::Any,
        '[' => match class(rest) {
            Some(found) => return Some(found),
            None => One::Exactly('['),
        },
        other => One::Exactly(*other),
    };
    Some((part, rest))
}

fn class(pattern: &[char]) -> Option<(One<'_>, &[char])> {
    let (is_negated, inside) = match pattern.split_first()? {
        ('^' | '!', inside) => (true, inside),
        _ => (false, pattern),
    };
    // The first character of a class may be its end.
    let end = inside.iter().skip(1).position(|character| *character == ']')? + 1;
    let (ranges, rest) = inside.split_at_checked(end)?;
    Some((One::Class { is_negated, ranges }, rest.get(1..)?))
}

fn is_within(ranges: &[char], character: char) -> bool {
    let mut rest = ranges;
    loop {
        match rest {
            [] => return false,
            [low, '-', high, after @ ..] => {
                if (*low..=*high).contains(&character) {
                    return true;
                }
                rest = after;
            }
            [only, after @ ..] => {
                if *only == character {
                    return true;
                }
                rest = after;
            }
        }
    }
}

/// Returns the number of characters of a pattern that stand for themselves.
pub(super) fn literal_length(pattern: &str) -> usize {
    pattern.chars().filter(|character| !matches!(character, '*' | '?' | '[' | ']')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "abc", true),
            ("*", "a/c", false),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("/run/*.sock", "/run/x.sock", true),
            ("/run/*.sock", "/run/x/y.sock", false),
            ("/run/?", "/run/x", true),
            ("/run?x", "/run/x", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[^a-c]x", "dx", true),
            ("[!a]", "/", false),
            ("[]a]", "]", true),
            ("[a", "[a", true),
            ("*é", "aé", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_need_little_time() {
        assert!(!matches(&"*a".repeat(500), &"a".repeat(400)));
        assert!(!matches(&("*a".repeat(50) + "b"), &"a".repeat(5000)));
    }
}
