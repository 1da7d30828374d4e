//! Decodes YAML documents into serde types, strictly, and reports all errors at once.
//!
//! - Every error has its position and the path of keys that leads to it; nothing has to be parsed
//!   from a message.
//! - All errors of a set of documents are found at once, also several in one section, and those that
//!   only follow from another one are not reported.
//! - Unknown and duplicate keys are errors. An unknown key gets a suggestion if one is near enough.
//! - Scalars mean what they mean to Go's yaml.v3, a mixture of YAML 1.1 and 1.2.
//! - A document cannot expand without bound, and messages do not quote values that are secret.
//!
//! ```
//! use serde::Deserialize;
//! use strict_yaml::{Document, RootSection, RuleError};
//!
//! #[derive(Debug, Deserialize)]
//! #[serde(try_from = "RawRange")]
//! struct Range {
//!     low: i64,
//!     high: i64,
//! }
//!
//! #[derive(Default, Deserialize)]
//! #[serde(default, deny_unknown_fields)]
//! struct RawRange {
//!     low: i64,
//!     high: i64,
//! }
//!
//! impl TryFrom<RawRange> for Range {
//!     type Error = RuleError;
//!
//!     fn try_from(RawRange { low, high }: RawRange) -> Result<Self, RuleError> {
//!         if low > high {
//!             return Err(RuleError::at("low", "low must not exceed high").involving(["high"]));
//!         }
//!         Ok(Self { low, high })
//!     }
//! }
//!
//! impl RootSection for Range {
//!     const NAME: &'static str = "the range";
//! }
//!
//! let text = b"ranges:\n  a: {low: 5, high: 1}\n  b: {low: 1, higth: x}\n  c: {low: 5, high: x}\n";
//! let document = Document { name: "ranges.yml", text };
//! let errors = strict_yaml::decode_sections::<Range>(&[document], "ranges").unwrap_err();
//! assert_eq!(
//!     errors.to_string(),
//!     "ranges.yml:2:12: ranges.a.low: low must not exceed high\n\
//!      ranges.yml:3:15: ranges.b.higth: unknown key 'higth'; did you mean 'high'?\n\
//!      ranges.yml:4:21: ranges.c.high: expected an integer, found a string"
//! );
//! assert_eq!(errors.diagnostics[0].location.key_path().to_string(), "ranges.a.low");
//!
//! let document = Document { name: "ranges.yml", text: b"ranges: {a: {low: 0x10, high: 1e3}}" };
//! let ranges = strict_yaml::decode_sections::<Range>(&[document], "ranges").unwrap();
//! assert_eq!((ranges.by_name["a"].low, ranges.by_name["a"].high), (16, 1000));
//! ```
//!
//! [`to_yaml`] prints values so that they read back as the same values:
//!
//! ```
//! use serde::Serialize;
//! use strict_yaml::{Value, to_yaml};
//!
//! #[derive(Default, Serialize)]
//! struct Settings {
//!     method: String,
//!     retries: u32,
//! }
//!
//! let settings = Settings { method: "yes".to_owned(), ..Settings::default() };
//! let changed = Value::of(&settings).without(&Value::of(&Settings::default()));
//! assert_eq!(to_yaml(&changed, 2), "method: \"yes\"\n");
//! ```

mod decoder;
mod deserializer;
mod diagnostic;
mod entries;
mod locate;
mod long_form;
mod mapping;
mod node;
mod path;
mod root_keys;
mod rule;
mod scalar;
mod schema;
mod spelling;
mod suggest;
mod syntax_hint;
pub mod tree;
mod value;
mod writer;

use std::collections::{BTreeMap, btree_map};

use serde::de::DeserializeOwned;

pub use self::{
    diagnostic::{Diagnostic, Errors, FileId, Location, Position, Step},
    long_form::LONG_FORM,
    root_keys::NoKeys,
    rule::{KeyPath, RuleError, Segment, Warning},
    suggest::Replacement,
    value::Value,
    writer::to_yaml,
};
use crate::{
    decoder::{Decoder, NodeDeserializer},
    path::Path,
    schema::Schema,
    suggest::Keys,
    tree::Options,
};

/// A document and the name of its file.
#[derive(Debug, Clone, Copy)]
pub struct Document<'d> {
    /// The name of the file in messages.
    pub name: &'d str,
    /// The content of the file.
    pub text: &'d [u8],
}

/// A type that sections of a document are decoded into.
pub trait RootSection: DeserializeOwned {
    /// The name of the section in messages, such as "the module".
    const NAME: &'static str;

    /// The key that declares the values of a mapping secret if it is true: messages do not quote
    /// them.
    const SECRET_KEY: Option<&'static str> = None;

    /// Warnings about the decoded section.
    fn warnings(&self) -> Vec<Warning> {
        Vec::new()
    }

    /// The replacement of a key that the section at `path` below this one does not have.
    #[must_use]
    fn replacement(path: &[&str], key: &str) -> Option<Replacement> {
        let _ = (path, key);
        None
    }
}

/// Decoded sections by name, the other keys, and the warnings about the sections.
#[derive(Debug)]
pub struct Sections<T, R = NoKeys> {
    /// The other keys of the first document.
    pub root: R,
    /// The sections.
    pub by_name: BTreeMap<String, T>,
    /// The warnings, sorted by position.
    pub warnings: Vec<Diagnostic>,
}

