//! The known key that a misspelled one stands for.
//!
//! A suggestion must not reverse the meaning of a key. So a key is suggested only if it has the same
//! digits and the same words of negation, quantity and bounds as the one that was written.

/// The known key that is nearest to `written`, if one is near enough.
pub(crate) fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let spelled = Spelling::of(&written.to_lowercase().replace('-', "_"));
    let near = known
        .iter()
        .map(|key| (Spelling::of(key), *key))
        .filter(|(candidate, _)| candidate.sense.is_some() && candidate.sense == spelled.sense)
        .map(|(candidate, key)| (distance(&spelled.text, &candidate.text), candidate, key))
        .filter(|(distance, candidate, key)| {
            *distance <= key.len().max(MIN_LENGTH) / 3 && spelled.may_be(candidate)
        })
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., key)| key);
    let completed = || {
        let begun = || known.iter().filter(|key| key.starts_with(&spelled.text));
        let shortest = begun().min_by_key(|key| key.len())?;
        let is_clear = begun().all(|key| key.starts_with(shortest));
        (is_clear && spelled.text.len() >= MIN_LENGTH).then_some(*shortest)
    };
    near.or_else(completed)
}

/// A key, and the parts that a suggestion must share with it.
struct Spelling {
    text: String,
    /// Its decisive words and its digits; `None` if a word may be either of two of them.
    sense: Option<Vec<String>>,
}

/// Words that change the meaning of a key.
const DECISIVE: [&str; 15] = [
    "not", "no", "none", "all", "any", "min", "max", "skip", "dont", "enable", "disable",
    "insecure", "allow", "deny", "without",
];

impl Spelling {
    fn of(text: &str) -> Self {
        let mut sense = Some(Vec::new());
        for word in text.split('_') {
            let digits: String = word.chars().filter(char::is_ascii_digit).collect();
            let letters = word.trim_matches(|c: char| c.is_ascii_digit());
            match (&mut sense, decisive(letters)) {
                (Some(sense), Ok(decisive)) => {
                    sense.extend(decisive.map(str::to_owned));
                    sense.extend(Some(digits).filter(|digits| !digits.is_empty()));
                }
                _ => sense = None,
            }
        }
        if let Some(sense) = &mut sense {
            sense.sort_unstable();
        }
        Self { text: text.to_owned(), sense }
    }

    /// Returns whether this is the other key with typing errors, or with words added or missing.
    fn may_be(&self, other: &Self) -> bool {
        let squeezed = |text: &str| text.replace('_', "");
        let typos = distance(&squeezed(&self.text), &squeezed(&other.text));
        if typos <= (other.text.len() / 5).max(1) {
            return true;
        }
        let words = |text: &str| text.split('_').map(str::to_owned).collect::<Vec<_>>();
        let (ours, theirs) = (words(&self.text), words(&other.text));
        let is_in = |words: &[String], others: &[String]| {
            let mut others = others.iter();
            words.iter().all(|word| others.any(|other| is_typo(word, other)))
        };
        is_in(&ours, &theirs) || is_in(&theirs, &ours)
    }
}

/// The decisive word that `word` is or was meant to be; an error if it may be one of several.
fn decisive(word: &str) -> Result<Option<&'static str>, ()> {
    if let Some(exact) = DECISIVE.iter().find(|known| **known == word) {
        return Ok(Some(exact));
    }
    let fused = |known: &str| {
        known.len() >= MIN_LENGTH && (word.starts_with(known) || word.ends_with(known))
    };
    if word.len() > MIN_LENGTH && (fused("not") || fused("none")) {
        return Ok(Some("not"));
    }
    let mut near = DECISIVE.iter().filter(|known| {
        word.len() >= MIN_LENGTH && known.len() >= MIN_LENGTH && distance(word, known) <= 1
    });
    match (near.next(), near.next()) {
        (None, _) => Ok(None),
        (Some(known), None) => Ok(Some(known)),
        (Some(_), Some(_)) => Err(()),
    }
}

fn is_typo(word: &str, other: &str) -> bool {
    distance(word, other) <= other.len() / 3
}

/// Minimum length of a text that is completed to a key.
const MIN_LENGTH: usize = 3;

/// Maximum length of a misspelled key.
const MAX_LENGTH: usize = 100;

/// Edit distance: the number of letters to insert, remove, replace or swap with the next one.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    // Three rows of the table: two back for swaps, one back, and the current one.
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=right.len()).collect();
    let mut before = None;
    for (row, l) in left.iter().enumerate() {
        let mut new = vec![row + 1];
        let mut previous = None;
        for (column, r) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(MAX_LENGTH);
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
            (&*"method".repeat(1000), None),
        ] {
            assert_eq!(nearest(written, &known), expected, "{written}");
        }
    }

    #[test]
    fn a_suggestion_never_means_the_opposite() {
        let known = [
            "fail_if_ssl",
            "fail_if_not_ssl",
            "fail_if_body_matches_regexp",
            "fail_if_body_not_matches_regexp",
            "fail_if_header_matches",
            "fail_if_header_not_matches",
            "fail_if_none_matches_regexp",
            "fail_if_all_match_regexp",
            "enable_http2",
            "enable_http3",
            "min_version",
            "max_version",
            "follow_redirects",
            "insecure_skip_verify",
            "dont_fragment",
            "skip_newline_on_send",
        ];
        for (written, expected) in [
            ("fail_if_not_matches_regexp", Some("fail_if_body_not_matches_regexp")),
            ("fail_if_body_not_match_regexp", Some("fail_if_body_not_matches_regexp")),
            ("fail_if_body_matches", Some("fail_if_body_matches_regexp")),
            ("fail_if_headers_not_matches", Some("fail_if_header_not_matches")),
            ("fail_if_nto_ssl", Some("fail_if_not_ssl")),
            ("fail_ifnot_ssl", Some("fail_if_not_ssl")),
            ("fail_if_notssl", Some("fail_if_not_ssl")),
            ("fail_if_no_ssl", None),
            ("fail_if_any_matches_regexp", None),
            ("fail_if_all_matches_regexp", Some("fail_if_all_match_regexp")),
            ("disable_http2", None),
            ("enabled_http2", Some("enable_http2")),
            ("enable_http1", None),
            ("enable_http", None),
            ("enable_htpp3", Some("enable_http3")),
            ("mim_version", Some("min_version")),
            ("mix_version", None),
            ("maximum_version", None),
            ("no_follow_redirects", None),
            ("folow_redirect", Some("follow_redirects")),
            ("secure_skip_verify", None),
            ("insecure_verify", None),
            ("fragment", None),
            ("do_fragment", None),
            ("newline_on_send", None),
            ("insecure", Some("insecure_skip_verify")),
            ("fail_if_body", None),
            ("enable", None),
            ("follow", Some("follow_redirects")),
        ] {
            assert_eq!(nearest(written, &known), expected, "{written}");
        }
    }
}
