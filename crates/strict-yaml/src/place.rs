//! The way from the root of a document to a node, and errors that know it.

use std::{borrow::Cow, fmt};

use serde::de;

use crate::{
    diagnostic::Mark,
    rule::{self, Scope},
};

/// The way to a node: each step knows the one before.
#[derive(Debug, Clone, Copy)]
pub enum Path<'p> {
    Root,
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl Path<'_> {
    /// The keys that lead to the node, without places in lists.
    pub(super) fn keys(&self) -> Vec<&str> {
        match self {
            Self::Root => Vec::new(),
            Self::Index(before, _) => before.keys(),
            Self::Key(before, key) => {
                let mut keys = before.keys();
                keys.push(key);
                keys
            }
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => formatter.write_str(&key_in_path(key)),
            Self::Key(before, key) => write!(formatter, "{before}.{}", key_in_path(key)),
            Self::Index(before, index) => write!(formatter, "{before}[{index}]"),
        }
    }
}

/// A key as it stands in a path: in quotes if it would blur it.
pub(super) fn key_in_path(key: &str) -> Cow<'_, str> {
    let simple = |c: char| c.is_alphanumeric() || "_-/".contains(c);
    if !key.is_empty() && key.chars().all(simple) {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(format!("{key:?}"))
    }
}

/// Why a node could not be decoded.
#[derive(Debug)]
pub(super) struct DecodeError {
    pub(super) message: String,
    /// The values that it is about, if it is the error of a rule.
    pub(super) scope: Option<Scope>,
    /// Where; an error gets its place on its way out of the node.
    pub(super) place: Option<Box<Place>>,
}

/// Where an error is, and what to leave out in order to find the next one.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) mark: Mark,
    pub(super) path: String,
    /// The node that is left out.
    pub(super) node: usize,
    /// Whether the error only comes from what was left out before, and must not be told.
    pub(super) from_hole: bool,
    /// Whether going on makes no sense.
    pub(super) is_final: bool,
    /// Whether the value is secret, so that no message may quote it.
    pub(super) is_secret: bool,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let (message, scope) = rule::received(&message);
        Self { message, scope, place: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, wanted: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Bool(_) => "true or false",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => {
                "a number"
            }
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a section",
            de::Unexpected::Unit | de::Unexpected::Option => "nothing",
            _ => "a text",
        };
        Self::custom(format_args!("expected {wanted}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_people_write_them() {
        let modules = Path::Key(&Path::Root, "modules");
        let module = Path::Key(&modules, "web 2.0");
        let rules = Path::Key(&module, "rules");
        assert_eq!(Path::Index(&rules, 1).to_string(), "modules.\"web 2.0\".rules[1]");
        assert_eq!(Path::Root.to_string(), "");
    }
}
