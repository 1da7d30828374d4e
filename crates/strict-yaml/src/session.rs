//! Decoding as often as it takes to find every error of a document.
//!
//! A decoder stops at its first error. So the error is noted, the node that has it is left out, and
//! the whole is decoded again, until nothing is wrong with the rest.

use std::{
    cell::{LazyCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{Duration, Instant},
};

use serde::de::DeserializeOwned;

use crate::{
    decode::NodeDeserializer,
    diagnostic::{Fault, Mark},
    locate::place_of,
    mapping::Key,
    place::{DecodeError, Path, Place},
    suggest::{Keys, Suggestion},
    tree::{Kind, Node},
};

/// What is known of the errors of one document so far.
pub(super) struct Session {
    started: Instant,
    /// How many keys lead to the sections that are decoded.
    depth: usize,
    /// What is known of their keys; made when a key is not known.
    keys: LazyCell<Keys>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// Nodes and keys that are passed over, since their error is known.
    left_out: BTreeSet<usize>,
    /// What the unknown keys among them were probably meant to be.
    meant: BTreeMap<usize, &'static str>,
    /// How many nodes were looked at.
    visits: usize,
    /// Whether to look for no more errors.
    is_over: bool,
}

/// A key with its value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'n> {
    pub(super) key: &'n Key,
    pub(super) node: &'n Node,
}

/// Nobody repairs more errors than this in one go.
const MOST_FAULTS: usize = 100;

/// Nodes to look at in all. Aliases of aliases can make a short file stand for more.
const MOST_VISITS: usize = 5_000_000;

/// No more errors are looked for after this long.
const LONGEST: Duration = Duration::from_secs(3);

impl Session {
    /// `depth` keys lead to the sections that are decoded, whose keys `keys` knows.
    pub(super) fn new(faults: Vec<Fault>, depth: usize, keys: fn() -> Keys) -> Self {
        let state = RefCell::new(State { faults, ..State::default() });
        Self { started: Instant::now(), depth, keys: LazyCell::new(keys), state }
    }

