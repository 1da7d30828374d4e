//! Reads the sources of the workspace for tests that enforce rules no compiler checks: layers,
//! circular imports, banned names.
//!
//! [`Crate`] parses all modules of a crate and resolves every path that they write to the file that
//! defines the item. The rules themselves are in the tests of this crate, which
//! `cargo test -p source-checks` runs without building the exporter.

#![forbid(unsafe_code)]
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "only tests use it, and they fail by panicking"
)]

mod circles;
mod krate;
mod language;
mod module;
mod rules;
mod tokens;

pub use circles::{Edges, circles};
pub use krate::{Crate, Target, Use};
pub use language::{OPENING_WORDS, PREFIXES, Wording, wordings};
pub use module::Path;
pub use rules::{
    against_layers, foreign_uses, has_empty_name, siblings_that_meet, sockets_elsewhere,
};
pub use tokens::mentions_unsafe;

use std::{
    fs,
    path::{Path as FilePath, PathBuf},
};

/// Returns all Rust files below `folder`, sorted.
///
/// # Panics
///
/// If a folder cannot be read.
#[must_use]
pub fn rust_files(folder: &FilePath) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
