//! The path from the root of a document to a node, and errors with their node.

use std::fmt;

use serde::de;

use crate::{
    diagnostic::{Location, Position, Step},
    node::Key,
    rule::{self, Scope, Segment},
};

/// The path to a node: a list that is linked from its last step to the root.
#[derive(Debug, Clone, Copy)]
pub enum Path<'p> {
    /// The root of the document.
    Root,
    /// The value of a key of the mapping at a path.
    Key(&'p Self, &'p Key),
    /// An item of the sequence at a path, and its position.
    Index(&'p Self, usize, Position),
}

impl Path<'_> {
    /// The keys of the path, without indexes.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        let mut path = self;
        loop {
            path = match path {
                Self::Root => break,
                Self::Index(before, ..) => before,
                Self::Key(before, key) => {
                    keys.push(key.text.as_str());
                    before
                }
            };
        }
        keys.reverse();
        keys
    }

    /// The location of `position`, which belongs to the value at this path.
    #[must_use]
    pub fn location(&self, position: Position) -> Location {
        let mut steps = Vec::new();
        let mut path = self;
        loop {
            path = match path {
                Self::Root => break,
                Self::Index(before, index, position) => {
                    steps.push(Step { segment: Segment::Index(*index), position: *position });
                    before
                }
                Self::Key(before, key) => {
                    let segment = Segment::Key(key.text.clone());
                    steps.push(Step { segment, position: key.position });
                    before
                }
            };
        }
        steps.reverse();
        Location { position, path: steps }
    }
}

/// The reason why a node cannot be decoded.
#[derive(Debug)]
pub(crate) struct DecodeError {
    pub(crate) message: String,
    /// The values that it is about, if a rule made it.
    pub(crate) scope: Option<Scope>,
    /// The node. An error gets it on its way out of the node that made it.
    pub(crate) at: Option<Box<ErrorSite>>,
}

/// The node of an error.
#[derive(Debug)]
pub(crate) struct ErrorSite {
    pub(crate) location: Location,
    pub(crate) node: usize,
    /// True if the value is secret, so that the message must not quote it.
    pub(crate) is_secret: bool,
    /// True if the error only follows from another one and is not reported.
    pub(crate) is_consequence: bool,
    /// True if decoding cannot continue.
    pub(crate) is_final: bool,
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
        Self { message, scope, at: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) => "an integer",
            de::Unexpected::Float(_) => "a number",
            de::Unexpected::Seq => "a sequence",
            de::Unexpected::Map => "a mapping",
            de::Unexpected::Unit | de::Unexpected::Option => "null",
            _ => "a string",
        };
        Self::custom(format_args!("expected {expected}, found {found}"))
    }
}
