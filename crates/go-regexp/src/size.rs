//! How large a pattern becomes when it is compiled, without compiling it.

use regex_syntax::hir::{Class, Hir, HirKind};

/// No more states than this come of one range of characters: there are at most two dozen ways to
/// write a range as sequences of up to four ranges of bytes.
const STATES_OF_RANGE: usize = 100;

/// A bound for the states of the automaton of `hir`, whether it reads forwards or backwards.
///
/// Recurses as deep as `hir` nests.
pub(super) fn most_states(hir: &Hir) -> usize {
    let ranges = |count: usize| STATES_OF_RANGE.saturating_mul(count).saturating_add(1);
    let all =
        |parts: &[Hir]| parts.iter().map(most_states).fold(parts.len() + 2, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => ranges(class.ranges().len()),
        HirKind::Class(Class::Bytes(class)) => ranges(class.ranges().len()),
        HirKind::Capture(capture) => most_states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => all(parts),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            let copies = usize::try_from(copies).unwrap_or(usize::MAX);
            // A copy comes with a state that chooses, and the last may be followed by a loop.
            let copy = most_states(&repetition.sub).saturating_add(2);
            copies.saturating_add(1).saturating_mul(copy)
        }
    }
}
