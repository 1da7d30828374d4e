//! YAML as Go's yaml.v3 reads it, with every error of a file at once and in its place.
//!
//! A document becomes a tree ([`tree`]), the tree is decoded by serde ([`decode`]) as often as it
//! takes to find all errors ([`session`]), and values are printed so that they read back
//! ([`mod@write`]).

mod decode;
mod diagnostic;
mod locate;
mod long_form;
mod mapping;
mod place;
mod rule;
mod scalar;
mod schema;
mod session;
mod suggest;
pub mod tree;
mod value;
mod write;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

pub use self::{
    diagnostic::{ConfigError, Fault, Mark},
    long_form::LONG_FORM,
    place::Path,
    rule::{KeyPath, RuleError, Segment, Warning},
    suggest::Former,
    value::Value,
    write::to_yaml,
};
use crate::{
    decode::NodeDeserializer, place::DecodeError, schema::Schema, session::Session, suggest::Keys,
};

/// What may be surprising though it can be worked with.
pub trait Surprising {
    /// What is surprising about it.
    fn warnings(&self) -> Vec<Warning>;

    /// What became of a key in the section at `path` that is none: it may have been one.
    fn former(path: &[&str], key: &str) -> Option<Former> {
        let _ = (path, key);
        None
    }
}

/// The sections of a file by name, and what is surprising about them.
#[derive(Debug)]
pub struct Sections<T> {
    /// The sections.
    pub by_name: BTreeMap<String, T>,
    /// In the order of the places.
    pub warnings: Vec<Fault>,
}

/// Decodes the sections below the one `key` that a file has, which may be missing.
///
/// Without a result, all errors that were found, in the order of their places.
pub fn decode_sections<T: DeserializeOwned + Surprising>(
    text: &[u8],
    key: &'static str,
) -> Result<Sections<T>, Vec<Fault>> {
    let text = check_text(text).map_err(|fault| vec![fault])?;
    let (root, faults) = tree::parse(text).map_err(|fault| vec![fault])?;
    let keys = || Keys { schema: Schema::of::<T>(), root: "the module", history: T::former };
    let session = Session::new(faults, 2, keys);
    let (mut by_name, mut warnings) = (BTreeMap::new(), Vec::new());
    match &root {
        None => {
            let message = format!("the file is empty (EOF): it needs at least '{key}:'");
            session.report(Mark { line: 1, column: 1 }, &Path::Root, message);
        }
        Some(root) => {
            let at = NodeDeserializer::root(&session, root);
            decode_root(at, key, &mut |name, section: T, at| {
                let found = section.warnings().into_iter();
                warnings.extend(found.map(|warning| session.place_warning(warning, at)));
                by_name.insert(name, section);
            });
        }
    }
    let faults = session.into_faults();
    warnings.sort();
    if faults.is_empty() { Ok(Sections { by_name, warnings }) } else { Err(faults) }
}

/// Decodes a whole document, which may be empty, and has `finish` make something of it; the error
/// of that is told at the place that it names. Beside it, what is surprising about the document.
///
/// Without a result, all errors that were found, in the order of their places.
pub fn decode_document<T: DeserializeOwned + Default + Surprising, U>(
    text: &[u8],
    finish: impl FnOnce(T) -> Result<U, RuleError>,
) -> Result<(U, Vec<Fault>), Vec<Fault>> {
    let text = check_text(text).map_err(|fault| vec![fault])?;
    let (root, faults) = tree::parse(text).map_err(|fault| vec![fault])?;
    let keys = || Keys { schema: Schema::of::<T>(), root: "the file", history: T::former };
    let session = Session::new(faults, 0, keys);
    let Some(root) = root else {
        let start = Mark { line: 1, column: 1 };
        let finished = finish(T::default()).map(|value| (value, Vec::new()));
        return finished.map_err(|error| vec![Fault::new(start, error.to_string())]);
    };
    let at = NodeDeserializer::root(&session, &root);
    let mut warnings = Vec::new();
    let value = session.decode(at).and_then(|value: T| {
        let found = value.warnings().into_iter();
        warnings.extend(found.map(|warning| session.place_warning(warning, at)));
        let finished = finish(value).map_err(<DecodeError as serde::de::Error>::custom);
        session.attempt(|| finished.map_err(|error| session.place(error, at)))
    });
    let faults = session.into_faults();
    warnings.sort();
    value.filter(|_| faults.is_empty()).map(|value| (value, warnings)).ok_or(faults)
}

/// Decodes the root: nothing, or a section with the one key. Each section below it is given to
/// `keep` with its name and its place.
fn decode_root<T: DeserializeOwned>(
    root: NodeDeserializer<'_>,
    key: &'static str,
    keep: &mut impl FnMut(String, T, NodeDeserializer<'_>),
) {
    let session = root.session;
    let Some(mut entries) = session.attempt(|| root.section(&format!("'{key}:' at the left edge")))
    else {
        return;
    };
    session.take_unknown(root.path, &mut entries, &[key]);
    for entry in entries {
        let path = Path::Key(root.path, &entry.key.text);
        let list = root.value(entry, &path);
        let Some(entries) = session.attempt(|| list.section("a section with names as its keys"))
        else {
            continue;
        };
        for entry in entries {
            let path = Path::Key(list.path, &entry.key.text);
            let at = list.value(entry, &path);
            if let Some(section) = session.decode(at) {
                keep(entry.key.text.clone(), section, at);
            }
        }
    }
}

/// The text of a file, if it is one.
pub fn check_text(text: &[u8]) -> Result<&str, Fault> {
    const BYTE_ORDER_MARK: char = '\u{feff}';

    let text = str::from_utf8(text).map_err(|error| {
        let before = text.get(..error.valid_up_to()).unwrap_or_default();
        Fault::new(end_of(&String::from_utf8_lossy(before)), "this is not UTF-8")
    })?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    match text.find(is_control) {
        Some(position) => {
            let (before, _) = text.split_at(position);
            Err(Fault::new(end_of(before), "control characters are not allowed"))
        }
        None => Ok(text),
    }
}

/// The place behind `text`.
fn end_of(text: &str) -> Mark {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Mark { line, column }
}

#[cfg(test)]
mod tests;
