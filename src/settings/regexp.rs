//! Regular expressions in Go's syntax (see the crate `go_regexp`).

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

pub use go_regexp::{Captures, Error, Subject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::scheduling::pace::Pace;

/// A regular expression of a configuration file.
#[derive(Clone)]
pub struct Regexp {
    regexp: go_regexp::Regexp,
    /// The time of matches, shared by clones.
    pace: Arc<Pace>,
}

/// Maximum number of states of a pattern that may match a short text in less than a millisecond: the
/// first match on each thread allocates memory for all of them.
const MAX_STATES: usize = 5_000;

/// Expected time of a match besides that for the length of the text: the first one on each thread
/// allocates memory.
const FIXED_TIME: Duration = Duration::from_micros(3);

impl Regexp {
    /// Parses `pattern`. The error has Go's wording.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        Ok(Self { regexp: go_regexp::Regexp::new(pattern)?, pace: Arc::default() })
    }

    /// Returns the time that a match with `length` bytes is expected to take; without an end before
    /// the first match, which compiles the pattern, and for a large pattern.
    #[must_use]
    pub fn expected_time(&self, length: usize) -> Duration {
        if self.regexp.is_compiled() && self.regexp.max_states() <= MAX_STATES {
            self.pace.expected(length) + FIXED_TIME
        } else {
            Duration::MAX
        }
    }

    /// Returns whether the pattern matches anywhere in `haystack`.
    #[must_use]
    pub fn is_match(&self, haystack: &[u8]) -> bool {
        self.measure(haystack, |regexp| regexp.is_match(haystack))
    }

    /// Returns the first match in `haystack` with its capture groups.
    #[must_use]
    pub fn captures<'h>(&'h self, haystack: &'h [u8]) -> Option<Captures<'h>> {
        self.measure(haystack, |regexp| regexp.captures(haystack))
    }

    fn measure<'h, T>(
        &'h self,
        haystack: &[u8],
        work: impl FnOnce(&'h go_regexp::Regexp) -> T,
    ) -> T {
        // The first match compiles the pattern, which says nothing about the next one.
        if self.regexp.is_compiled() {
            self.pace.measure(haystack.len(), || work(&self.regexp))
        } else {
            work(&self.regexp)
        }
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.regexp == other.regexp
    }
}

impl Eq for Regexp {}

impl Deref for Regexp {
    type Target = go_regexp::Regexp;

    fn deref(&self) -> &Self::Target {
        &self.regexp
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.regexp, formatter)
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.regexp, formatter)
    }
}

impl<'de> Deserialize<'de> for Regexp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::new(&pattern).map_err(|error| {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            de::Error::custom(format!(
                "\"Could not compile regular expression\" regexp=\"{pattern}\": {error}{hint}"
            ))
        })
    }
}

impl Serialize for Regexp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_serialize_as_text() {
        let regexp: Regexp = serde_json::from_str(r#""^a+$""#).unwrap();
        assert_eq!(regexp, Regexp::new("^a+$").unwrap());
        assert_eq!(serde_json::to_string(&regexp).unwrap(), r#""^a+$""#);
        assert_eq!(format!("{regexp} {regexp:?}"), r#"^a+$ Regexp("^a+$")"#);
        let error = serde_json::from_str::<Regexp>(r#""a**""#).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Could not compile regular expression\" regexp=\"a**\": \
             error parsing regexp: invalid nested repetition operator: `**`; put the repeated part in \
             parentheses"
        );
    }
}
