//! Log lines about failed and refused probes and unknown modules; identical ones are suppressed for a
//! minute.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use log::Level;

use crate::{
    diagnostics::{Failure, Refusal, RefusalCause, Verdict, log::Excerpt},
    policy::{Denial, Mode},
    probe::ProbeReport,
};

/// Logs failed and refused probes. Identical failures of a target, and refusals of a module with the
/// same cause, are logged once per minute, with the number of lines that were suppressed in between.
#[derive(Debug)]
pub struct FailureLog {
    /// Level of the lines about failures and unknown modules; without it there are none.
    level: Option<Level>,
    hasher: RandomState,
    table: Mutex<SuppressionTable>,
}

/// The failures that were logged recently.
#[derive(Debug, Default)]
struct SuppressionTable {
    /// The failures by a hash of module, target, hostname, stage and reason, the refusals by a hash of
    /// module and cause, and the unknown modules by a hash of their name.
    logged: HashMap<u64, LoggedFailure>,
    /// Time of the last removal of old entries.
    pruned_at: Option<Instant>,
    /// Number of lines that were suppressed because the table was full, since the last line.
    suppressed_by_full_table: u64,
}

/// A failure that was logged.
#[derive(Debug)]
struct LoggedFailure {
    logged_at: Instant,
    suppressed: u64,
}

/// Minimum time between two lines about the same failure of a target.
const INTERVAL: Duration = Duration::from_mins(1);

/// Maximum number of failures in the table. Further ones are suppressed and only counted.
const MAX_ENTRIES: usize = 10_000;

/// Minimum time between two removals of old entries, since each visits the whole table.
const MIN_PRUNE_INTERVAL: Duration = Duration::from_secs(1);

/// Numbers of suppressed lines that a new line reports.
#[derive(Debug, PartialEq, Eq)]
struct SuppressedCounts {
    /// Lines about the same failure since its last line.
    suppressed: u64,
    /// Lines about any failure that were suppressed because the table was full.
    suppressed_others: u64,
}

impl SuppressedCounts {
    fn suppressed_lines(&self) -> Option<u64> {
        (self.suppressed > 0).then_some(self.suppressed)
    }

    fn suppressed_other_lines(&self) -> Option<u64> {
        (self.suppressed_others > 0).then_some(self.suppressed_others)
    }
}

impl FailureLog {
    /// Creates a log whose lines about failures and unknown modules have the given level; without a
    /// level there are none. Refusals are always logged, because they are about the exporter.
    #[must_use]
    pub fn new(level: Option<Level>) -> Self {
        Self { level, hasher: RandomState::new(), table: Mutex::default() }
    }

    /// Logs a finished probe if it failed or was refused and the line is not suppressed.
    pub fn log(&self, report: &ProbeReport, client: Option<IpAddr>) {
        if let Some(denial) = &report.denial {
            self.log_denial(report, denial, client);
        }
        match &report.verdict {
            Verdict::Failed(failure) => self.log_failure(report, failure),
            // A denial is logged already.
            Verdict::Ok | Verdict::Refused(Refusal { cause: RefusalCause::Denied, .. }) => {}
            Verdict::Refused(refusal) => {
                self.log_refused(&report.module_name, refusal, || report.target.clone());
            }
        }
    }

    fn log_failure(&self, report: &ProbeReport, failure: &Failure) {
        let Some(level) = self.level else { return };
        let Some(counts) = self.admit(report, failure, Instant::now()) else { return };
        let Failure { stage, reason, message } = failure;
        log::log!(
            level,
            module = report.module_name.as_str(),
            target = text(&report.target).as_str(),
            hostname = report.hostname.as_deref().map(text).as_deref(),
            stage = stage.label(),
            reason = reason.label(),
            err = text(message).as_str(),
            address = report.address().map(text).as_deref(),
            duration_seconds = report.duration.as_secs_f64(),
            suppressed = counts.suppressed_lines(),
            suppressed_others = counts.suppressed_other_lines();
            "Probe failed"
        );
    }

    /// Logs what a policy denied, or would have denied, once for each target and list. This is the only
    /// place that names the entry.
    fn log_denial(&self, report: &ProbeReport, denial: &Denial, client: Option<IpAddr>) {
        let ProbeReport { module_name, target, .. } = report;
        let Denial { origin, list, entry, value, hop } = denial;
        let key = self.hasher.hash_one(("denied", module_name, target, list));
        let Some(counts) = self.admit_key(key, Instant::now()) else { return };
        let mode = if report.is_denied() { Mode::Enforce } else { Mode::Report };
        log::warn!(
            module = module_name.as_str(),
            target = text(target).as_str(),
            hostname = report.hostname.as_deref().map(text).as_deref(),
            client = client.map(|client| client.to_string()).as_deref(),
            mode = mode.word(),
            policy = origin.label(),
            list = *list,
            entry = entry.as_str(),
            value = text(value).as_str(),
            hop = *hop,
            suppressed = counts.suppressed_lines(),
            suppressed_others = counts.suppressed_other_lines();
            "Probe denied"
        );
    }