/// Decodes the sections of all documents. Each document has one key, `key`, with the sections by
/// name.
///
/// Returns all errors if there are any, sorted by position.
pub fn decode_sections<T: RootSection>(
    documents: &[Document<'_>],
    key: &'static str,
) -> Result<Sections<T>, Errors> {
    decode_sections_and_root(documents, key)
}

/// Decodes like [`decode_sections`], and the other keys of the first document as `R`, whose keys may
/// all be absent.
///
/// Returns all errors if there are any, sorted by position.
pub fn decode_sections_and_root<T: RootSection, R: DeserializeOwned + Default>(
    documents: &[Document<'_>],
    key: &'static str,
) -> Result<Sections<T, R>, Errors> {
    let decoder = Decoder::new(2, keys::<T>);
    let mut warnings = Vec::new();
    let mut by_name: BTreeMap<String, (FileId, T)> = BTreeMap::new();
    let mut root_keys = R::default();
    let mut last_id = 0;
    for (index, document) in documents.iter().enumerate() {
        let file = FileId(index);
        let options = Options { file, last_id, secret_key: T::SECRET_KEY };
        let Some(tree) = decoder.parse(options, document.text) else { continue };
        last_id = tree.last_id;
        let Some(root) = &tree.root else {
            decoder.report_empty(Position::start_of(file), key);
            continue;
        };
        let root = NodeDeserializer::root(&decoder, root);
        if index == 0 {
            root_keys = root_keys::decode(root, key).unwrap_or_default();
        } else {
            root_keys::decode::<NoKeys>(root, key);
        }
        for_each_section(root, key, &mut |name, at| {
            let entry = by_name.entry(name.to_owned());
            if let btree_map::Entry::Occupied(first) = &entry {
                let FileId(first) = first.get().0;
                let first = documents.get(first).map_or("", |document| document.name);
                return decoder.report_duplicate(at, name, first);
            }
            if let Some(section) = at.decode::<T>() {
                let found = section.warnings().into_iter();
                warnings.extend(found.map(|warning| decoder.locate_warning(warning, at)));
                entry.or_insert((file, section));
            }
        });
    }
    let diagnostics = decoder.into_errors();
    if !diagnostics.is_empty() {
        return Err(errors(documents, diagnostics));
    }
    warnings.sort();
    let by_name = by_name.into_iter().map(|(name, (_, section))| (name, section)).collect();
    Ok(Sections { root: root_keys, by_name, warnings })
}

/// Decodes a whole document, which may be empty, and passes it to `finish`, whose error is reported
/// at the value that its path leads to. Returns the result and the warnings about the document.
///
/// Returns all errors if there are any, sorted by position.
pub fn decode_document<T: RootSection + Default, U>(
    document: Document<'_>,
    finish: impl FnOnce(T) -> Result<U, RuleError>,
) -> Result<(U, Vec<Diagnostic>), Errors> {
    let decoder = Decoder::new(0, keys::<T>);
    let mut warnings = Vec::new();
    let options = Options { secret_key: T::SECRET_KEY, ..Options::default() };
    let tree = decoder.parse(options, document.text);
    let value = tree.and_then(|tree| match &tree.root {
        None => match finish(T::default()) {
            Ok(value) => Some(value),
            Err(error) => {
                let start = Position::start_of(options.file);
                decoder.report(Diagnostic::new(start, error.to_string()));
                None
            }
        },
        Some(root) => {
            let at = NodeDeserializer::root(&decoder, root);
            let value: T = at.decode()?;
            let found = value.warnings().into_iter();
            warnings.extend(found.map(|warning| decoder.locate_warning(warning, at)));
            let finished = finish(value).map_err(serde::de::Error::custom);
            decoder.attempt(|| finished.map_err(|error| decoder.locate(error, at)))
        }
    });
    let diagnostics = decoder.into_errors();
    warnings.sort();
    value
        .filter(|_| diagnostics.is_empty())
        .map(|value| (value, warnings))
        .ok_or_else(|| errors(&[document], diagnostics))
}

fn keys<T: RootSection>() -> Keys {
    Keys { schema: Schema::of::<T>(), root: T::NAME, replacement: T::replacement }
}

fn errors(documents: &[Document<'_>], diagnostics: Vec<Diagnostic>) -> Errors {
    let files = documents.iter().map(|document| document.name.to_owned()).collect();
    Errors { files, diagnostics }
}

/// Passes the name and the deserializer of each section below the key `key` of a document to
/// `visit`.
fn for_each_section(
    root: NodeDeserializer<'_>,
    key: &'static str,
    visit: &mut dyn FnMut(&str, NodeDeserializer<'_>),
) {
    let decoder = root.decoder;
    let Some(entries) = decoder.attempt(|| root_keys::mapping(root, key)) else { return };
    for entry in entries.into_iter().filter(|entry| entry.key.text == key) {
        let path = Path::Key(root.path, entry.key);
        let sections = root.value(entry, &path);
        let Some(entries) = decoder.attempt(|| {
            sections.mapping("a mapping of names (a line 'name:' for each, without dashes)")
        }) else {
            continue;
        };
        for entry in entries {
            let path = Path::Key(sections.path, entry.key);
            visit(&entry.key.text, sections.value(entry, &path));
        }
    }
}

#[cfg(test)]
mod tests;
