//! What is wrong with a configuration file, and where.

use std::fmt;

/// A place in a file; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What is wrong, or surprising, at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it is.
    pub mark: Mark,
    /// The keys that lead there, such as `modules.web.http.valid_status_codes[1]`; empty when the
    /// file is no YAML.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Fault {
    pub fn new(mark: Mark, message: impl Into<String>) -> Self {
        Self { mark, path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    /// One line, without the name of the file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mark: Mark { line, column }, path, message } = self;
        let colon = if path.is_empty() { "" } else { ": " };
        write!(formatter, "{line}:{column}: {path}{colon}{}", message.replace('\n', " "))
    }
}

/// All errors of a file, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// The errors; there is at least one.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigError {
    /// One line for each error, as compilers write them, so that editors find the places.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            let newline = if index > 0 { "\n" } else { "" };
            write!(formatter, "{newline}{}:{fault}", self.file)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
