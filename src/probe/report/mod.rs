//! The report of a probe as plain data, and its renderings: metrics,
//! [text](ProbeReport::debug_text), [JSON](ProbeReport::to_json). Pages and the command line use the
//! same report.

mod folded;
mod hop;
mod json;
mod text;
mod weight;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::task::yield_now;

use crate::{
    config::Module,
    diagnostics::{
        Check, Failure, Part, ProbeLog, Reason, Redactor, RefusalCause, Verdict, advice, checks,
        failure, log::LogEntry, transcript::CONTINUED,
    },
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{redact_text::mask_values, tls::StoredSession},
    policy::Denial,
    probe::Wait,
    scheduling::{poll_times::section, pool},
    settings::{redact, secret::HIDDEN},
};

const SUCCESS: Metric =
    Metric::new("probe_success", "1 if the probe succeeded, 0 if it failed.", []).when("always");
const DURATION: Metric =
    Metric::new("probe_duration_seconds", "Duration of the probe in seconds.", [])
        .when("always")
        .unit(Unit::Seconds);
const OVERHEAD: Metric = Metric::new(
    "probe_overhead_seconds",
    "Time that the probe spent in the exporter itself, in seconds: its duration without waiting for \
     the network and the target.",
    [],
)
.extra()
.when("always")
.unit(Unit::Seconds);
const TIMEOUT: Metric =
    Metric::new("probe_timeout_seconds", "Timeout of the probe in seconds.", [])
        .when("always")
        .unit(Unit::Seconds);

const FAILURE_ADDRESS: Metric<1> = Metric::new(
    "probe_failure_address_info",
    "Address of the last connection attempt of a failed probe; always 1.",
    ["address"],
)
.extra()
.when("if the probe failed and an address was known")
.labels_mean(["address and port, address, or path of the unix socket"]);

/// The metrics of every probe.
pub(super) const METRICS: &[Description] = &[
    SUCCESS.describe(),
    DURATION.describe(),
    OVERHEAD.describe(),
    TIMEOUT.describe(),
    failure::FAILURE_INFO.describe(),
    FAILURE_ADDRESS.describe(),
    checks::CHECK_FAILED.describe(),
];

#[cfg(test)]
pub(super) use self::json::tests::assert_published;
pub use self::{
    folded::{RepeatedHops, ShownHop, folded},
    hop::{HopReport, PhaseKind, PhaseReport},
};
pub(super) use self::{
    hop::{hops, longest_phase},
    json::{rfc3339, visible},
};

/// The report of a finished probe.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// Name of the module.
    pub module_name: String,
    /// The module, as configured when the request was received.
    pub module: Arc<Module>,
    /// The target, with secrets masked.
    pub target: String,
    /// The parameter `hostname` of the request.
    pub hostname: Option<String>,
    /// Start of the probe.
    pub started: SystemTime,
    /// Duration of the probe.
    pub duration: Duration,
    /// Time spent waiting for peers, the network and the resolver.
    pub waited: Duration,
    /// Timeout of the probe.
    pub timeout: Duration,
    /// The wait before the probe, if there was one.
    pub wait: Option<Box<Wait>>,
    /// Success, or the failure or refusal.
    pub verdict: Verdict,
    /// The exchanges with peers, at least one.
    pub hops: Vec<HopReport>,
    /// The results of the checks.
    pub checks: Vec<Check>,
    /// The metrics; without those that are not in upstream, if the module disables them.
    pub metrics: MetricSet,
    /// The log.
    pub log: Vec<LogEntry>,
    /// The first thing that a policy denied, or would have denied. It is not shown to clients.
    pub denial: Option<Box<Denial>>,
}

/// Maximum length of the texts that are redacted before other tasks run, in bytes.
const MAX_REDACTED_AT_ONCE: usize = 32 << 10;

/// Maximum size of the metrics of an abridged report in bytes.
const MAX_ABRIDGED_METRICS: usize = 64 << 10;

/// Maximum number of names of a certificate in JSON and text. Authorities allow 100 to 250.
const MAX_NAMES: usize = 1000;

/// The field with the failure in the log entry about a failed probe.
pub(super) const FAILURE_FIELD: &str = "err";

