//! The exit code of commands.

use std::process::ExitCode;

use crate::diagnostics::Verdict;

/// The result of a command, in increasing severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExitStatus {
    /// All probes or checks succeeded.
    Success,
    /// A probe failed or a file has errors.
    Failure,
    /// No probe was run, the probe was refused, or a file could not be read.
    Unusable,
}

impl ExitStatus {
    /// Returns the result of a command that runs one probe.
    pub(super) const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Success,
            Verdict::Failed(_) => Self::Failure,
            Verdict::Refused(_) => Self::Unusable,
        }
    }
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
