//! The keys of a mapping, and those that are there already while it is read.

use std::{collections::BTreeMap, rc::Rc};

use crate::{diagnostic::Mark, scalar::Scalar, tree::Node};

/// A key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// Unlike that of any node in the document.
    pub id: usize,
    /// Where it begins.
    pub mark: Mark,
    /// Its text.
    pub text: String,
    /// Whether it is `<<`, which brings in the keys of other mappings.
    pub is_merge: bool,
}

impl Key {
    /// The key that `scalar` is.
    pub fn of(id: usize, mark: Mark, scalar: Scalar) -> Self {
        let Scalar { text, plain, tag } = scalar;
        let is_merge = text == "<<" && (plain || tag.as_deref() == Some("merge"));
        Self { id, mark, text, is_merge }
    }
}

/// The keys and values of a mapping so far, with an index once they are many.
#[derive(Default)]
pub struct Mapping {
    list: Vec<(Key, Rc<Node>)>,
    index: BTreeMap<String, Mark>,
}

/// As many keys are searched one by one.
const FEW: usize = 16;

impl Mapping {
    /// Where the key `text` is already.
    pub fn find(&self, text: &str) -> Option<Mark> {
        if self.list.len() > FEW {
            return self.index.get(text).copied();
        }
        self.list.iter().find(|(key, _)| key.text == text).map(|(key, _)| key.mark)
    }

    /// Adds a key that is not there yet.
    pub fn push(&mut self, key: Key, node: Rc<Node>) {
        self.list.push((key, node));
        if self.list.len() > FEW {
            let missing = self.list.iter().skip(self.index.len());
            self.index.extend(missing.map(|(key, _)| (key.text.clone(), key.mark)));
        }
    }

    /// All of it, in the order of the file.
    pub fn into_list(self) -> Vec<(Key, Rc<Node>)> {
        self.list
    }
}
