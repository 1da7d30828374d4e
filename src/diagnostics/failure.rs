//! Failure of a probe: the stage and the reason, from two closed lists, and a message.

use std::{error::Error, fmt, io};

use serde::{Deserialize, Serialize};

use crate::{
    blocking::BlockingError,
    diagnostics::{
        errno::{Call, Cause},
        log,
        reason::{Reason, Stage},
    },
    memory::Exhausted,
    metrics::{Export, Metric, MetricSet},
};

/// The metric with stage and reason of a failed probe.
pub const FAILURE_INFO: Metric<2> = Metric::new(
    "probe_failure_info",
    "Stage and reason of the failure; exported only when the probe failed.",
    ["stage", "reason"],
)
.extra()
.when("if the probe failed")
.labels_mean([
    "stage that failed; see the list of stages below",
    "cause; see the list of reasons below",
]);

/// Failure of a probe, caused by the target or by the path to it. Errors of the exporter are other
/// types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage that failed.
    pub stage: Stage,
    /// The cause.
    pub reason: Reason,
    /// Details for people.
    pub message: String,
}

impl Failure {
    /// Creates a failure. A long message is shortened, since it may quote a peer and the history keeps
    /// it.
    pub fn new(stage: Stage, reason: Reason, message: impl Into<String>) -> Self {
        Self { stage, reason, message: log::cut(&message.into()) }
    }

    /// Creates the failure of a probe that cannot hold what the peer sends. If other probes hold the
    /// memory, the probe is refused instead.
    #[must_use]
    pub fn exhausted(stage: Stage, error: Exhausted) -> Self {
        Self::new(stage, Reason::TooLarge, error.to_string())
    }

    /// Creates a failure of the stage [`Stage::Request`]: the request could not be made.
    pub fn of_request(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Stage::Request, reason, message)
    }

    /// Creates the failure for an error of sending or receiving in `stage`. `doing` names the action,
    /// such as "reading".
    ///
    /// If the error contains a failure, as errors of TLS connections do, its stage and reason stay.
    #[must_use]
    pub fn io(stage: Stage, doing: &str, error: &io::Error) -> Self {
        Self::system(Call::Exchange, stage, doing, error)
    }

    /// Creates the failure for an error of any socket call in `stage`.
    #[must_use]
    pub fn system(call: Call, stage: Stage, doing: &str, error: &io::Error) -> Self {
        if let Some(failure) = Self::contained_in(error) {
            return Self::new(failure.stage, failure.reason, format!("{doing}: {failure}"));
        }
        let cause = Cause::of(call, error);
        Self::new(stage, cause.reason, cause.message(doing, None, error))
    }

    /// Creates the failure for a file that cannot be used in `stage`.
    #[must_use]
    pub fn file(stage: Stage, doing: &str, error: &io::Error) -> Self {
        match Cause::of_resources(error) {
            Some(cause) => Self::new(stage, cause.reason, cause.message(doing, None, error)),
            None => Self::new(stage, Reason::UnusableFile, format!("{doing}: {error}")),
        }
    }

    /// Creates the failure for work that was not done on a thread.
    #[must_use]
    pub fn blocking(stage: Stage, doing: &str, error: BlockingError) -> Self {
        let reason = match error {
            BlockingError::Panicked => Reason::Internal,
            _ => return Self::file(stage, doing, &error.into()),
        };
        Self::new(stage, reason, format!("{doing}: {error}"))
    }

    /// Returns the failure with another stage.
    #[must_use]
    pub fn in_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// Returns the failure that `error` contains, directly or as one of its sources.
    #[must_use]
    pub fn contained_in<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return Some(failure);
            }
            // An I/O error passes over what it carries when it is asked for its source.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {}

impl Export for Failure {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&FAILURE_INFO, [self.stage.label(), self.reason.label()], 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking::NoThread;

    #[test]
    fn a_missing_thread_is_not_the_fault_of_the_target() {
        let error = || NoThread(io::Error::from_raw_os_error(libc::EAGAIN));
        let failure = Failure::blocking(Stage::Request, "reading /x", error().into());
        assert_eq!(failure.reason, Reason::OutOfResources);
        assert!(failure.message.contains("not allowed to start more threads"), "{failure}");
        let many = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(Failure::file(Stage::Tls, "x", &many).reason, Reason::OutOfResources);
        let missing = io::Error::from_raw_os_error(libc::ENOENT);
        assert_eq!(Failure::file(Stage::Tls, "x", &missing).reason, Reason::UnusableFile);
        let panicked = Failure::blocking(Stage::Tls, "x", BlockingError::Panicked);
        assert_eq!(panicked.reason, Reason::Internal);
    }

    #[test]
    fn a_failure_is_found_within_other_errors() {
        let failure = Failure::new(Stage::Tls, Reason::NotTls, "not TLS");
        let inner = io::Error::other(failure);
        let outer = io::Error::other(io::Error::other(inner));
        let found = Failure::io(Stage::Response, "reading", &outer);
        assert_eq!(found, Failure::new(Stage::Tls, Reason::NotTls, "reading: not TLS"));
        let other = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Failure::io(Stage::Response, "reading", &other).reason, Reason::Reset);
    }
}
