//! Search for the secrets of a probe in the texts of its report.

use std::{collections::HashMap, fmt, sync::OnceLock};

use aho_corasick::{
    Anchored,
    automaton::{Automaton as _, StateID},
    nfa::noncontiguous::NFA,
};

use super::{
    super::transcript::CONTINUED,
    Details, MIN_SECRET, Patterns, contains,
    decoding::{Level, levels},
    folded,
    places::{Found, push, replace},
};

/// Replaces secrets in texts.
///
/// One pass over a text finds all secrets, in any case. If the text contains escapes, further passes over
/// the decoded text find secrets that are escaped or percent-encoded, also repeatedly.
#[derive(Debug)]
pub struct Redactor(Kind);

#[derive(Debug)]
enum Kind {
    /// There are no secrets.
    Idle,
    Search(Box<Search>),
    /// Replaces whole texts, because not all secrets are known.
    Everything,
}

/// Number of secrets above which preparing the search takes long.
const MANY: usize = 50;

/// The replacement of a whole text.
const TOO_MANY: &str = "<hidden: the probe has too many secrets>";

struct Search {
    automaton: NFA,
    start: StateID,
    patterns: Vec<Pattern>,
    prefixes: OnceLock<HashMap<StateID, Prefix>>,
}

struct Pattern {
    text: Vec<u8>,
    details: Details,
}

/// The state of the automaton after the prefix of a secret.
#[derive(Clone, Copy)]
struct Prefix {
    /// Length of the prefix with its context in bytes.
    length: usize,
    details: Details,
}

/// Places after which a text may have been cut within a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The end of a shortened text.
    Shortened,
    /// Also the end of a quotation: the text may have been quoted before the peer had sent
    /// all of the secret.
    Quoted,
}

impl Redactor {
    pub(super) fn new(patterns: Patterns) -> Self {
        let Patterns { known, is_incomplete, .. } = patterns;
        if is_incomplete {
            return Self(Kind::Everything);
        }
        // Most probes have no secrets.
        if known.is_empty() {
            return Self(Kind::Idle);
        }
        let patterns = known.into_iter().map(|(text, details)| Pattern { text, details });
        Self(
            Search::new(patterns.collect())
                .map_or(Kind::Everything, |search| Kind::Search(Box::new(search))),
        )
    }

    /// Returns true if there are no secrets.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.0, Kind::Idle)
    }

    /// Returns true if there are so many secrets that it took long to prepare the search.
    #[must_use]
    pub fn is_large(&self) -> bool {
        matches!(&self.0, Kind::Search(search) if search.patterns.len() > MANY)
    }

    /// Replaces the secrets in `text`, and the beginning of a secret where the text is shortened.
    pub fn redact(&self, text: &mut String) {
        self.redact_with(text, Ends::Shortened);
    }

    /// Replaces the secrets in the message of a failure, and the beginning of a secret at the end of a
    /// quotation.
    pub fn redact_failure(&self, text: &mut String) {
        self.redact_with(text, Ends::Quoted);
    }

    fn redact_with(&self, text: &mut String, ends: Ends) {
        match &self.0 {
            Kind::Idle => {}
            Kind::Everything if text.len() < MIN_SECRET => {}
            Kind::Everything => TOO_MANY.clone_into(text),
            Kind::Search(search) => {
                let levels = levels(text.as_bytes());
                let found = levels.flat_map(|level| search.find(text, &level, ends)).collect();
                replace(text, found);
            }
        }
    }
}

impl Search {
    /// Returns `None` if the automaton cannot be built.
    fn new(patterns: Vec<Pattern>) -> Option<Self> {
        let automaton = NFA::new(patterns.iter().map(|pattern| &pattern.text)).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        Some(Self { automaton, start, patterns, prefixes: OnceLock::new() })
    }

