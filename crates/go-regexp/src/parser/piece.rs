//! A part of a pattern with what Go's limits count of it.

use regex_syntax::hir::{Capture, Hir, Repetition};

/// Nesting that Go refuses to exceed.
const HEIGHT_LIMIT: u32 = 1000;

/// A part of a pattern.
pub(super) struct Piece {
    pub(super) hir: Hir,
    /// Levels of nesting, as Go counts them.
    height: u32,
    /// How often nested repetitions copy what is innermost.
    copies: u32,
    shape: Shape,
}

/// A sequence within a sequence counts as one level, and so does a choice within a choice.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Sequence,
    Choice,
    Other,
}

impl Piece {
    /// A part that holds no others.
    pub(super) fn leaf(hir: Hir) -> Self {
        Self { hir, height: 1, copies: 1, shape: Shape::Other }
    }

    pub(super) fn sequence(pieces: Vec<Self>) -> Self {
        Self::join(pieces, Shape::Sequence, Hir::concat)
    }

    pub(super) fn choice(pieces: Vec<Self>) -> Self {
        Self::join(pieces, Shape::Choice, Hir::alternation)
    }

    /// The capturing group number `index` around this part.
    pub(super) fn capture(self, index: u32) -> Self {
        let hir = Hir::capture(Capture { index, name: None, sub: Box::new(self.hir) });
        Self { hir, height: self.height.saturating_add(1), shape: Shape::Other, ..self }
    }

    /// This part `min` to `max` times.
    pub(super) fn repeat(self, min: u32, max: Option<u32>, greedy: bool) -> Self {
        let copies = match max {
            // Nothing is left of what is repeated zero times.
            Some(0) => 1,
            _ => self.copies.saturating_mul(max.unwrap_or(min).max(1)),
        };
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(self.hir) });
        Self { hir, height: self.height.saturating_add(1), copies, shape: Shape::Other }
    }

    pub(super) fn copies(&self) -> u32 {
        self.copies
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.height > HEIGHT_LIMIT
    }

    fn join(pieces: Vec<Self>, shape: Shape, join: impl FnOnce(Vec<Hir>) -> Hir) -> Self {
        let pieces = match <[Self; 1]>::try_from(pieces) {
            Ok([only]) => return only,
            Err(pieces) => pieces,
        };
        let level = |piece: &Self| piece.height.saturating_add(u32::from(piece.shape != shape));
        Self {
            height: pieces.iter().map(level).max().unwrap_or(1),
            copies: pieces.iter().map(Self::copies).max().unwrap_or(1),
            hir: join(pieces.into_iter().map(|piece| piece.hir).collect()),
            shape,
        }
    }
}
