//! Result of a probe: success, failure, or refusal.

use std::{fmt, time::Duration};

use crate::diagnostics::{Failure, RefusalCause};

/// Result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The probe succeeded.
    Ok,
    /// The probe failed.
    Failed(Failure),
    /// The exporter refused the probe, so the result says nothing about the target.
    Refused(Refusal),
}

/// Refusal of a probe by the exporter, for a cause that does not depend on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cause.
    pub cause: RefusalCause,
    /// The text for the client, in one line.
    pub message: String,
}

impl Refusal {
    /// Creates the refusal of a probe beside which `running` others run.
    #[must_use]
    pub fn in_flight(running: u32) -> Self {
        Self { cause: RefusalCause::InFlight, message: in_flight(running, "limits.in_flight") }
    }

    /// Creates the refusal of a probe beside which `running` others of its module run.
    #[must_use]
    pub fn module_in_flight(running: u32, module: &str) -> Self {
        let key = format!("modules.{module}.limits.in_flight");
        Self { cause: RefusalCause::ModuleInFlight, message: in_flight(running, &key) }
    }

    /// Creates the refusal of a probe that waited, and whose target had only a part of the `whole` time.
    #[must_use]
    pub fn queue_deadline(waited: Duration, part: Duration, whole: Duration) -> Self {
        let [waited, part, whole] = [waited, part, whole].map(|time| time.as_secs_f64());
        let message = format!(
            "Overloaded: after {waited:.3} s in the queue the target had only {part:.3} s of its \
             {whole:.3} s; this says nothing about it"
        );
        Self { cause: RefusalCause::QueueDeadline, message }
    }

    /// Creates the refusal of a probe whose body does not fit into the memory for bodies.
    #[must_use]
    pub fn body_memory() -> Self {
        let message = "Overloaded: the bodies of running probes fill limits.body_memory; this says \
                       nothing about the target";
        Self { cause: RefusalCause::BodyMemory, message: message.to_owned() }
    }

    /// Creates the refusal of a probe for which a resource of the exporter was missing, as `message`
    /// says.
    #[must_use]
    pub fn out_of_resources(message: &str) -> Self {
        let message = format!("Overloaded: {message}; this says nothing about the target");
        Self { cause: RefusalCause::OutOfResources, message }
    }

    /// Creates the refusal of a probe that is requested while the exporter stops.
    #[must_use]
    pub fn stopping() -> Self {
        let message = "Stopping: this exporter takes no more probes".to_owned();
        Self { cause: RefusalCause::Stopping, message }
    }

    /// Creates the refusal of a probe that the policy denies. It does not say why.
    #[must_use]
    pub fn denied() -> Self {
        let message = "Target denied by policy".to_owned();
        Self { cause: RefusalCause::Denied, message }
    }

    /// Creates the refusal of a probe that had too little CPU time; `why` says what was missing.
    #[must_use]
    pub fn cpu(why: impl fmt::Display) -> Self {
        let message = format!("Overloaded: {why}; this says nothing about the target");
        Self { cause: RefusalCause::Cpu, message }
    }
}

fn in_flight(running: u32, key: &str) -> String {
    format!(
        "Overloaded: {running} probes are running, as many as {key} allows; this says nothing about \
         the target"
    )
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Verdict {
    /// Returns true if the probe succeeded.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }

    /// Returns the failure of a failed probe.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Ok | Self::Refused(_) => None,
        }
    }

    /// Returns the refusal of a refused probe.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Ok | Self::Failed(_) => None,
        }
    }

    /// Returns the message of a failure or a refusal.
    #[must_use]
    pub const fn message(&self) -> Option<&String> {
        match self {
            Self::Ok => None,
            Self::Failed(Failure { message, .. }) | Self::Refused(Refusal { message, .. }) => {
                Some(message)
            }
        }
    }

    /// Returns the message of a failure or a refusal, to redact it: both can contain text of a peer.
    pub const fn message_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Failed(Failure { message, .. }) | Self::Refused(Refusal { message, .. }) => {
                Some(message)
            }
            Self::Ok => None,
        }
    }
}