    /// All errors that were found, in the order of their places.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let was_cut_off = self.is_over();
        let mut faults = self.state.into_inner().faults;
        faults.sort();
        faults.dedup();
        if let (true, Some(last)) = (was_cut_off, faults.last()) {
            let message = "there may be more errors: no more were looked for";
            faults.push(Fault::new(last.mark, message));
        }
        faults
    }

    /// Decodes a node. Without a result its errors are noted.
    pub(super) fn decode<T: DeserializeOwned>(&self, root: NodeDeserializer<'_>) -> Option<T> {
        while !self.is_over() {
            let before = self.state.borrow().faults.len();
            match T::deserialize(root).map_err(|error| self.place(error, root)) {
                Ok(value) => return (self.state.borrow().faults.len() == before).then_some(value),
                Err(error) => {
                    let left_out = self.note(error);
                    if left_out.is_none_or(|id| id == root.node.id) {
                        return None;
                    }
                }
            }
        }
        None
    }

    /// Does a part of the decoding that cannot be repeated; its error is noted.
    pub(super) fn attempt<T>(&self, part: impl FnOnce() -> Result<T, DecodeError>) -> Option<T> {
        part().map_err(|error| self.note(error)).ok()
    }

    /// Notes an error that has no node of its own to decode.
    pub(super) fn report(&self, mark: Mark, path: &Path<'_>, message: String) {
        self.state.borrow_mut().faults.push(Fault { mark, path: path.to_string(), message });
    }

    /// Notes an error; says which node is left out from now on, if that is news.
    fn note(&self, error: DecodeError) -> Option<usize> {
        let place = error.place?;
        let mut state = self.state.borrow_mut();
        if !place.from_hole {
            let Place { mark, path, .. } = *place;
            state.faults.push(Fault { mark, path, message: error.message });
        }
        state.is_over |= place.is_final;
        state.left_out.insert(place.node).then_some(place.node)
    }

    /// Whether to look for no more errors. As long as there are none, all is decoded, however long
    /// that takes: what is left out without an error would be missing without a word.
    fn is_over(&self) -> bool {
        let state = self.state.borrow();
        let is_late = || !state.faults.is_empty() && self.started.elapsed() > LONGEST;
        state.is_over || state.faults.len() >= MOST_FAULTS || is_late()
    }

    /// Whether the node or key is passed over.
    pub(super) fn is_left_out(&self, id: usize) -> bool {
        self.state.borrow().left_out.contains(&id)
    }

    /// Counts a node that is looked at.
    pub(super) fn visit(&self, at: NodeDeserializer<'_>) -> Result<(), DecodeError> {
        let mut state = self.state.borrow_mut();
        state.visits += 1;
        if state.visits <= MOST_VISITS {
            return Ok(());
        }
        let message = "the aliases of this file stand for more than anybody can have meant";
        let place = Place {
            mark: at.node.mark,
            path: at.path.to_string(),
            node: at.node.id,
            from_hole: false,
            is_final: true,
            is_secret: false,
        };
        Err(DecodeError { message: message.to_owned(), scope: None, place: Some(Box::new(place)) })
    }

    /// The keys and values of a mapping: its own, then those it merges from others (`<<`), of
    /// which the first counts. What has a known error is not among them.
    pub(super) fn entries<'n>(
        &self,
        at: NodeDeserializer<'n>,
    ) -> Result<Vec<Entry<'n>>, DecodeError> {
        let mut entries = self.all_entries(at)?;
        entries.retain(|entry| !self.is_left_out(entry.key.id) && !self.is_left_out(entry.node.id));
        Ok(entries)
    }

    pub(super) fn all_entries<'n>(
        &self,
        at: NodeDeserializer<'n>,
    ) -> Result<Vec<Entry<'n>>, DecodeError> {
        match &at.node.kind {
            // As nearly all are: nothing is merged, and each key is there once.
            Kind::Mapping(own) if !own.iter().any(|(key, _)| key.is_merge) => {
                let entry = |(key, node): &'n (Key, Rc<Node>)| {
                    self.visit(at)?;
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
            self.visit(at)?;
            if seen.insert(&key.text) {
                entries.push(Entry { key, node });
            }
        }
        let merges = merges.into_iter().filter(|(_, node)| !self.is_left_out(node.id));
        for (key, node) in merges {
            for source in merged(at, key, node)? {
                self.visit(at)?;
                self.collect(NodeDeserializer { node: source, ..at }, entries, seen)?;
            }
        }
        Ok(())
    }

    /// Takes out and notes the keys that a section does not have.
    pub(super) fn take_unknown(
        &self,
        path: &Path<'_>,
        entries: &mut Vec<Entry<'_>>,
        fields: &[&'static str],
    ) {
        let prober = entries.iter().find_map(|entry| named_section(entry, fields));
        entries.retain(|entry| {
            let key = entry.key;
            let is_known = fields.contains(&key.text.as_str());
            if !is_known && self.state.borrow_mut().left_out.insert(key.id) {
                let Suggestion { meant, text } = match path.keys().get(self.depth..) {
                    Some(below) => self.keys.suggest(&key.text, below, fields, prober),
                    None => self.keys.suggest_at_top(*entry, fields),
                };
                if let Some(meant) = meant {
                    self.state.borrow_mut().meant.insert(key.id, meant);
                }
                let message = format!("unknown key '{}'{text}", key.text);
                self.report(key.mark, &Path::Key(path, &key.text), message);
            }
            is_known
        });
    }

    /// Whether an unknown key was probably meant to be `meant`, or any known one.
    pub(super) fn is_meant(&self, unknown: usize, meant: Option<&str>) -> bool {
        let state = self.state.borrow();
        let known = state.meant.get(&unknown);
        known.is_some_and(|known| meant.is_none_or(|meant| meant == *known))
    }
}

/// The section that an entry says is the one that counts, as `prober: http` does.
fn named_section<'n>(entry: &Entry<'n>, fields: &[&'static str]) -> Option<&'n str> {
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
    let path = Path::Key(at.path, &key.text);
    let message = "expected a section or a list of sections to merge";
    let place = place_of(at.value(Entry { key, node }, &path));
    Err(DecodeError { message: message.to_owned(), scope: None, place: Some(Box::new(place)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{schema::Schema, tree};

    /// Decodes the list of numbers that `text` is, long after the reading began.
    fn decode_late(text: &str) -> (Option<Vec<i64>>, usize) {
        let (root, faults) = tree::parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
        let started = Instant::now().checked_sub(2 * LONGEST).unwrap();
        let keys = || Keys { schema: Schema::of::<i64>(), root: "", history: |_, _| None };
        let session = Session { started, ..Session::new(faults, 0, keys) };
        let decoded = session.decode(NodeDeserializer::root(&session, &root.unwrap()));
        (decoded, session.into_faults().len())
    }

    #[test]
    fn what_is_right_is_read_however_long_that_takes() {
        assert_eq!(decode_late("[1, 2]"), (Some(vec![1, 2]), 0));
    }

    #[test]
    fn errors_are_looked_for_in_bounded_time() {
        // The first error, and that there may be more.
        assert_eq!(decode_late("[a, b, c]"), (None, 2));
    }
}
