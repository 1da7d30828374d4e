//! The locations of errors and warnings: the nodes that their paths lead to.

use std::rc::Rc;

use crate::{
    decoder::{Decoder, NodeDeserializer},
    diagnostic::Diagnostic,
    node::Entry,
    path::{DecodeError, ErrorSite, Path},
    rule::{KeyPath, Segment, Warning},
    tree::{Kind, Node},
};

/// The message in place of one that might quote a secret.
const SECRET: &str = "invalid value (details omitted because this field is secret)";

impl Decoder {
    /// Adds the node to an error that has none yet: this one, or the one below that the path of its
    /// rule leads to.
    pub(crate) fn locate(&self, error: DecodeError, at: NodeDeserializer<'_>) -> DecodeError {
        if error.at.is_some() {
            return error;
        }
        let DecodeError { mut message, scope, .. } = error;
        let scope = scope.unwrap_or_default();
        let path = scope.path.segments();
        let is_consequence = match &scope.involved {
            Some(involved) => involved.iter().any(|path| self.is_hole(at, path.segments())),
            None => self.has_hole(at, path),
        };
        let (site, missing) = self.find(at, path);
        if !missing.is_empty() {
            message = format!("{}: {message}", KeyPath::from(missing));
        }
        if site.is_secret {
            SECRET.clone_into(&mut message);
        }
        let at = Some(Box::new(ErrorSite { is_consequence, ..site }));
        DecodeError { message, scope: None, at }
    }

    /// A warning about a node, at the value that its path leads to.
    pub(crate) fn locate_warning(&self, warning: Warning, at: NodeDeserializer<'_>) -> Diagnostic {
        let (site, _) = self.find(at, warning.path.segments());
        Diagnostic::new(site.location, warning.message)
    }

    /// The node at `path` below `at`, or the last one on the way that exists, and the rest of the
    /// path.
    fn find<'p>(
        &self,
        at: NodeDeserializer<'_>,
        path: &'p [Segment],
    ) -> (ErrorSite, &'p [Segment]) {
        let found = path.split_first().and_then(|(segment, rest)| match segment {
            Segment::Index(index) => {
                let (index, node) = self.item(at.node, *index)?;
                let path = Path::Index(at.path, index, node.position);
                Some(self.find(NodeDeserializer { node, key: None, path: &path, ..at }, rest))
            }
            Segment::Key(key) => {
                let entries = self.entries(at).ok()?;
                let entry = entries.into_iter().find(|entry| entry.key.text == *key)?;
                let path = Path::Key(at.path, entry.key);
                Some(self.find(at.value(entry, &path), rest))
            }
        });
        found.unwrap_or_else(|| (at.site(), path))
    }

    /// The item at `index` of a decoded list, which has no items for nodes that are null or left
    /// out.
    fn item<'n>(&self, list: &'n Node, index: usize) -> Option<(usize, &'n Rc<Node>)> {
        let Kind::Sequence(items) = &list.kind else { return None };
        let decoded =
            |(_, node): &(usize, &Rc<Node>)| !node.is_null() && !self.is_left_out(node.id);
        items.iter().enumerate().filter(decoded).nth(index)
    }

    /// Returns whether the value at `path` is missing because it, or its key, has an error.
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

    /// Returns whether a value of the section at `path` is missing because it, or its key, has an
    /// error.
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