impl ProbeReport {
    /// Adds the metrics of the probe as a whole to those of the prober. A refused probe has no metrics,
    /// no checks and no transcript, because they would say something about the target.
    #[must_use]
    pub(super) fn with_own_metrics(mut self) -> Self {
        if self.verdict.refusal().is_some() {
            self.hops.iter_mut().for_each(|hop| hop.transcript.clear());
            return Self { metrics: MetricSet::default(), checks: Vec::new(), ..self };
        }
        let mut metrics = std::mem::take(&mut self.metrics);
        self.export(&mut metrics);
        if !self.module.extra_metrics {
            metrics.remove_extras();
        }
        Self { metrics, ..self }
    }

    /// Removes the secrets of the probe; a peer may have sent them back. Other tasks run in between.
    pub(super) async fn without_secrets(mut self, redactor: Redactor) -> Self {
        if redactor.is_large() {
            yield_now().await;
        }
        let redactor = Arc::new(redactor);
        let mut done = 0;
        self.transcript_mut().for_each(Part::begin_redaction);
        // A peer may have sent only the beginning of a secret.
        self.received_mut().for_each(|text| text.push(CONTINUED));
        for (text, is_failure) in self.texts_mut() {
            redact(&redactor, text, is_failure).await;
            done += text.len();
            if done > MAX_REDACTED_AT_ONCE {
                done = 0;
                yield_now().await;
            }
        }
        self.transcript_mut().for_each(Part::end_redaction);
        for text in self.received_mut().filter(|text| text.ends_with(CONTINUED)) {
            text.pop();
        }
        self.metrics.merge_duplicates();
        self.with_finished_transcript()
    }

    /// Masks values in the transcript that are secret by their name. A peer may send the tokens and
    /// passwords of its own users.
    pub(super) fn with_finished_transcript(mut self) -> Self {
        self.transcript_mut().for_each(|part| part.finish(mask_values));
        self
    }

    /// Returns the lines, messages and bytes in the log that were received.
    fn received_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.log.iter_mut().filter_map(LogEntry::received_mut)
    }

    fn transcript_mut(&mut self) -> impl Iterator<Item = &mut Part> {
        self.hops.iter_mut().flat_map(|hop| &mut hop.transcript)
    }

    /// Returns all texts that may contain text from a peer, and whether they are messages of failures.
    fn texts_mut(&mut self) -> impl Iterator<Item = (&mut String, bool)> {
        let checks = self.checks.iter_mut().filter_map(Check::failure_mut);
        let checks = checks.map(|failure| &mut failure.message);
        let failures = self.verdict.message_mut().into_iter().chain(checks);
        let failures = failures.map(|message| (message, true));
        let log = self.log.iter_mut().flat_map(|LogEntry { message, fields, .. }| {
            let fields = fields.iter_mut().map(|(key, value)| (value, *key == FAILURE_FIELD));
            [(message, false)].into_iter().chain(fields)
        });
        let hops = self.hops.iter_mut().flat_map(|hop| {
            let HopReport { url, response, transcript, tls, .. } = hop;
            let parts = transcript.iter_mut().map(|part| &mut part.text);
            let detail = tls.as_mut().map(|tls| &mut tls.verify_detail);
            url.iter_mut().chain(response).chain(parts).chain(detail)
        });
        let labels = self.metrics.variable_labels_mut();
        let denied = self.denial.iter_mut().map(|denial| &mut denial.value);
        failures.chain(log).chain(hops.chain(labels).chain(denied).map(|text| (text, false)))
    }

    /// Returns the report without its large parts. A log entry tells that they are missing.
    #[must_use]
    pub(super) fn abridged(&self) -> Self {
        let log = ProbeLog::default();
        let message = "The history omits the log, the response, the certificates and long labels of this \
                       report, because it is too large";
        log.warn(message, &[("bytes", &self.weight())]);
        let is_large = self.metrics.weight() > MAX_ABRIDGED_METRICS;
        Self {
            module_name: self.module_name.clone(),
            module: Arc::clone(&self.module),
            target: self.target.clone(),
            hostname: self.hostname.clone(),
            verdict: self.verdict.clone(),
            hops: self.hops.iter().map(HopReport::abridged).collect(),
            checks: self.checks.clone(),
            metrics: if is_large { MetricSet::default() } else { self.metrics.clone() },
            log: log.take(),
            denial: self.denial.clone(),
            wait: self.wait.clone(),
            ..*self
        }
    }

    /// Returns true if a policy denied something, so that the probe was refused or failed.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match &self.verdict {
            Verdict::Ok => false,
            Verdict::Failed(failure) => failure.reason == Reason::Denied,
            Verdict::Refused(refusal) => refusal.cause == RefusalCause::Denied,
        }
    }

    /// Advice for a failure or a refusal; empty for a success.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match &self.verdict {
            Verdict::Ok => "",
            Verdict::Failed(failure) => advice::of(failure, self.module.prober_name()),
            Verdict::Refused(refusal) => refusal.cause.advice(),
        }
    }

    /// Time spent in the exporter itself: duration minus waiting.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        self.duration.saturating_sub(self.waited)
    }

    /// Returns the details of a certificate verification, unless there are none or the message of
    /// the failure contains them.
    #[must_use]
    pub(crate) fn unreported_detail<'t>(&self, tls: &'t StoredSession) -> Option<&'t str> {
        let detail = tls.verify_detail.as_str();
        let message = self.verdict.failure().map_or("", |failure| &failure.message);
        (!message.contains(detail)).then_some(detail)
    }

    /// The verdict as one line: `ok`, or stage, reason and message, or the message of the refusal.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.verdict {
            Verdict::Ok => "ok".to_owned(),
            Verdict::Failed(Failure { stage, reason, message }) => {
                format!("{stage}: {reason}: {message}")
            }
            Verdict::Refused(refusal) => refusal.message.clone(),
        }
    }

    /// Returns false if a secret was masked in the target; the probe then cannot be repeated.
    #[must_use]
    pub fn target_is_complete(&self) -> bool {
        ![redact::MASK, HIDDEN].iter().any(|mask| self.target.contains(mask))
    }

    /// The address of the last connection attempt, if one was known.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.hops.iter().rev().find_map(|hop| hop.address.as_deref())
    }
}

