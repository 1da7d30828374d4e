//! A rule across keys that a section breaks.

use thiserror::Error;

/// Says which key breaks a rule and what would be right.
///
/// The message begins with the key when there is one to look at: the decoder of the configuration
/// file takes it off again and reports the place of that key instead. A key below the section is
/// written as a path, such as `labels[1].name`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RuleError(String);

impl RuleError {
    /// The section as a whole breaks a rule, such as a key that is missing.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The value at `key` breaks a rule.
    #[must_use]
    pub fn at(key: &str, message: impl AsRef<str>) -> Self {
        Self(format!("{key}: {}", message.as_ref()))
    }

    /// The same error, seen from the section that holds this one under `key`.
    #[must_use]
    pub fn inside(self, key: &str) -> Self {
        Self(format!("{key}.{}", self.0))
    }
}