    /// Logs a refused probe if the line is not suppressed. It has one target of all that were refused: the
    /// cause does not depend on it.
    pub fn log_refused(
        &self,
        module: &str,
        Refusal { cause, message }: &Refusal,
        target: impl FnOnce() -> String,
    ) {
        let key = self.hasher.hash_one(("refused", module, cause));
        let Some(counts) = self.admit_key(key, Instant::now()) else { return };
        log::warn!(
            module = module,
            cause = cause.label(),
            err = text(message).as_str(),
            target = text(&target()).as_str(),
            suppressed = counts.suppressed_lines(),
            suppressed_others = counts.suppressed_other_lines();
            "Probe refused"
        );
    }

    /// Logs a request for an unknown module if the line is not suppressed. Prometheus only reports
    /// the status code of the response, without its text.
    pub fn log_unknown_module(&self, module: &str, target: &str) {
        let Some(level) = self.level else { return };
        let key = self.hasher.hash_one(("unknown module", module));
        let Some(counts) = self.admit_key(key, Instant::now()) else { return };
        log::log!(
            level,
            module = text(module).as_str(),
            target = text(target).as_str(),
            suppressed = counts.suppressed_lines(),
            suppressed_others = counts.suppressed_other_lines();
            "Unknown module"
        );
    }

    /// Returns the numbers of suppressed lines if a failure is to be logged now.
    fn admit(
        &self,
        report: &ProbeReport,
        failure: &Failure,
        now: Instant,
    ) -> Option<SuppressedCounts> {
        let Failure { stage, reason, .. } = failure;
        let ProbeReport { module_name, target, hostname, .. } = report;
        self.admit_key(self.hasher.hash_one((module_name, target, hostname, stage, reason)), now)
    }

    fn admit_key(&self, key: u64, now: Instant) -> Option<SuppressedCounts> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let suppressed = table.admit(key, now)?;
        let suppressed_others = std::mem::take(&mut table.suppressed_by_full_table);
        Some(SuppressedCounts { suppressed, suppressed_others })
    }
}

/// Shortens a text from a client or a peer.
fn text(text: &str) -> String {
    Excerpt(text.as_bytes()).to_string()
}

impl SuppressionTable {
    /// Returns the number of suppressed lines about the failure `key` if it is to be logged now.
    fn admit(&mut self, key: u64, now: Instant) -> Option<u64> {
        if let Some(known) = self.logged.get_mut(&key) {
            if now.duration_since(known.logged_at) < INTERVAL {
                known.suppressed += 1;
                return None;
            }
            known.logged_at = now;
            return Some(std::mem::take(&mut known.suppressed));
        }
        if self.logged.len() >= MAX_ENTRIES {
            self.prune(now);
        }
        if self.logged.len() >= MAX_ENTRIES {
            self.suppressed_by_full_table += 1;
            return None;
        }
        self.logged.insert(key, LoggedFailure { logged_at: now, suppressed: 0 });
        Some(0)
    }

    /// Removes failures that were logged more than `INTERVAL` ago.
    fn prune(&mut self, now: Instant) {
        if self.pruned_at.is_some_and(|at| now.duration_since(at) < MIN_PRUNE_INTERVAL) {
            return;
        }
        self.pruned_at = Some(now);
        self.logged.retain(|_, known| now.duration_since(known.logged_at) < INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Reason, Stage},
        probe::report::tests::failed,
    };

    fn admit(log: &FailureLog, target: &str, reason: Reason, now: Instant) -> Option<u64> {
        let report = failed(target, Failure::new(Stage::Connect, reason, "no"));
        let counts = log.admit(&report, report.verdict.failure().unwrap(), now);
        counts.map(|counts| counts.suppressed)
    }

    #[test]
    fn an_identical_failure_is_suppressed_for_a_while() {
        let log = FailureLog::new(Some(Level::Info));
        let start = Instant::now();
        assert_eq!(admit(&log, "a", Reason::Refused, start), Some(0));
        assert_eq!(admit(&log, "a", Reason::Refused, start), None);
        assert_eq!(admit(&log, "a", Reason::Refused, start + INTERVAL / 2), None);
        assert_eq!(admit(&log, "a", Reason::Reset, start), Some(0), "another reason");
        assert_eq!(admit(&log, "b", Reason::Refused, start), Some(0), "another target");
        assert_eq!(admit(&log, "a", Reason::Refused, start + INTERVAL), Some(2));
    }

    #[test]
    fn the_table_is_bounded_and_suppressed_lines_are_counted() {
        let log = FailureLog::new(Some(Level::Info));
        let start = Instant::now();
        for number in 0..MAX_ENTRIES + 5 {
            admit(&log, &number.to_string(), Reason::Refused, start);
        }
        let kept = || log.table.lock().unwrap().logged.len();
        assert_eq!(kept(), MAX_ENTRIES);
        assert_eq!(admit(&log, "new", Reason::Refused, start), None);
        let report = failed("new", Failure::new(Stage::Connect, Reason::Refused, "no"));
        let failure = report.verdict.failure().unwrap();
        let counts = log.admit(&report, failure, start + INTERVAL);
        assert_eq!(counts, Some(SuppressedCounts { suppressed: 0, suppressed_others: 6 }));
        assert_eq!(kept(), 1);
    }
}