/// Redacts one text. A long one is redacted on another thread.
async fn redact(redactor: &Arc<Redactor>, text: &mut String, is_failure: bool) {
    if is_failure {
        section("redaction", || redactor.redact_failure(text));
    } else if text.len() <= MAX_REDACTED_AT_ONCE {
        section("redaction", || redactor.redact(text));
    } else {
        let (redactor, mut long) = (Arc::clone(redactor), std::mem::take(text));
        let redacted = pool::run(move || {
            redactor.redact(&mut long);
            long
        });
        // If this fails, the text is lost rather than shown.
        *text = redacted.await.unwrap_or_default();
    }
}

impl Export for ProbeReport {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&SUCCESS, [], f64::from(u8::from(self.verdict.is_ok())));
        metrics.add(&DURATION, [], self.duration.as_secs_f64());
        metrics.add(&OVERHEAD, [], self.overhead().as_secs_f64());
        metrics.add(&TIMEOUT, [], self.timeout.as_secs_f64());
        if let Some(failure) = self.verdict.failure() {
            failure.export(metrics);
            if let Some(address) = self.address() {
                metrics.add(&FAILURE_ADDRESS, [address], 1);
            }
        }
        for check in &self.checks {
            check.export(metrics);
        }
    }
}

/// Formats a Unix time as RFC 3339 in UTC.
#[must_use]
pub fn utc(time: i64) -> String {
    let time = chrono::DateTime::from_timestamp(time, 0);
    time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::Config;

    /// A report with the duration 0.
    pub(crate) fn report(target: &str, verdict: Verdict) -> ProbeReport {
        let config = Config::parse("modules: {ping: {prober: icmp}}", "test.yml").unwrap();
        ProbeReport {
            module_name: "ping".into(),
            module: config.module("ping").unwrap(),
            target: target.into(),
            hostname: None,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            waited: Duration::ZERO,
            timeout: Duration::from_secs(1),
            wait: None,
            verdict,
            hops: Vec::new(),
            checks: Vec::new(),
            metrics: MetricSet::default(),
            log: Vec::new(),
            denial: None,
        }
    }

    /// A report of a failed probe.
    pub(in crate::probe) fn failed(target: &str, failure: Failure) -> ProbeReport {
        report(target, Verdict::Failed(failure))
    }
}
