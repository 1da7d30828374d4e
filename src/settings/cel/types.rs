//! The static types of expressions.

use std::fmt;

use self::Simple::{Bool, Duration, Dyn, Int, Null, String, Timestamp, Uint, Unbound};

/// The static type of an expression, as far as it is known without a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Simple(Simple),
    List(Box<Self>),
    Map(Box<Self>, Box<Self>),
}

/// A type without parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Simple {
    /// Any type; it is known at evaluation only.
    Dyn,
    /// The element type of an empty list or map.
    Unbound,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    Type,
}

impl Type {
    pub(super) const DYN: Self = Self::Simple(Dyn);
    pub(super) const UNBOUND: Self = Self::Simple(Unbound);

    /// Returns true if a value of this type can be used as one of type `other`.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Simple(Dyn | Unbound), _)
            | (_, Self::Simple(Dyn | Unbound))
            | (Self::Simple(Null), Self::Simple(Duration | Timestamp))
            | (Self::Simple(Duration | Timestamp), Self::Simple(Null)) => true,
            (Self::List(a), Self::List(b)) => a.fits(b),
            (Self::Map(ka, va), Self::Map(kb, vb)) => ka.fits(kb) && va.fits(vb),
            (a, b) => a == b,
        }
    }

    /// Returns the common type of two types.
    pub(super) fn or(self, other: Self) -> Self {
        use Simple::Unbound;
        match (self, other) {
            (Self::Simple(Unbound), known) | (known, Self::Simple(Unbound)) => known,
            (Self::List(a), Self::List(b)) if a.fits(&b) => Self::List(Box::new(a.or(*b))),
            (Self::Map(key_a, a), Self::Map(key_b, b)) if key_a.fits(&key_b) && a.fits(&b) => {
                Self::Map(Box::new(key_a.or(*key_b)), Box::new(a.or(*b)))
            }
            (a, b) if a == b => a,
            _ => Self::DYN,
        }
    }

    /// Returns true if keys of maps can have this type.
    pub(super) fn is_key(&self) -> bool {
        matches!(self, Self::Simple(Bool | Dyn | Int | String | Uint | Unbound))
    }
}

impl From<Simple> for Type {
    fn from(simple: Simple) -> Self {
        Self::Simple(simple)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(simple) => simple.fmt(formatter),
            Self::List(element) => write!(formatter, "list({element})"),
            Self::Map(key, value) => write!(formatter, "map({key}, {value})"),
        }
    }
}

impl fmt::Display for Simple {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dyn | Self::Unbound => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Type => "type",
        })
    }
}

/// Returns true if `name` is a type in expressions like `type(body) == map`.
pub(super) fn is_type_name(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "int"
            | "uint"
            | "double"
            | "string"
            | "bytes"
            | "list"
            | "map"
            | "null_type"
            | "type"
            | "google.protobuf.Duration"
            | "google.protobuf.Timestamp"
    )
}
