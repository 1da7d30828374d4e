//! The exit code of commands.

use std::process::ExitCode;

/// The result of a command, in increasing severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExitStatus {
    /// All probes or checks succeeded.
    Success,
    /// A probe failed or a file has errors.
    Failure,
    /// No probe was run or a file could not be read.
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
