//! The entries of mappings, with those that `<<` merges.

use std::{collections::BTreeSet, rc::Rc};

use crate::{
    decoder::{Decoder, NodeDeserializer},
    node::Entry,
    path::{DecodeError, Path},
    tree::{Key, Kind, Node},
};

impl Decoder {
    /// The entries of a mapping: its own, then those merged from others by `<<`, of which the first
    /// counts. Those that are left out are not among them.
    pub(crate) fn entries<'n>(
        &self,
        at: NodeDeserializer<'n>,
    ) -> Result<Vec<Entry<'n>>, DecodeError> {
        let mut entries = self.all_entries(at)?;
        entries.retain(|entry| !self.is_left_out(entry.key.id) && !self.is_left_out(entry.node.id));
        Ok(entries)
    }

    /// The entries of a mapping with those that are left out.
    pub(crate) fn all_entries<'n>(
        &self,
        at: NodeDeserializer<'n>,
    ) -> Result<Vec<Entry<'n>>, DecodeError> {
        match &at.node.kind {
            // The usual case: nothing is merged, and there are no duplicates.
            Kind::Mapping(own) if !own.iter().any(|(key, _)| key.is_merge) => {
                let entry = |(key, node): &'n (Key, Rc<Node>)| {
                    self.visit(at, node)?;
                    Ok(Entry { key, node })
                };
                own.iter().map(entry).collect()
            }
            _ => {
                let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
                self.collect(at, &mut entries, &mut seen)?;
                Ok(entries)
            }
        }
    }

    fn collect<'n>(
        &self,
        at: NodeDeserializer<'n>,
        entries: &mut Vec<Entry<'n>>,
        seen: &mut BTreeSet<&'n str>,
    ) -> Result<(), DecodeError> {
        let Kind::Mapping(own) = &at.node.kind else { return Ok(()) };
        let (merges, own): (Vec<_>, Vec<_>) = own.iter().partition(|(key, _)| key.is_merge);
        for (key, node) in own {
            self.visit(at, node)?;
            if seen.insert(&key.text) {
                entries.push(Entry { key, node });
            }
        }
        let merges = merges.into_iter().filter(|(_, node)| !self.is_left_out(node.id));
        for (key, node) in merges {
            for source in merged(at, key, node)? {
                self.visit(at, source)?;
                self.collect(NodeDeserializer { node: source, ..at }, entries, seen)?;
            }
        }
        Ok(())
    }
}

/// The mappings that a key `<<` names.
fn merged<'n>(
    at: NodeDeserializer<'n>,
    key: &'n Key,
    node: &'n Rc<Node>,
) -> Result<&'n [Rc<Node>], DecodeError> {
    let sources: &[Rc<Node>] = match &node.kind {
        Kind::Mapping(_) => std::slice::from_ref(node),
        Kind::Sequence(items) => items,
        Kind::Scalar(_) => &[],
    };
    let is_mapping = |node: &Rc<Node>| matches!(node.kind, Kind::Mapping(_));
    if !matches!(node.kind, Kind::Scalar(_)) && sources.iter().all(is_mapping) {
        return Ok(sources);
    }
    let path = Path::Key(at.path, key);
    let message = "expected a mapping or a sequence of mappings to merge".to_owned();
    let at = at.value(Entry { key, node }, &path).site();
    Err(DecodeError { message, scope: None, at: Some(Box::new(at)) })
}
