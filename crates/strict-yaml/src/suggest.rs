//! What a key that a section does not have was probably meant to be.
//!
//! A suggestion must not turn a check into its opposite. So only keys are suggested that have the
//! same words of denial, quantity and bounds, and the same digits, as what was written.

use std::rc::Rc;

use crate::{
    mapping::Key,
    schema::{Schema, Section},
    session::Entry,
    tree::{Kind, Node},
};

/// What is known of the keys of a document beside the section that is decoded.
pub(super) struct Keys {
    /// The sections of the document, by the keys that lead there from its root.
    pub(super) schema: Schema,
    /// What the root is called.
    pub(super) root: &'static str,
    /// What became of keys of old, and of those that have never been ones.
    pub(super) history: History,
}

/// Says what became of a key in the section at a path, and which key of that section was meant.
pub type History = fn(&[&str], &str) -> Option<Former>;

/// What to write in place of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Former {
    /// The key that has its meaning, if one has.
    pub now: Option<&'static str>,
    /// What to do, as the end of a sentence.
    pub advice: &'static str,
}

/// What to say of a key that is not known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Suggestion {
    /// The key that was probably meant.
    pub(super) meant: Option<&'static str>,
    /// The end of a sentence, with what stands before it; or else empty.
    pub(super) text: String,
}

impl Keys {
    /// What to say of `written` in the section at `path`, which has the keys `known`. `prober` is
    /// the one of its siblings that says which section counts, if there is one.
    pub(super) fn suggest(
        &self,
        written: &str,
        path: &[&str],
        known: &[&'static str],
        prober: Option<&str>,
    ) -> Suggestion {
        if let Some(Former { now, advice }) = (self.history)(path, written) {
            return Suggestion { meant: now, text: format!("; {advice}") };
        }
        let (sections, key) = self.schema.with(written);
        let at = Place { path, root: self.root, prober };
        if let Some(text) = at.near(&sections) {
            return Suggestion { meant: key, text };
        }
        if let Some(meant) = nearest(written, known) {
            return Suggestion { meant: Some(meant), text: format!("; did you mean '{meant}'?") };
        }
        Suggestion { meant: key, text: at.far(&sections).unwrap_or_default() }
    }
}

impl Keys {
    /// What to say of a key beside the one key of a file, which has sections by name below it.
    pub(super) fn suggest_at_top(&self, entry: Entry<'_>, known: &[&'static str]) -> Suggestion {
        let written = entry.key.text.as_str();
        // As in one with `prober: http`.
        let is_section = |keys: &[(Key, Rc<Node>)]| {
            keys.iter().any(|(key, node)| {
                let names_another = matches!(&node.kind, Kind::Scalar(scalar) if self.schema.is_at_root(&scalar.text));
                names_another && self.schema.is_at_root(&key.text)
            })
        };
        let names = known.iter().map(|key| format!("'{key}'")).collect::<Vec<_>>();
        let text = match &entry.node.kind {
            Kind::Mapping(keys) if is_section(keys) => {
                format!("; it stands one level too high: put it below {}", listed(&names))
            }
            _ if self.schema.is_at_root(written) => {
                format!("; it is a key of {}, which stands below {}", self.root, listed(&names))
            }
            _ => match nearest(written, known) {
                Some(meant) => format!("; did you mean '{meant}'?"),
                None => String::new(),
            },
        };
        Suggestion { meant: None, text }
    }
}

/// The section in which a key stands.
struct Place<'p> {
    path: &'p [&'p str],
    root: &'static str,
    prober: Option<&'p str>,
}

