//! Parsed parts of a pattern with the figures that Go limits.

use regex_syntax::hir::{Capture, Hir, Repetition};

/// Maximum nesting depth that Go accepts.
const MAX_HEIGHT: u32 = 1000;

/// A parsed part of a pattern.
pub(super) struct Piece {
    pub(super) hir: Hir,
    /// Nesting depth, as Go counts it.
    height: u32,
    /// Product of the counts of nested repetitions.
    copies: u32,
    shape: Shape,
}

/// The shape of a piece. A sequence in a sequence adds no nesting level, nor does a choice in a
/// choice.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Sequence,
    Choice,
    Other,
}

impl Piece {
    /// Creates a piece without children.
    pub(super) fn leaf(hir: Hir) -> Self {
        Self { hir, height: 1, copies: 1, shape: Shape::Other }
    }

    /// Creates the concatenation of pieces.
    pub(super) fn sequence(pieces: Vec<Self>) -> Self {
        Self::join(pieces, Shape::Sequence, Hir::concat)
    }

    /// Creates the alternation of pieces.
    pub(super) fn choice(pieces: Vec<Self>) -> Self {
        Self::join(pieces, Shape::Choice, Hir::alternation)
    }

    /// Wraps the piece into the capture group with this number.
    pub(super) fn capture(self, index: u32) -> Self {
        let hir = Hir::capture(Capture { index, name: None, sub: Box::new(self.hir) });
        Self { hir, height: self.height.saturating_add(1), shape: Shape::Other, ..self }
    }

    /// Repeats the piece `min` to `max` times.
    pub(super) fn repeat(self, min: u32, max: Option<u32>, greedy: bool) -> Self {
        let copies = match max {
            // Zero repetitions leave nothing to copy.
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
        self.height > MAX_HEIGHT
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
