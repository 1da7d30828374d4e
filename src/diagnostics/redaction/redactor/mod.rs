//! Search for the secrets of a probe in the texts of its report.

use std::{collections::HashMap, fmt, ops::Range, sync::OnceLock};

use aho_corasick::{
    Anchored,
    automaton::{Automaton as _, StateID},
    nfa::noncontiguous::NFA,
};

use super::{
    Details, MAX_PATTERN, MIN_SECRET, Patterns,
    decoding::{Encoding, Unit},
};

/// Replaces secrets in texts.
///
/// One pass over a text finds all secrets. Another pass over the decoded text finds those that are
/// escaped or percent-encoded.
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
    /// True if a secret contains a space, which may be a `+` in texts.
    has_spaces: bool,
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

/// A part of a text that is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    place: Range<usize>,
    shown: &'static str,
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
                let found = search.find(text, ends);
                if !found.is_empty() {
                    *text = replaced(text, &found);
                }
            }
        }
    }
}

impl Search {
    /// Returns `None` if the automaton cannot be built.
    fn new(patterns: Vec<Pattern>) -> Option<Self> {
        let automaton = NFA::new(patterns.iter().map(|pattern| &pattern.text)).ok()?;
        let start = automaton.start_state(Anchored::No).ok()?;
        let has_spaces = patterns.iter().any(|pattern| pattern.text.contains(&b' '));
        Some(Self { automaton, start, patterns, has_spaces, prefixes: OnceLock::new() })
    }

    /// Returns the secret parts of `text`, in order and disjoint.
    fn find(&self, text: &str, ends: Ends) -> Vec<Found> {
        let mut found = self.find_in(text, Encoding::Plain, ends);
        for encoding in [Encoding::Escaped, Encoding::Form] {
            let is_possible = encoding != Encoding::Form || self.has_spaces;
            if is_possible && encoding.is_used_in(text) {
                found.extend(self.find_in(text, encoding, ends));
            }
        }
        found.sort_unstable_by_key(|it| it.place.start);
        let mut disjoint = Vec::with_capacity(found.len());
        for it in found {
            push(&mut disjoint, it);
        }
        disjoint
    }

    /// Returns the secret parts of `text` in one encoding, in order and disjoint.
    fn find_in(&self, text: &str, encoding: Encoding, ends: Ends) -> Vec<Found> {
        let mut found = Vec::new();
        let mut state = self.start;
        // The positions of the last bytes.
        let mut starts = [0; MAX_PATTERN];
        let mut hidden_bytes = 0;
        for (index, unit) in encoding.units(text).enumerate() {
            let is_end = unit.is_plain && is_end(text, unit, ends);
            if is_end && let Some(prefix) = self.prefixes().get(&state) {
                let Prefix { length, details } = prefix;
                let start = nth_last(&starts, index, length - details.context);
                push(&mut found, Found { place: start..unit.start, shown: details.shown });
            }
            if let Some(slot) = starts.get_mut(index % MAX_PATTERN) {
                *slot = unit.start;
            }
            state = self.automaton.next_state(Anchored::No, state, unit.byte);
            if hidden_bytes > 0 {
                hidden_bytes -= 1;
                if let Some(last) = found.last_mut() {
                    last.place.end = last.place.end.max(unit.end);
                }
            }
            if self.automaton.is_match(state) {
                for Pattern { text, details } in self.matches(state) {
                    let start = nth_last(&starts, index + 1, text.len() - details.context);
                    push(&mut found, Found { place: start..unit.end, shown: details.shown });
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
                    let shown = details.shown.as_bytes();
                    // The replacement is not secret.
                    let is_shown = shown.windows(length).any(|part| part == prefix);
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

/// Returns true if the text may have been cut before this byte.
fn is_end(text: &str, unit: Unit, ends: Ends) -> bool {
    match unit.byte {
        b'"' => ends == Ends::Quoted,
        0xe2 => text.get(unit.start..).is_some_and(|rest| rest.starts_with('…')),
        _ => false,
    }
}

/// Returns the position of the byte that is `back` bytes before the byte `index`.
fn nth_last(starts: &[usize; MAX_PATTERN], index: usize, back: usize) -> usize {
    let slot = index.checked_sub(back).map(|index| index % MAX_PATTERN);
    slot.and_then(|slot| starts.get(slot)).copied().unwrap_or_default()
}

/// Adds a secret part. Parts that overlap become one, with the replacement of the longest.
fn push(found: &mut Vec<Found>, mut new: Found) {
    while let Some(last) = found.pop_if(|last| last.place.end > new.place.start) {
        if last.place.len() > new.place.len() {
            new.shown = last.shown;
        }
        new.place = last.place.start.min(new.place.start)..last.place.end.max(new.place.end);
    }
    found.push(new);
}

/// Returns `text` with the secret parts replaced.
fn replaced(text: &str, found: &[Found]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for Found { place, shown: replacement } in found {
        let start = text.floor_char_boundary(place.start).max(done);
        shown.push_str(text.get(done..start).unwrap_or_default());
        shown.push_str(replacement);
        done = text.ceil_char_boundary(place.end).max(start);
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    shown
}

#[cfg(test)]
mod tests;
