//! Where an error or a remark belongs: the node that its words name.

use std::rc::Rc;

use crate::config::{
    error::Fault,
    yaml::{
        Remark,
        decode::NodeDeserializer,
        place::{DecodeError, Path, Place},
        session::Session,
        tree::{Kind, Node},
    },
};

impl Session {
    /// Gives an error its place, if it has none yet: this node, or the node below that the
    /// message names (see `settings::rule::RuleError`).
    pub(super) fn place(&self, mut error: DecodeError, at: NodeDeserializer<'_>) -> DecodeError {
        if error.place.is_some() {
            return error;
        }
        let named = error.message.split_once(": ").and_then(|(path, message)| {
            let place = self.find(at, path, message)?;
            Some((place, message.to_owned()))
        });
        let mut place = match named {
            Some((place, message)) => {
                error.message = message;
                place
            }
            None => place_of(at, false),
        };
        place.from_hole |= self.mentions_hole(&error.message, at);
        error.place = Some(place);
        error
    }

    /// Gives a remark about a node its place: that of the key that it begins with or, if it begins
    /// with none, that of the section that it is about.
    pub(super) fn place_remark(&self, remark: Remark<'_>, at: NodeDeserializer<'_>) -> Fault {
        let Remark { section, message } = remark;
        let word = message.split([' ', ':']).next().unwrap_or_default();
        let keys = [format!("{section}.{word}"), word.to_owned()];
        let place = keys.iter().find_map(|path| self.find(at, path, message));
        let message = match &place {
            Some(_) => message.strip_prefix(&format!("{word}: ")).unwrap_or(message),
            None => message,
        };
        let place = place
            .or_else(|| self.find(at, section, message))
            .unwrap_or_else(|| place_of(at, false));
        Fault { mark: place.mark, path: place.path, message: message.to_owned() }
    }

    /// The place of the node at `path` below `at`, such as `labels[1].name`, for a message.
    fn find(&self, at: NodeDeserializer<'_>, path: &str, message: &str) -> Option<Place> {
        if path.is_empty() {
            return Some(place_of(at, self.mentions_hole(message, at)));
        }
        if let Some((index, rest)) = path.strip_prefix('[').and_then(|p| p.split_once(']')) {
            let Kind::Sequence(items) = &at.node.kind else { return None };
            // Those who made the path counted the items that they were given.
            let given =
                |(_, node): &(usize, &Rc<Node>)| !node.is_null() && !self.is_left_out(node.id);
            let (index, node) = items.iter().enumerate().filter(given).nth(index.parse().ok()?)?;
            let path = Path::Index(at.path, index);
            let item = NodeDeserializer { node, key: None, path: &path, ..at };
            return self.find(item, rest.strip_prefix('.').unwrap_or(rest), message);
        }
        let entries = self.entries(at).ok()?;
        let ends = |rest: &str| rest.is_empty() || rest.starts_with(['.', '[']);
        let (entry, rest) = entries
            .iter()
            .filter_map(|entry| Some((entry, path.strip_prefix(entry.key.text.as_str())?)))
            .filter(|(_, rest)| ends(rest))
            .max_by_key(|(entry, _)| entry.key.text.len())?;
        let path = Path::Key(at.path, &entry.key.text);
        let value = at.value(*entry, &path);
        self.find(value, rest.strip_prefix('.').unwrap_or(rest), message)
    }
}

/// The place of a node. What is wrong with a section or a list as a whole, or with nothing where
/// something must be, is told at its key.
pub(super) fn place_of(at: NodeDeserializer<'_>, from_hole: bool) -> Place {
    let is_single = matches!(at.node.kind, Kind::Scalar(_)) && !at.node.is_null();
    let mark = if is_single { at.node.mark } else { at.key.unwrap_or(at.node.mark) };
    let path = at.path.to_string();
    Place { mark, path, node: at.node.id, from_hole, is_final: false }
}