impl Place<'_> {
    /// Where a key belongs that stands too high or too low.
    fn near(&self, sections: &[&Section]) -> Option<String> {
        let below = |section: &&&Section| {
            section.path.len() > self.path.len() && starts_with(&section.path, self.path)
        };
        let above = |section: &&&Section| {
            section.path.len() < self.path.len() && starts_with(self.path, &section.path)
        };
        let depth = sections.iter().filter(below).map(|section| section.path.len()).min();
        let mut lower: Vec<_> = sections
            .iter()
            .filter(below)
            .filter(|section| Some(section.path.len()) == depth)
            .collect();
        if self.path.is_empty() && lower.iter().any(|section| self.is_used(section)) {
            lower.retain(|section| self.is_used(section));
        }
        let higher = sections.iter().rfind(above);
        match (lower.as_slice(), higher) {
            ([], None) => None,
            ([], Some(section)) => {
                let levels = levels(self.path.len() - section.path.len());
                Some(format!("; it is a key of {}, {levels} above", self.name(section)))
            }
            (lower, _) => {
                let levels = levels(depth? - self.path.len());
                let names = lower.iter().map(|section| self.name(section)).collect::<Vec<_>>();
                Some(format!("; it is a key of {}, {levels} below", listed(&names)))
            }
        }
    }

    /// Where a key belongs that stands in a section of something else.
    fn far(&self, sections: &[&Section]) -> Option<String> {
        let own = self.path.first();
        let within: Vec<_> =
            sections.iter().filter(|section| section.path.first() == own).collect();
        let sections = if within.is_empty() { sections.iter().collect() } else { within };
        let depth = sections.iter().map(|section| section.path.len()).min()?;
        let names: Vec<_> = sections
            .iter()
            .filter(|section| section.path.len() == depth)
            .map(|section| self.name(section))
            .collect();
        let here = self.path.last().map_or(self.root, |here| here);
        Some(format!("; it is a key of {}, not of '{here}'", listed(&names)))
    }

    fn is_used(&self, section: &Section) -> bool {
        section.path.first().copied() == self.prober
    }

    /// A section as people call it: by its key, and by what that is in.
    fn name(&self, section: &Section) -> String {
        let beyond =
            section.path.get(self.path.len()..).filter(|_| starts_with(&section.path, self.path));
        let shown = match beyond {
            Some(beyond) if !beyond.is_empty() => beyond,
            _ => section.path.as_slice(),
        };
        match shown {
            [] => self.root.to_owned(),
            shown => format!("'{}'", shown.join(".")),
        }
    }
}

fn starts_with(path: &[&str], start: &[&str]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| one == other)
}

fn levels(levels: usize) -> String {
    match levels {
        1 => "one level".to_owned(),
        2 => "two levels".to_owned(),
        many => format!("{many} levels"),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The known key nearest to `written`, if one is near enough to be meant.
fn nearest(written: &str, known: &[&'static str]) -> Option<&'static str> {
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
            *distance <= key.len().max(SHORTEST) / 3 && spelled.may_be(candidate)
        })
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., key)| key);
    let begun = || {
        let begun = || known.iter().filter(|key| key.starts_with(&spelled.text));
        let shortest = begun().min_by_key(|key| key.len())?;
        let is_clear = begun().all(|key| key.starts_with(shortest));
        (is_clear && spelled.text.len() >= SHORTEST).then_some(*shortest)
    };
    near.or_else(begun)
}

/// A key, and what must not differ between it and a suggestion.
struct Spelling {
    text: String,
    /// Its words that decide and its digits; none if a word may be one or another of them.
    sense: Option<Vec<String>>,
}

/// Words that make of a key another one.
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

    /// Whether this is the other one with letters wrong, or with words too many or missing; a word in
    /// place of another makes it another key.
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

/// The decisive word that `word` is, or is misspelled to; an error where it may be one of several.
fn decisive(word: &str) -> Result<Option<&'static str>, ()> {
    if let Some(exact) = DECISIVE.iter().find(|known| **known == word) {
        return Ok(Some(exact));
    }
    let fused =
        |known: &str| known.len() >= SHORTEST && (word.starts_with(known) || word.ends_with(known));
    if word.len() > SHORTEST && (fused("not") || fused("none")) {
        return Ok(Some("not"));
    }
    let mut near = DECISIVE.iter().filter(|known| {
        word.len() >= SHORTEST && known.len() >= SHORTEST && distance(word, known) <= 1
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

/// Shorter texts are no beginnings of keys.
const SHORTEST: usize = 3;

/// Longer texts than this are no misspelled keys.
const MAX_LENGTH: usize = 100;

/// How many letters must be put in, left out, changed or swapped with the next to get from one text
/// to the other.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    // Three rows of the usual table: two back for swaps, one back, and the one being filled.
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
