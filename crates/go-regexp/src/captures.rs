//! Matches of capture groups, and templates that are expanded with them.

use std::ops::Range;

use super::template::{self, Group};

/// The capture groups of a match; returned by [`Regexp::captures`](super::Regexp::captures).
#[derive(Clone, Debug)]
pub struct Captures<'h> {
    pub(super) haystack: &'h [u8],
    /// The span of each group in the haystack; group 0 is the whole match.
    pub(super) spans: Vec<Option<Range<usize>>>,
    /// The names of groups with their numbers.
    pub(super) names: &'h [(String, usize)],
}

impl<'h> Captures<'h> {
    /// Returns the text of the group with this number. Group 0 is the whole match.
    #[must_use]
    pub fn group(&self, index: usize) -> Option<&'h [u8]> {
        let span = self.spans.get(index)?.clone()?;
        self.haystack.get(span)
    }

    /// Returns the text of the group with this name.
    ///
    /// If several groups have the name, the first one that took part in the match is used.
    #[must_use]
    pub fn named_group(&self, name: &str) -> Option<&'h [u8]> {
        self.names
            .iter()
            .filter(|(other, _)| other == name)
            .find_map(|&(_, index)| self.group(index))
    }

    /// Replaces `$name`, `${name}`, `$1` and `${1}` in a template by the text of the groups, as
    /// Go's `Regexp.Expand` does.
    ///
    /// An unknown group expands to nothing. `$1x` refers to the group named `1x`. `$$` stands for
    /// one `$`. A `$` that starts no reference is copied.
    #[must_use]
    pub fn expand(&self, template: &str) -> Vec<u8> {
        let matched = |group: Group<'_>| match group {
            Group::Index(index) => self.group(index),
            Group::Name(name) => self.named_group(name),
        };
        template::expand(template, |group| matched(group).unwrap_or_default())
    }
}
