//! How a command for people ended, and its exit code.

use std::process::ExitCode;

/// How a command ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExitStatus {
    /// All is well.
    Success,
    /// What was looked at is not: a probe failed, a file has errors.
    Failure,
    /// There was nothing to look at.
    Unusable,
}

impl From<ExitStatus> for ExitCode {
    fn from(outcome: ExitStatus) -> Self {
        Self::from(match outcome {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Unusable => 2,
        })
    }
}
