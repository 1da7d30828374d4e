//! Errors of a section whose values are valid one by one, but not together.

use std::fmt;

use thiserror::Error;

/// A rule across keys that a section breaks: the key to look at, and what would be right.
///
/// [`Display`](fmt::Display) writes the path before the message. Nothing parses that text: a
/// decoder that knows the position of each key reads [`path`](Self::path) and
/// [`message`](Self::message).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}{}{message}", if path.is_empty() { "" } else { ": " })]
pub struct RuleError {
    /// The path from the section to the value; empty for the section as a whole, such as when a key
    /// is missing.
    pub path: KeyPath,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// The path from a section to a value in it, such as `labels[1].name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The value of a key of a section or a map.
    Key(String),
    /// The item of a list, counted from 0.
    Index(usize),
}

impl RuleError {
    /// An error of the section as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: KeyPath::default(), message: message.into() }
    }

    /// An error of the value at `path`.
    pub fn at(path: impl Into<KeyPath>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same error as seen from the section that holds this one at `path`.
    #[must_use]
    pub fn inside(self, path: impl Into<KeyPath>) -> Self {
        Self { path: path.into().join(self.path), message: self.message }
    }
}

impl KeyPath {
    /// The path to the value of `key` in the section at this path.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Segment::Key(key.into()));
        self
    }

    /// The path to an item of the list at this path.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// This path, followed by `rest`.
    #[must_use]
    pub fn join(mut self, rest: Self) -> Self {
        self.0.extend(rest.0);
        self
    }

    /// Returns whether the path leads nowhere: to the section itself.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The steps, the first one from the section.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl From<&str> for KeyPath {
    /// The path to the value of one key.
    fn from(key: &str) -> Self {
        Self::default().key(key)
    }
}

impl<const N: usize> From<[&str; N]> for KeyPath {
    /// The path through sections, one key each.
    fn from(keys: [&str; N]) -> Self {
        keys.into_iter().fold(Self::default(), Self::key)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => formatter.write_str(key)?,
                Segment::Key(key) => write!(formatter, ".{key}")?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_comes_before_the_message() {
        let error = RuleError::at(KeyPath::from("labels").index(1).key("name"), "is empty");
        assert_eq!(error.to_string(), "labels[1].name: is empty");
        assert_eq!(error.inside(["tcp", "step"]).to_string(), "tcp.step.labels[1].name: is empty");
        assert_eq!(RuleError::new("is empty").to_string(), "is empty");
        assert_eq!(RuleError::new("is empty").inside("a").to_string(), "a: is empty");
    }
}
