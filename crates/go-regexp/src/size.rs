//! Upper bound of the size of a compiled pattern, found without compiling it.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Maximum number of states for one range of characters.
///
/// In UTF-8 a range is an alternation of at most two dozen sequences of up to four byte ranges.
const MAX_STATES_PER_RANGE: usize = 100;

/// Returns an upper bound of the number of NFA states of `hir`, for forward and reverse automata.
///
/// Recursive: the depth is that of `hir`.
pub(super) fn max_states(hir: &Hir) -> usize {
    let ranges = |count: usize| MAX_STATES_PER_RANGE.saturating_mul(count).saturating_add(1);
    let all =
        |parts: &[Hir]| parts.iter().map(max_states).fold(parts.len() + 2, usize::saturating_add);
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => ranges(class.ranges().len()),
        HirKind::Class(Class::Bytes(class)) => ranges(class.ranges().len()),
        HirKind::Capture(capture) => max_states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => all(parts),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            let copies = usize::try_from(copies).unwrap_or(usize::MAX);
            // Each copy has a branching state, and the last copy may be followed by a loop.
            let copy = max_states(&repetition.sub).saturating_add(2);
            copies.saturating_add(1).saturating_mul(copy)
        }
    }
}
