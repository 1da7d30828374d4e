//! Errors and warnings about the values of a section, with the path to the value.

pub use strict_yaml::{KeyPath, RuleError, Segment, Warning};
