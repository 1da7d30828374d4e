//! Why a target counts as down: the step that failed, and the reason, from two closed lists.

use std::{error::Error, fmt, io};

use crate::{
    diagnostics::{
        errno::{Call, Cause},
        log,
        reason::{Reason, Stage},
    },
    metrics::{Export, Metric, MetricSet},
};

/// 1 for the stage and reason of a failed probe; absent when the probe succeeded.
pub const FAILURE_INFO: Metric<2> = Metric::new(
    "probe_failure_info",
    "Stage and reason of the failure; present only when the probe failed.",
    ["stage", "reason"],
)
.extra()
.when("when the probe failed")
.labels_mean([
    "the step that failed, from the list of stages below",
    "why, from the list of reasons below",
]);

/// Why a target counts as down; the fault of the target or of the way to it, not of the exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step that failed.
    pub stage: Stage,
    /// Why, from a closed list.
    pub reason: Reason,
    /// The particulars, for people.
    pub message: String,
}

impl Failure {
    /// A failure of `stage` because of `reason`. A long message is cut: it may quote a peer, and
    /// the history keeps it.
    pub fn new(stage: Stage, reason: Reason, message: impl Into<String>) -> Self {
        Self { stage, reason, message: log::cut(&message.into()) }
    }

    /// An error of sending or receiving in `stage`; `doing` says what was tried, such as "reading".
    ///
    /// An error that carries a failure, as one of a TLS connection may, keeps its stage and reason.
    #[must_use]
    pub fn io(stage: Stage, doing: &str, error: &io::Error) -> Self {
        Self::system(Call::Exchange, stage, doing, error)
    }

    /// An error of any socket call in `stage`.
    #[must_use]
    pub fn system(call: Call, stage: Stage, doing: &str, error: &io::Error) -> Self {
        if let Some(failure) = Self::behind(error) {
            return Self::new(failure.stage, failure.reason, format!("{doing}: {failure}"));
        }
        let cause = Cause::of(call, error);
        Self::new(stage, cause.reason, cause.message(doing, None, error))
    }

    /// The same in another stage.
    #[must_use]
    pub fn in_stage(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// The failure that `error` carries, itself or through one of its sources.
    #[must_use]
    pub fn behind<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
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

    #[test]
    fn a_failure_is_found_behind_other_errors() {
        let failure = Failure::new(Stage::Tls, Reason::NotTls, "not TLS");
        let inner = io::Error::other(failure);
        let outer = io::Error::other(io::Error::other(inner));
        let found = Failure::io(Stage::Response, "reading", &outer);
        assert_eq!(found, Failure::new(Stage::Tls, Reason::NotTls, "reading: not TLS"));
        let other = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Failure::io(Stage::Response, "reading", &other).reason, Reason::Reset);
    }
}
