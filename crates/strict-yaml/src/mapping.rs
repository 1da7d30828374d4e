//! A mapping that is being read, and the search for duplicates among its keys.

use std::{collections::BTreeMap, rc::Rc};

use crate::{
    diagnostic::Position,
    node::{Key, Node},
};

/// The entries of a mapping that is being read, with an index once they are many.
#[derive(Default)]
pub(crate) struct Mapping {
    list: Vec<(Key, Rc<Node>)>,
    index: BTreeMap<String, Position>,
}

/// Maximum number of keys that are searched one by one.
const MAX_LINEAR: usize = 16;

impl Mapping {
    /// Position of the key `text`, if it is there.
    pub(crate) fn find(&self, text: &str) -> Option<Position> {
        if self.list.len() > MAX_LINEAR {
            return self.index.get(text).copied();
        }
        self.list.iter().find(|(key, _)| key.text == text).map(|(key, _)| key.position)
    }

    /// Adds a key that is not there yet.
    pub(crate) fn push(&mut self, key: Key, node: Rc<Node>) {
        self.list.push((key, node));
        if self.list.len() > MAX_LINEAR {
            let missing = self.list.iter().skip(self.index.len());
            self.index.extend(missing.map(|(key, _)| (key.text.clone(), key.position)));
        }
    }

    /// The entries in the order of the document.
    pub(crate) fn into_list(self) -> Vec<(Key, Rc<Node>)> {
        self.list
    }
}
