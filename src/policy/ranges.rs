//! The choice of the narrowest of several ranges.

use std::collections::BTreeMap;

/// Ranges of keys, each with a rank. Of the ranges that contain a key, the one with the lowest rank counts.
///
/// The ranges are divided into sections that do not overlap, so that a search takes a few steps however
/// many they are.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RangeTable<K, R> {
    /// The first keys of the sections, sorted.
    starts: Vec<K>,
    /// The lowest rank of each section.
    ranks: Vec<Option<R>>,
}

impl<K: Copy + Ord, R: Copy + Ord> RangeTable<K, R> {
    /// Creates a table of ranges: the first key, the key after the last one unless the range has no end,
    /// and the rank.
    pub(super) fn new(ranges: impl IntoIterator<Item = (K, Option<K>, R)>) -> Self {
        let mut edges = Vec::new();
        for (first, end, rank) in ranges {
            edges.push((first, rank, 1));
            edges.extend(end.map(|end| (end, rank, -1)));
        }
        edges.sort_unstable();
        // The number of ranges of each rank at the current key.
        let mut counts: BTreeMap<R, i32> = BTreeMap::new();
        let sections = edges.chunk_by(|(one, ..), (next, ..)| one == next).filter_map(|edges| {
            for (_, rank, change) in edges {
                let count = counts.entry(*rank).or_default();
                *count += change;
                if *count == 0 {
                    counts.remove(rank);
                }
            }
            Some((edges.first()?.0, counts.keys().next().copied()))
        });
        let (starts, ranks) = sections.unzip();
        Self { starts, ranks }
    }

    /// Returns the lowest rank of the ranges that contain the key.
    pub(super) fn find(&self, key: K) -> Option<R> {
        let next = self.starts.partition_point(|start| *start <= key);
        *self.ranks.get(next.checked_sub(1)?)?
    }
}