    /// Returns the secret parts of `text` that are found at one level, in order and disjoint.
    fn find(&self, text: &str, level: &Level<'_>, ends: Ends) -> Vec<Found> {
        let mut found = Vec::new();
        let mut state = self.start;
        // The last byte that may begin an escape, and the state before it.
        let mut escape = (0, self.start);
        let mut hidden_bytes = 0;
        for (index, byte) in level.bytes.iter().copied().enumerate() {
            if matches!(byte, b'"' | ELLIPSIS) && is_end(text, level.position(index), ends) {
                // The text may have been cut within an escape.
                let rest = text.get(level.position(escape.0)..level.position(index));
                let before = rest.is_some_and(is_part_of_escape).then_some(escape);
                for (end, state) in before.into_iter().chain([(index, state)]) {
                    let Some(Prefix { length, details }) = self.prefixes().get(&state) else {
                        continue;
                    };
                    let start = end.saturating_sub(length - details.context);
                    let place = level.position(start)..level.position(index);
                    push(&mut found, Found { place, shown: details.shown });
                }
            }
            if matches!(byte, b'%' | b'\\' | b'&' | INVALID) {
                escape = (index, state);
            }
            state = self.automaton.next_state(Anchored::No, state, folded(byte));
            if hidden_bytes > 0 {
                hidden_bytes -= 1;
                if let Some(last) = found.last_mut() {
                    last.place.end = last.place.end.max(level.position(index + 1));
                }
            }
            if self.automaton.is_match(state) {
                for Pattern { text, details } in self.matches(state) {
                    let start = (index + 1).saturating_sub(text.len() - details.context);
                    let place = level.position(start)..level.position(index + 1);
                    push(&mut found, Found { place, shown: details.shown });
                    hidden_bytes =
                        hidden_bytes.max(details.length - text.len().min(details.length));
                }
            }
        }
        found
    }

    /// Returns the patterns that end in a state: the longest, and those that begin earlier without
    /// their context.
    fn matches(&self, state: StateID) -> impl Iterator<Item = &Pattern> {
        let mut is_covered = false;
        (0..self.automaton.match_len(state)).map_while(move |index| {
            // The longest pattern is the first one.
            let pattern = self.automaton.match_pattern(state, index).as_usize();
            let pattern = self.patterns.get(pattern).filter(|_| !is_covered)?;
            is_covered = pattern.details.context == 0;
            Some(pattern)
        })
    }

    /// Returns the prefixes of secrets by their states.
    fn prefixes(&self) -> &HashMap<StateID, Prefix> {
        self.prefixes.get_or_init(|| {
            let mut prefixes = HashMap::new();
            for Pattern { text, details } in &self.patterns {
                let mut state = self.start;
                for (length, byte) in (1..).zip(text) {
                    // The state after a prefix of a pattern stands for that prefix.
                    state = self.automaton.next_state(Anchored::No, state, *byte);
                    let prefix = text.get(..length).unwrap_or_default();
                    // The replacement is not secret.
                    let is_shown = contains(details.shown.as_bytes(), prefix);
                    if length >= MIN_SECRET && length > details.context && !is_shown {
                        prefixes.entry(state).or_insert(Prefix { length, details: *details });
                    }
                }
            }
            prefixes
        })
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} secrets", self.patterns.len())
    }
}

/// First byte of [`CONTINUED`].
const ELLIPSIS: u8 = 0xe2;

/// First byte of the character that replaces invalid UTF-8.
const INVALID: u8 = 0xef;

/// Maximum length of an escape that is encoded again, in bytes.
const MAX_ESCAPE: usize = 24;

/// Returns true if the text may have been cut at this position.
fn is_end(text: &str, position: usize, ends: Ends) -> bool {
    let rest = text.get(position..).unwrap_or_default();
    let unquoted = rest.strip_prefix('"');
    unquoted.unwrap_or(rest).starts_with(CONTINUED) || unquoted.is_some() && ends == Ends::Quoted
}

/// Returns true if a text can be the beginning of an escape, or what is left of a character.
fn is_part_of_escape(text: &str) -> bool {
    let is_part = |it: char| it.is_ascii_alphanumeric() || "%\\&#;{}\u{fffd}".contains(it);
    text.len() <= MAX_ESCAPE && text.chars().all(is_part)
}

#[cfg(test)]
mod tests;
