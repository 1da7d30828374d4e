//! Repeated decoding until all errors of a section are found.
//!
//! serde stops at the first error of a type: the visitor that could go on is consumed by it. So the
//! error is recorded, its node is left out, and the section is decoded again, until the rest has no
//! errors. All limits are counts, so that the errors of a document do not depend on the machine.

use std::{
    cell::{LazyCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    diagnostic::{Diagnostic, Position},
    node::Entry,
    path::{DecodeError, ErrorSite, Path},
    suggest::{Keys, Suggestion},
    tree::{Kind, Node, Options, Tree},
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
    /// True if this attempt repeats an earlier one.
    is_repeated: bool,
    /// True if no more errors are searched for.
    is_over: bool,
}

/// Deserializes one node; knows its place in the document.
#[derive(Clone, Copy)]
pub(crate) struct NodeDeserializer<'n> {
    pub(crate) decoder: &'n Decoder,
    pub(crate) node: &'n Node,
    /// Position of its key, if it has one.
    pub(crate) key: Option<Position>,
    pub(crate) path: &'n Path<'n>,
    /// True if the value is secret, so that messages must not quote it.
    pub(crate) is_secret: bool,
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

    /// Runs a step that decodes the node `root`, until all its errors are found. Without a result
    /// they are recorded.
    pub(crate) fn repeat<T>(
        &self,
        root: usize,
        step: impl Fn() -> Result<T, DecodeError>,
    ) -> Option<T> {
        let before = self.state.borrow().errors.len();
        let mut is_repeated = false;
        while !self.is_over() {
            self.state.borrow_mut().is_repeated = is_repeated;
            match step() {
                Ok(value) => {
                    return (self.state.borrow().errors.len() == before).then_some(value);
                }
                Err(error) => {
                    let left_out = self.record(error);
                    if left_out.is_none_or(|id| id == root) {
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
                let keys = path.keys();
                let Suggestion { meant, text } = match keys.get(self.depth..) {
                    Some(below) => self.keys.suggest(&key.text, below, fields, selected),
                    None if keys.is_empty() => self.keys.suggest_at_root(*entry, fields),
                    None => Keys::suggest_known(&key.text, fields),
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

impl<'n> NodeDeserializer<'n> {
    /// Deserializes the root of a document.
    pub(crate) fn root(decoder: &'n Decoder, node: &'n Node) -> Self {
        Self { decoder, node, key: None, path: &Path::Root, is_secret: false }
    }

    /// The deserializer of the value of an entry.
    pub(crate) fn value<'v>(self, entry: Entry<'n>, path: &'v Path<'v>) -> NodeDeserializer<'v>
    where
        'n: 'v,
    {
        let Entry { key, node } = entry;
        let is_secret = self.is_secret || self.node.hides_values;
        NodeDeserializer { node, key: Some(key.position), path, is_secret, decoder: self.decoder }
    }

    /// The site of an error about the node. For collections and missing values, its position is
    /// that of the key.
    pub(crate) fn site(self) -> ErrorSite {
        let is_single = matches!(self.node.kind, Kind::Scalar(_)) && !self.node.is_null();
        let own = self.node.position;
        let position = if is_single { own } else { self.key.unwrap_or(own) };
        ErrorSite {
            location: self.path.location(position),
            node: self.node.id,
            is_secret: self.is_secret,
            is_consequence: false,
            is_final: false,
        }
    }
}

/// The section that an entry selects by its name, as `prober: http` does.
fn selected_section<'n>(entry: &Entry<'n>, fields: &[&'static str]) -> Option<&'n str> {
    match &entry.node.kind {
        Kind::Scalar(scalar) => Some(scalar.text.as_str()).filter(|text| fields.contains(text)),
        _ => None,
    }
}
