//! Repeated decoding until all errors of a section are found.
//!
//! serde stops at the first error of a type: the visitor that could go on is consumed by it. So the
//! error is recorded, its node is left out, and the section is decoded again, until the rest has no
//! errors. All limits are counts, so that the errors of a document do not depend on the machine.

use std::{
    cell::{LazyCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde::de::DeserializeOwned;

use crate::{
    deserializer::NodeDeserializer,
    diagnostic::{Diagnostic, Position},
    locate::site_of,
    path::{DecodeError, ErrorSite, Path},
    suggest::{Keys, Suggestion},
    tree::{Key, Kind, Node, Options, Tree},
};

/// The errors of a set of documents found so far.
pub(crate) struct Decoder {
    /// Number of keys that lead to the sections that are decoded.
    depth: usize,
    /// The keys that the sections have; made when an unknown key is found.
    keys: LazyCell<Keys>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    errors: Vec<Diagnostic>,
    /// Nodes and keys that have an error and are left out.
    left_out: BTreeSet<usize>,
    /// The known keys that unknown keys were probably meant to be.
    meant: BTreeMap<usize, &'static str>,
    /// Size of the nodes that were visited by first attempts.
    visited: usize,
    /// Size of the nodes that were visited by further attempts.
    revisited: usize,
    /// Whether this attempt is a further one.
    is_repeated: bool,
    /// Whether to look for no more errors.
    is_over: bool,
}

/// A key with its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'n> {
    pub(crate) key: &'n Key,
    pub(crate) node: &'n Node,
}

/// Maximum number of errors of a set of documents.
pub(crate) const MAX_ERRORS: usize = 100;

/// Maximum size of all nodes together: aliases of aliases can make a short document expand to more
/// than the memory holds.
pub(crate) const MAX_NODES: usize = 5_000_000;

/// Maximum size of the nodes that are visited again in order to find further errors.
pub(crate) const MAX_REVISITED_NODES: usize = 2_000_000;

/// Number of bytes of text that count as one more node.
const TEXT_PER_NODE: usize = 32;

impl Decoder {
    /// Makes a decoder of sections to which `depth` keys lead, and whose keys `keys` knows.
    pub(crate) fn new(depth: usize, keys: fn() -> Keys) -> Self {
        Self { depth, keys: LazyCell::new(keys), state: RefCell::default() }
    }

    /// Parses a document. Without a result its error is recorded.
    pub(crate) fn parse(&self, options: Options, text: &[u8]) -> Option<Tree> {
        match options.parse(text) {
            Ok(mut tree) => {
                self.state.borrow_mut().errors.append(&mut tree.errors);
                Some(tree)
            }
            Err(error) => {
                self.report(error);
                None
            }
        }
    }

    /// All errors that were found, sorted by position.
    pub(crate) fn into_errors(self) -> Vec<Diagnostic> {
        let is_incomplete = self.is_over();
        let mut errors = self.state.into_inner().errors;
        errors.sort();
        errors.dedup();
        if let (true, Some(last)) = (is_incomplete, errors.last()) {
            let message = "too many errors: there may be more that are not listed";
            errors.push(Diagnostic::new(last.location.position, message));
        }
        errors
    }

    /// Decodes a node. Without a result its errors are recorded.
    pub(crate) fn decode<T: DeserializeOwned>(&self, root: NodeDeserializer<'_>) -> Option<T> {
        let before = self.state.borrow().errors.len();
        let mut is_repeated = false;
        while !self.is_over() {
            self.state.borrow_mut().is_repeated = is_repeated;
            match T::deserialize(root).map_err(|error| self.locate(error, root)) {
                Ok(value) => {
                    return (self.state.borrow().errors.len() == before).then_some(value);
                }
                Err(error) => {
                    let left_out = self.record(error);
                    if left_out.is_none_or(|id| id == root.node.id) {
                        return None;
                    }
                }
            }
            is_repeated = true;
        }
        None
    }

    /// Runs a step that is not repeated, and records its error.
    pub(crate) fn attempt<T>(&self, step: impl FnOnce() -> Result<T, DecodeError>) -> Option<T> {
        self.state.borrow_mut().is_repeated = false;
        step().map_err(|error| self.record(error)).ok()
    }

    /// Records an error that belongs to no node.
    pub(crate) fn report(&self, error: Diagnostic) {
        self.state.borrow_mut().errors.push(error);
    }

    /// Records an error. Returns the node that is left out from now on, if it was not before.
    fn record(&self, error: DecodeError) -> Option<usize> {
        let DecodeError { message, at, .. } = error;
        let at = at?;
        let mut state = self.state.borrow_mut();
        if !at.is_consequence {
            state.errors.push(Diagnostic::new(at.location, message));
        }
        state.is_over |= at.is_final;
        state.left_out.insert(at.node).then_some(at.node)
    }

    /// Returns whether to look for no more errors. Without errors, everything is decoded.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state.borrow();
        state.is_over || state.errors.len() >= MAX_ERRORS
    }

    /// Returns whether the node or key has an error and is left out.
    pub(crate) fn is_left_out(&self, id: usize) -> bool {
        self.state.borrow().left_out.contains(&id)
    }

    /// Returns whether an unknown key was probably meant to be `meant`, or any known key.
    pub(crate) fn is_meant(&self, unknown: usize, meant: Option<&str>) -> bool {
        let state = self.state.borrow();
        let known = state.meant.get(&unknown);
        known.is_some_and(|known| meant.is_none_or(|meant| meant == *known))
    }

    /// Sizes of the nodes that first attempts and further attempts have visited.
    #[cfg(test)]
    pub(crate) fn visited(&self) -> (usize, usize) {
        let state = self.state.borrow();
        (state.visited, state.revisited)
    }

    /// Counts `node`, a part of the node at `at`, and fails at a limit.
    pub(crate) fn visit(&self, at: NodeDeserializer<'_>, node: &Node) -> Result<(), DecodeError> {
        let text = match &node.kind {
            Kind::Scalar(scalar) => scalar.text.len(),
            Kind::Sequence(_) | Kind::Mapping(_) => 0,
        };
        let size = 1 + text / TEXT_PER_NODE;
        let mut state = self.state.borrow_mut();
        let (visited, limit) = if state.is_repeated {
            state.revisited += size;
            (state.revisited, MAX_REVISITED_NODES)
        } else {
            state.visited += size;
            (state.visited, MAX_NODES)
        };
        if visited <= limit {
            return Ok(());
        }
        let at = ErrorSite {
            location: at.path.location(at.node.position),
            node: at.node.id,
            is_secret: false,
            is_consequence: state.is_repeated,
            is_final: true,
        };
        let message = format!("YAML aliases expand to too many nodes (limit {MAX_NODES})");
        Err(DecodeError { message, scope: None, at: Some(Box::new(at)) })
    }

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

    /// Reports the keys that a mapping at `path` must not have, and removes them from its entries.
    pub(crate) fn take_unknown(
        &self,
        path: &Path<'_>,
        entries: &mut Vec<Entry<'_>>,
        fields: &[&'static str],
    ) {
        let selected = entries.iter().find_map(|entry| selected_section(entry, fields));
        entries.retain(|entry| {
            let key = entry.key;
            let is_known = fields.contains(&key.text.as_str());
            if !is_known && self.state.borrow_mut().left_out.insert(key.id) {
                let Suggestion { meant, text } = match path.keys().get(self.depth..) {
                    Some(below) => self.keys.suggest(&key.text, below, fields, selected),
                    None => self.keys.suggest_at_top(*entry, fields),
                };
                if let Some(meant) = meant {
                    self.state.borrow_mut().meant.insert(key.id, meant);
                }
                let message = format!("unknown key '{}'{text}", key.text);
                let location = Path::Key(path, key).location(key.position);
                self.report(Diagnostic::new(location, message));
            }
            is_known
        });
    }

    /// Reports a section whose name another document has used.
    pub(crate) fn report_duplicate(&self, at: NodeDeserializer<'_>, name: &str, first: &str) {
        let position = at.key.unwrap_or(at.node.position);
        let message = format!("duplicate key '{name}', first set in {first}");
        self.report(Diagnostic::new(at.path.location(position), message));
    }

    /// Reports a document without content.
    pub(crate) fn report_empty(&self, position: Position, key: &str) {
        self.report(Diagnostic::new(
            position,
            format!("empty file (EOF): it needs the key '{key}'"),
        ));
    }
}

/// The section that an entry selects by its name, as `prober: http` does.
fn selected_section<'n>(entry: &Entry<'n>, fields: &[&'static str]) -> Option<&'n str> {
    match &entry.node.kind {
        Kind::Scalar(scalar) => Some(scalar.text.as_str()).filter(|text| fields.contains(text)),
        _ => None,
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
    let at = site_of(at.value(Entry { key, node }, &path));
    Err(DecodeError { message, scope: None, at: Some(Box::new(at)) })
}
