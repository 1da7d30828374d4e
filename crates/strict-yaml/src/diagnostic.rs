//! Errors and warnings about documents, with their positions.

use std::fmt;

use crate::rule::{KeyPath, Segment};

/// Index of a document in the set that is decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// Position in a document. Lines and columns count from 1; a column is one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The document.
    pub file: FileId,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The first character of a document.
    #[must_use]
    pub const fn start_of(file: FileId) -> Self {
        Self { file, line: 1, column: 1 }
    }
}

/// One step of the path to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The key or the index.
    pub segment: Segment,
    /// Position of the key or of the item.
    pub position: Position,
}

/// Position of a value, and the path that leads to it from the root of the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The position to show: that of the value, or that of its key for mappings, sequences and
    /// missing values.
    pub position: Position,
    /// The path; empty for the root and for text that is not YAML.
    pub path: Vec<Step>,
}

impl Location {
    /// The path without the positions of its steps.
    #[must_use]
    pub fn key_path(&self) -> KeyPath {
        self.path.iter().map(|step| step.segment.clone()).collect()
    }
}

impl From<Position> for Location {
    /// The location of a position outside of all values.
    fn from(position: Position) -> Self {
        Self { position, path: Vec::new() }
    }
}

/// An error or a warning about one value of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The value.
    pub location: Location,
    /// The problem, and a hint if there is one.
    pub message: String,
}

impl Diagnostic {
    pub(crate) fn new(location: impl Into<Location>, message: impl Into<String>) -> Self {
        Self { location: location.into(), message: message.into() }
    }
}

impl fmt::Display for Diagnostic {
    /// One line without the name of the file: `line:column: path: message`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column, .. } = self.location.position;
        let path = self.location.key_path();
        let colon = if path.is_empty() { "" } else { ": " };
        write!(formatter, "{line}:{column}: {path}{colon}{}", self.message.replace('\n', " "))
    }
}

/// All errors of a set of documents, sorted by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// Names of the documents; a [`FileId`] is an index into it.
    pub files: Vec<String>,
    /// The errors; there is at least one.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Errors {
    /// One line for each error, as compilers print them: `file:line:column: path: message`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            let newline = if index > 0 { "\n" } else { "" };
            let FileId(file) = diagnostic.location.position.file;
            let file = self.files.get(file).map_or("", String::as_str);
            write!(formatter, "{newline}{file}:{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
