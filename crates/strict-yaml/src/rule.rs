//! Errors and warnings about the values of a section, with the path to the value.

use std::{borrow::Cow, cell::RefCell, fmt};

/// An error about a section that a rule across its values does not accept.
///
/// Types return it from `TryFrom` with `#[serde(try_from = "…")]`. The decoder reports it at the
/// value that its path leads to. It is not reported if it only follows from another error: if one of
/// the values that it involves has an error of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    path: KeyPath,
    involved: Option<Vec<KeyPath>>,
    message: String,
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
    /// An error of the section as a whole. It involves all keys of the section unless
    /// [`Self::involving`] lists some.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: KeyPath::default(), involved: None, message: message.into() }
    }

    /// An error of the value at `path`. It involves no other value unless [`Self::involving`] lists
    /// some.
    pub fn at(path: impl Into<KeyPath>, message: impl Into<String>) -> Self {
        Self { path: path.into(), involved: Some(Vec::new()), message: message.into() }
    }

    /// Adds values without which the rule would not be broken, such as a key that is required.
    #[must_use]
    pub fn involving<P: Into<KeyPath>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.involved.get_or_insert_default().extend(paths.into_iter().map(Into::into));
        self
    }

    /// The same error as seen from the section that holds this one at `path`.
    #[must_use]
    pub fn inside(self, path: impl Into<KeyPath>) -> Self {
        let outer = path.into();
        let inside = |inner: KeyPath| outer.clone().join(inner);
        let involved = self.involved.map(|paths| paths.into_iter().map(inside).collect());
        Self { path: inside(self.path), involved, message: self.message }
    }
}

impl fmt::Display for RuleError {
    /// The path and the message; to a decoder that asks by `received`, the message alone.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_received = RECEIVED.with_borrow_mut(|received| match received {
            Some(scopes) => {
                scopes.push(Scope { path: self.path.clone(), involved: self.involved.clone() });
                true
            }
            None => false,
        });
        if !is_received && !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for RuleError {}

/// The values that a rule is about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The path of the value to report.
    pub(crate) path: KeyPath,
    /// The values that the rule depends on; without them, all values of the section at `path`.
    pub(crate) involved: Option<Vec<KeyPath>>,
}

thread_local! {
    /// While a decoder formats an error: the scopes of the rule errors that are formatted.
    static RECEIVED: RefCell<Option<Vec<Scope>>> = const { RefCell::new(None) };
}

/// The text of an error that serde passes on as `Display`, and its scope if it is a [`RuleError`].
///
/// serde erases the types of custom errors, so the typed path travels beside the text.
pub(crate) fn received(error: &dyn fmt::Display) -> (String, Option<Scope>) {
    RECEIVED.set(Some(Vec::new()));
    let message = error.to_string();
    (message, RECEIVED.take().and_then(|mut scopes| scopes.pop()))
}

/// A warning about a section that can be used, with the path of the value that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The path; empty for the section as a whole.
    pub path: KeyPath,
    /// The suspicious setting and its remedy.
    pub message: String,
}

impl Warning {
    /// A warning about the section as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: KeyPath::default(), message: message.into() }
    }

    /// A warning about the value at `path`.
    pub fn at(path: impl Into<KeyPath>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same warning as seen from the section that holds this one at `path`.
    #[must_use]
    pub fn inside(self, path: impl Into<KeyPath>) -> Self {
        Self { path: path.into().join(self.path), message: self.message }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{}{colon}{}", self.path, self.message)
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

impl From<&String> for KeyPath {
    /// The path to the value of one key.
    fn from(key: &String) -> Self {
        Self::default().key(key)
    }
}

impl From<&[Segment]> for KeyPath {
    fn from(segments: &[Segment]) -> Self {
        Self(segments.to_vec())
    }
}

impl From<(&str, usize)> for KeyPath {
    /// The path to an item of the list that is the value of one key.
    fn from((key, index): (&str, usize)) -> Self {
        Self::from(key).index(index)
    }
}

impl<const N: usize> From<[&str; N]> for KeyPath {
    /// The path through sections, one key each.
    fn from(keys: [&str; N]) -> Self {
        keys.into_iter().fold(Self::default(), Self::key)
    }
}

impl FromIterator<Segment> for KeyPath {
    fn from_iter<S: IntoIterator<Item = Segment>>(segments: S) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl fmt::Display for KeyPath {
    /// Keys with other characters than letters, digits, `_`, `-` and `/` are in quotes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => formatter.write_str(&quoted(key))?,
                Segment::Key(key) => write!(formatter, ".{}", quoted(key))?,
                Segment::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key, in quotes if the path would be ambiguous without them.
fn quoted(key: &str) -> Cow<'_, str> {
    let is_simple = |c: char| c.is_alphanumeric() || "_-/".contains(c);
    if !key.is_empty() && key.chars().all(is_simple) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(format!("{key:?}"))
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

    #[test]
    fn ambiguous_keys_are_in_quotes() {
        let path = KeyPath::from(["modules", "web 2.0", "rules"]).index(1);
        assert_eq!(path.to_string(), "modules.\"web 2.0\".rules[1]");
    }

    #[test]
    fn the_scope_of_a_rule_error_passes_through_display() {
        let error = RuleError::at("low", "too high").involving(["high"]).inside("part");
        let (message, scope) = received(&format_args!("invalid: {error}"));
        assert_eq!(message, "invalid: too high");
        let path = |key| KeyPath::from(["part", key]);
        let expected = Scope { path: path("low"), involved: Some(vec![path("high")]) };
        assert_eq!(scope, Some(expected));
        assert_eq!(received(&"plain"), ("plain".to_owned(), None));
        assert_eq!(error.to_string(), "part.low: too high");
    }
}
