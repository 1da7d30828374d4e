//! The verdict of a probe that has ended.

use std::{any::Any, fmt::Display, thread, time::Duration};

use super::{deadline::End, report, request::Wait};
use crate::{
    diagnostics::{Failure, Part, Reason, Refusal, Stage, Verdict, humanize},
    memory::Exhausted,
    net::Context,
};

/// Returns the result of a probe that has ended, panicked, or was cut off.
pub(super) fn result(
    end: End<thread::Result<Result<(), Failure>>>,
    context: &Context,
    timeout: Duration,
) -> Result<(), Failure> {
    match end {
        End::Done(Ok(result)) => result,
        End::Done(Err(panic)) => Err(internal_failure(context, panic.as_ref())),
        End::Gone => {
            let message = "The client closed the connection before the probe finished";
            let message = match context.waited_for() {
                Some(wait) => format!("{message}: {wait}"),
                None => message.to_owned(),
            };
            Err(Failure::new(context.stage(), Reason::Abandoned, message))
        }
        End::Late(late) => Err(timeout_failure(context, timeout, late.of_target)),
    }
}

/// Returns the result of a probe under its policy: what was denied decides, whatever the probe made of
/// it. After a redirect, the target was asked, and the denial is a failure.
pub(super) fn under_policy(context: &Context, result: Result<(), Failure>) -> Result<(), Failure> {
    let reason = result.as_ref().err().map(|failure| failure.reason);
    let is_denied = context.policy.has_denied() || reason == Some(Reason::Denied);
    // A bug of the exporter stays a failure.
    if !is_denied || reason == Some(Reason::Internal) {
        return result;
    }
    if !context.policy.is_redirected() {
        let message = Refusal::denied().message;
        return Err(Failure::new(Stage::Target, Reason::Denied, message));
    }
    let message = "the redirect leads to a host that a policy of the exporter denies";
    Err(Failure::new(Stage::Response, Reason::Denied, message))
}

/// Returns the excerpts of the response, if they are recorded. Those of a denied probe would show what its
/// target led to.
pub(super) fn transcript(context: &Context, result: &Result<(), Failure>) -> Option<Vec<Part>> {
    let is_denied = context.policy.has_denied()
        || matches!(result, Err(Failure { reason: Reason::Denied, .. }));
    context.take_transcript(result.is_err()).filter(|_| !is_denied)
}

/// The times of a finished probe.
pub(super) struct Times<'a> {
    pub(super) wait: Option<&'a Wait>,
    pub(super) timeout: Duration,
    pub(super) duration: Duration,
}

/// Returns the verdict of a finished probe, and logs it. `late` is the refusal of a probe whose target
/// had less than its time.
pub(super) fn conclude(
    context: &Context,
    result: Result<(), Failure>,
    late: Option<Refusal>,
    times: &Times<'_>,
) -> Verdict {
    let duration: (_, &dyn Display) = ("duration_seconds", &times.duration.as_secs_f64());
    let Err(failure) = result else {
        context.log.debug("Probe succeeded", &[duration]);
        return Verdict::Ok;
    };
    let message: (_, &dyn Display) = (report::FAILURE_FIELD, &failure);
    if let Some(refusal) = refusal(context, &failure, late, times) {
        let cause: &dyn Display = &refusal.cause;
        context.log.warn("Probe refused", &[("cause", cause), message, duration]);
        return Verdict::Refused(refusal);
    }
    let [stage, reason]: [&dyn Display; _] = [&failure.stage, &failure.reason];
    let fields = [("stage", stage), ("reason", reason), message, duration];
    context.log.error("Probe failed", &fields);
    Verdict::Failed(failure)
}

/// Returns the refusal of a probe that failed for a cause in the exporter.
fn refusal(
    context: &Context,
    failure: &Failure,
    late: Option<Refusal>,
    times: &Times<'_>,
) -> Option<Refusal> {
    match failure.reason {
        // A bug of the exporter stays a failure.
        Reason::Internal => None,
        // After a redirect, the target was asked.
        Reason::Denied if failure.stage != Stage::Response => Some(Refusal::denied()),
        _ if context.memory.exhausted() == Some(Exhausted::ByOthers) => {
            Some(Refusal::body_memory())
        }
        Reason::OutOfResources => Some(Refusal::out_of_resources(&failure.message)),
        _ => late.or_else(|| times.waited_too_long(failure)),
    }
}

impl Times<'_> {
    /// Returns the refusal of a probe that reached a deadline which a wait had shortened.
    fn waited_too_long(&self, failure: &Failure) -> Option<Refusal> {
        let Wait { duration, whole_timeout } = self.wait?;
        let is_shortened = self.timeout < *whole_timeout;
        let is_late = failure.reason == Reason::Timeout && self.duration >= self.timeout;
        (is_shortened && is_late)
            .then(|| Refusal::queue_deadline(*duration, self.timeout, *whole_timeout))
    }
}

/// Returns the failure of a probe that was interrupted after `timeout`: with what it was waiting for,
/// and for how long its target had been silent.
fn timeout_failure(context: &Context, timeout: Duration, silent: Duration) -> Failure {
    let (stage, limit) = (context.stage(), timeout.as_secs_f64());
    let message = match context.waited_for() {
        Some(wait) if silent.is_zero() => format!("{wait} (timeout {limit} s)"),
        Some(wait) => {
            format!("{wait} (waited {}, timeout {limit} s)", humanize::duration(silent))
        }
        None => format!("Timed out after {limit} s in stage {stage}"),
    };
    Failure::new(stage, Reason::Timeout, message)
}

/// The failure of a probe whose target answered after the timeout.
pub(super) fn late_failure(context: &Context, times: &Times<'_>) -> Failure {
    let [duration, timeout] = [times.duration, times.timeout].map(|time| time.as_secs_f64());
    let message = format!("the response was complete after {duration:.3} s (timeout {timeout} s)");
    Failure::new(context.stage(), Reason::Timeout, message)
}

/// The failure for a panic of the prober, with the message of the panic.
fn internal_failure(context: &Context, panic: &(dyn Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::new(context.stage(), Reason::Internal, format!("The prober panicked: {text}"))
}
