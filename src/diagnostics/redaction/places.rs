//! Parts of a text that are replaced.

use std::ops::Range;

/// A part of a text, and its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: Range<usize>,
    pub(crate) shown: &'static str,
}

/// Adds a part. Parts that overlap become one, with the replacement of the longest.
pub(crate) fn push(found: &mut Vec<Found>, mut new: Found) {
    while let Some(last) = found.pop_if(|last| last.place.end > new.place.start) {
        if last.place.len() > new.place.len() {
            new.shown = last.shown;
        }
        new.place = last.place.start.min(new.place.start)..last.place.end.max(new.place.end);
    }
    found.push(new);
}

/// Replaces parts of `text`.
pub(crate) fn replace(text: &mut String, mut found: Vec<Found>) {
    if found.is_empty() {
        return;
    }
    found.sort_unstable_by_key(|it| it.place.start);
    let mut disjoint = Vec::with_capacity(found.len());
    for it in found {
        push(&mut disjoint, it);
    }
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for Found { place, shown: replacement } in disjoint {
        let start = text.floor_char_boundary(place.start).max(done);
        shown.push_str(text.get(done..start).unwrap_or_default());
        shown.push_str(replacement);
        done = text.ceil_char_boundary(place.end).max(start);
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    *text = shown;
}
