//! What a misspelled key was probably meant to be.

/// The known key nearest to `written`, if one is near enough to be meant.
pub(super) fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    let spelled = written.to_lowercase().replace('-', "_");
    let begun = || known.iter().find(|key| spelled.len() >= SHORTEST && key.starts_with(&spelled));
    known
        .iter()
        .map(|key| (distance(&spelled, key), key))
        .filter(|(distance, key)| *distance <= key.len().max(SHORTEST) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
        .or_else(begun)
        .copied()
}

/// Shorter texts are no beginnings of keys.
const SHORTEST: usize = 3;

/// Longer texts than this are no misspelled keys.
const LONGEST: usize = 100;

/// How many letters must be put in, left out, changed or swapped with the next to get from one text
/// to the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len() > LONGEST {
        return usize::MAX;
    }
    // Three rows of the usual table: two back for swaps, one back, and the one being filled.
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=right.len()).collect();
    let mut before = None;
    for (row, l) in left.iter().enumerate() {
        let mut new = vec![row + 1];
        let mut previous = None;
        for (column, r) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(LONGEST);
            let changed = at(&old, column) + usize::from(l != r);
            let mut best = changed.min(at(&old, column + 1) + 1).min(at(&new, column) + 1);
            if column > 0 && before == Some(r) && previous == Some(l) {
                best = best.min(at(&older, column - 1) + 1);
            }
            new.push(best);
            previous = Some(r);
        }
        older = std::mem::replace(&mut old, new);
        before = Some(l);
    }
    old.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("abc", "abd", 1),
            ("acb", "abc", 1),
            ("ab", "abc", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn only_near_keys_are_suggested() {
        let known = ["method", "headers", "fail_if_ssl", "fail_if_not_ssl", "tls"];
        for (written, expected) in [
            ("metod", Some("method")),
            ("Method", Some("method")),
            ("fail-if-ssl", Some("fail_if_ssl")),
            ("fail_if_sssl", Some("fail_if_ssl")),
            ("tsl", Some("tls")),
            ("header", Some("headers")),
            ("timeout", None),
            ("met", Some("method")),
            ("me", None),
        ] {
            assert_eq!(nearest(written, &known), expected, "{written}");
        }
    }
}
