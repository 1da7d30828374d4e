//! How a command for people ended, and its exit code.

use std::process::ExitCode;

/// How a command ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// All is well.
    Good,
    /// What was looked at is not: a probe failed, a file has errors.
    Bad,
    /// There was nothing to look at.
    Unusable,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Good => 0,
            Outcome::Bad => 1,
            Outcome::Unusable => 2,
        })
    }
}
