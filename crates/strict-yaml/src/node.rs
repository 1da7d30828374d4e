//! The nodes of a document and the keys of its mappings.

use std::rc::Rc;

use crate::{diagnostic::Position, scalar::Scalar};

/// A node of a document.
///
/// An alias is the node of its anchor, so that a document needs no more memory than its text
/// suggests.
#[derive(Debug)]
pub struct Node {
    /// Unique among the keys and nodes of all documents that are decoded together.
    pub(crate) id: usize,
    /// Position of its first character.
    pub position: Position,
    /// Number of levels below and including it, with aliases followed.
    pub(crate) depth: usize,
    /// Its content.
    pub kind: Kind,
    /// True for a mapping that declares its values secret.
    pub(crate) hides_values: bool,
}

/// The content of a node.
#[derive(Debug)]
pub enum Kind {
    /// A single value.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Rc<Node>>),
    /// Keys and values in the order of the document, without duplicates.
    Mapping(Vec<(Key, Rc<Node>)>),
}

impl Node {
    /// Returns whether it means null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.is_null())
    }
}

impl Kind {
    /// The items of a sequence or the values of a mapping.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Node> {
        let (items, entries) = match self {
            Self::Scalar(_) => (None, None),
            Self::Sequence(items) => (Some(items), None),
            Self::Mapping(entries) => (None, Some(entries)),
        };
        let values = entries.into_iter().flatten().map(|(_, value)| value);
        items.into_iter().flatten().chain(values).map(Rc::as_ref)
    }

    /// Returns whether it is a mapping in which `key` is true.
    pub(crate) fn has_true(&self, key: &str) -> bool {
        let Self::Mapping(entries) = self else { return false };
        let is_true = |node: &Node| match &node.kind {
            Self::Scalar(scalar) => scalar.as_bool() == Some(true),
            _ => false,
        };
        entries.iter().any(|(known, value)| known.text == key && is_true(value))
    }
}

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// Unique among the keys and nodes of all documents that are decoded together.
    pub(crate) id: usize,
    /// Position of its first character.
    pub position: Position,
    /// Its text.
    pub text: String,
    /// True for `<<`, which merges the keys of other mappings.
    pub is_merge: bool,
}

impl Key {
    /// Makes a key of a scalar.
    pub(crate) fn of(id: usize, position: Position, scalar: Scalar) -> Self {
        let Scalar { text, plain, tag } = scalar;
        let is_merge = text == "<<" && (plain || tag.as_deref() == Some("merge"));
        Self { id, position, text, is_merge }
    }
}

/// A key with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'n> {
    pub(crate) key: &'n Key,
    pub(crate) node: &'n Node,
}
