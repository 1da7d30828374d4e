//! The places of errors and warnings about a section: the values that their paths lead to.

use std::rc::Rc;

use crate::{
    decode::NodeDeserializer,
    diagnostic::Fault,
    place::{DecodeError, Path, Place},
    rule::{KeyPath, Segment, Warning},
    session::{Entry, Session},
    tree::{Kind, Node},
};

/// The message in place of one that might quote a secret.
const SECRET: &str = "invalid value (details omitted because this field is secret)";

impl Session {
    /// Gives an error its place, if it has none yet: this node, or the node that the path of its
    /// rule leads to.
    pub(super) fn place(&self, error: DecodeError, at: NodeDeserializer<'_>) -> DecodeError {
        if error.place.is_some() {
            return error;
        }
        let DecodeError { mut message, scope, .. } = error;
        let scope = scope.unwrap_or_default();
        let from_hole = match &scope.involved {
            Some(involved) => involved.iter().any(|path| self.is_hole(at, path.segments())),
            None => self.has_hole(at, scope.path.segments()),
        };
        let (place, missing) = self.find(at, scope.path.segments());
        if !missing.is_empty() {
            message = format!("{}: {message}", KeyPath::from(missing));
        }
        if place.is_secret {
            SECRET.clone_into(&mut message);
        }
        DecodeError { message, scope: None, place: Some(Box::new(Place { from_hole, ..place })) }
    }

    /// A warning about a node, at the value that its path leads to.
    pub(super) fn place_warning(&self, warning: Warning, at: NodeDeserializer<'_>) -> Fault {
        let (place, _) = self.find(at, warning.path.segments());
        Fault { mark: place.mark, path: place.path, message: warning.message }
    }

    /// The place of the node at `path` below `at`, or of the last one on the way that is there, and
    /// what is left of the path.
    fn find<'p>(&self, at: NodeDeserializer<'_>, path: &'p [Segment]) -> (Place, &'p [Segment]) {
        let found = path.split_first().and_then(|(segment, rest)| match segment {
            Segment::Index(index) => {
                let (index, node) = self.item(at.node, *index)?;
                let path = Path::Index(at.path, index);
                Some(self.find(NodeDeserializer { node, key: None, path: &path, ..at }, rest))
            }
            Segment::Key(key) => {
                let entries = self.entries(at).ok()?;
                let entry = entries.into_iter().find(|entry| entry.key.text == *key)?;
                let path = Path::Key(at.path, &entry.key.text);
                Some(self.find(at.value(entry, &path), rest))
            }
        });
        found.unwrap_or_else(|| (place_of(at), path))
    }

    /// The item that a decoded list has at `index`: those that are null or left out are not in it.
    fn item<'n>(&self, list: &'n Node, index: usize) -> Option<(usize, &'n Rc<Node>)> {
        let Kind::Sequence(items) = &list.kind else { return None };
        let given = |(_, node): &(usize, &Rc<Node>)| !node.is_null() && !self.is_left_out(node.id);
        items.iter().enumerate().filter(given).nth(index)
    }

    /// Whether the value at `path` is missing because it, or its key, has an error of its own.
    fn is_hole(&self, at: NodeDeserializer<'_>, path: &[Segment]) -> bool {
        let Some((segment, rest)) = path.split_first() else { return false };
        match segment {
            Segment::Index(index) => self
                .item(at.node, *index)
                .is_some_and(|(_, node)| self.is_hole(NodeDeserializer { node, ..at }, rest)),
            Segment::Key(key) => {
                let entries = self.all_entries(at).unwrap_or_default();
                match entries.iter().find(|entry| entry.key.text == *key) {
                    Some(Entry { node, .. }) => {
                        self.is_left_out(node.id)
                            || self.is_hole(NodeDeserializer { node, ..at }, rest)
                    }
                    None => entries.iter().any(|entry| self.is_meant(entry.key.id, Some(key))),
                }
            }
        }
    }

    /// Whether a value of the section at `path` is missing because it, or its key, has an error of
    /// its own.
    fn has_hole(&self, at: NodeDeserializer<'_>, path: &[Segment]) -> bool {
        let Some((segment, rest)) = path.split_first() else {
            let is_missing = |entry: &Entry<'_>| {
                self.is_left_out(entry.node.id) || self.is_meant(entry.key.id, None)
            };
            return match &at.node.kind {
                Kind::Mapping(_) => self.all_entries(at).unwrap_or_default().iter().any(is_missing),
                kind => kind.children().any(|child| self.is_left_out(child.id)),
            };
        };
        let node = match segment {
            Segment::Index(index) => self.item(at.node, *index).map(|(_, node)| &**node),
            Segment::Key(key) => {
                let entries = self.all_entries(at).unwrap_or_default();
                entries.into_iter().find(|entry| entry.key.text == *key).map(|entry| entry.node)
            }
        };
        node.is_some_and(|node| self.has_hole(NodeDeserializer { node, ..at }, rest))
    }
}

/// The place of a node. What is wrong with a section or a list as a whole, or with nothing where
/// something must be, is told at its key.
pub(super) fn place_of(at: NodeDeserializer<'_>) -> Place {
    let is_single = matches!(at.node.kind, Kind::Scalar(_)) && !at.node.is_null();
    let mark = if is_single { at.node.mark } else { at.key.unwrap_or(at.node.mark) };
    Place {
        mark,
        path: at.path.to_string(),
        node: at.node.id,
        from_hole: false,
        is_final: false,
        is_secret: at.is_secret,
    }
}
