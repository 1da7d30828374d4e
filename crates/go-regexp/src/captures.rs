//! What the groups of a pattern matched, and templates filled with it.

use std::ops::Range;

use super::template::{self, Group};

/// What the groups of a pattern matched; made by [`Regexp::captures`](super::Regexp::captures).
#[derive(Clone, Debug)]
pub struct Captures<'h> {
    pub(super) haystack: &'h [u8],
    /// Where each group matched, the whole match first.
    pub(super) spans: Vec<Option<Range<usize>>>,
    /// The pattern's named groups.
    pub(super) names: &'h [(String, usize)],
}

impl<'h> Captures<'h> {
    /// What the group number `index` matched, 0 being the whole pattern.
    #[must_use]
    pub fn group(&self, index: usize) -> Option<&'h [u8]> {
        let span = self.spans.get(index)?.clone()?;
        self.haystack.get(span)
    }

    /// What the group called `name` matched; where several are called so, the first that took part.
    #[must_use]
    pub fn named_group(&self, name: &str) -> Option<&'h [u8]> {
        self.names
            .iter()
            .filter(|(other, _)| other == name)
            .find_map(|&(_, index)| self.group(index))
    }

    /// `template` with `$name`, `${name}`, `$1` and `${1}` replaced by what the groups matched.
    ///
    /// An unknown group is empty, `$1x` means the group `1x`, `$$` is one `$`, and a `$` that
    /// starts none of these stays.
    #[must_use]
    pub fn expand(&self, template: &str) -> Vec<u8> {
        let matched = |group: Group<'_>| match group {
            Group::Index(index) => self.group(index),
            Group::Name(name) => self.named_group(name),
        };
        template::expand(template, |group| matched(group).unwrap_or_default())
    }
}
