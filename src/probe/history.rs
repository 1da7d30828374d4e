//! History of the most recent probes; failures are kept longer than successes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::probe::ProbeReport;

/// Stores the reports of recent probes. They are rendered on request. The number of reports and
/// their total size are limited.
#[derive(Debug)]
pub struct History {
    limit: usize,
    stored: Mutex<StoredReports>,
}

/// A report with its id, by which `/logs?id=` finds it.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The number of probes that ended before it.
    pub id: u64,
    /// The report.
    pub report: Arc<ProbeReport>,
    /// The memory of the report in bytes.
    pub weight: usize,
}

#[derive(Debug, Default)]
struct StoredReports {
    next_id: u64,
    recent: VecDeque<HistoryEntry>,
    failures: VecDeque<HistoryEntry>,
    /// Total size of the reports.
    bytes: usize,
}

/// Maximum total size of the reports in bytes. A hundred normal ones take less than 1 MiB.
const MAX_BYTES: usize = 16 << 20;

/// Maximum size of one report in bytes. A larger one is stored without its details, so that it does
/// not displace all others.
const MAX_REPORT: usize = MAX_BYTES / 8;

/// Size of an entry in its list in bytes.
const ENTRY: usize = size_of::<HistoryEntry>();

impl History {
    /// Creates a history of the most recent `limit` probes and, in addition, of the most recent
    /// `limit` failures that are older.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, stored: Mutex::default() }
    }

    /// Adds a finished probe and returns its entry.
    pub fn record(&self, report: Arc<ProbeReport>) -> HistoryEntry {
        let weight = report.weight();
        let stored = if weight > MAX_REPORT && self.limit > 0 {
            Arc::new(report.abridged())
        } else {
            Arc::clone(&report)
        };
        let id = self.store(stored);
        HistoryEntry { id, report, weight }
    }

    /// Stores a report and returns its id.
    fn store(&self, report: Arc<ProbeReport>) -> u64 {
        let weight = report.weight();
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let id = stored.next_id;
        stored.next_id += 1;
        if self.limit == 0 {
            return id;
        }
        stored.bytes += ENTRY + weight;
        stored.recent.push_back(HistoryEntry { id, report, weight });
        while stored.recent.len() > self.limit {
            match stored.recent.pop_front() {
                Some(oldest) if !oldest.report.verdict.is_ok() => stored.failures.push_back(oldest),
                oldest => stored.forget(oldest),
            }
        }
        while stored.failures.len() > self.limit {
            let oldest = stored.failures.pop_front();
            stored.forget(oldest);
        }
        while stored.bytes > MAX_BYTES {
            let oldest = stored.failures.pop_front().or_else(|| stored.recent.pop_front());
            stored.forget(oldest);
        }
        id
    }

    /// Finds a probe by its id, while it is stored.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<HistoryEntry> {
        self.list().into_iter().find(|entry| entry.id == id)
    }

    /// Finds the most recent probe of a target.
    ///
    /// Unlike upstream, which returns the oldest one that is still stored.
    #[must_use]
    pub fn latest(&self, target: &str, module: Option<&str>) -> Option<HistoryEntry> {
        let matches = |report: &ProbeReport| {
            report.target == target && module.is_none_or(|module| report.module_name == module)
        };
        self.list().into_iter().find(|entry| matches(&entry.report))
    }

    /// Returns all stored probes, newest first: the recent ones, then the older failures.
    #[must_use]
    pub fn list(&self) -> Vec<HistoryEntry> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.recent.iter().rev().chain(stored.failures.iter().rev()).cloned().collect()
    }
}

impl StoredReports {
    /// Subtracts the size of a removed entry.
    fn forget(&mut self, entry: Option<HistoryEntry>) {
        self.bytes = match entry {
            Some(entry) => self.bytes.saturating_sub(ENTRY + entry.weight),
            None => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    use crate::{
        diagnostics::{Failure, LogEntry, ProbeLog, Reason, Stage, Verdict},
        probe::report,
    };

    fn report(target: &str, succeeded: bool) -> Arc<ProbeReport> {
        let failure = || Failure::new(Stage::Connect, Reason::Refused, "refused");
        let verdict = if succeeded { Verdict::Ok } else { Verdict::Failed(failure()) };
        Arc::new(report::tests::report(target, verdict))
    }

    #[test]
    fn the_total_size_is_bounded() {
        let history = History::new(1000);
        for _ in 0..1000 {
            let log = ProbeLog::default();
            for _ in 0..100 {
                log.info("said", &[("line", &"x".repeat(1000))]);
            }
            let plain = Arc::unwrap_or_clone(report("target", false));
            history.record(Arc::new(ProbeReport { log: log.take(), ..plain }));
        }
        let stored = history.list();
        let bytes: usize = stored.iter().map(|entry| ENTRY + entry.report.weight()).sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES / 2, "{bytes}");
        assert_eq!(stored[0].id, 999, "the latest is stored");
        assert_eq!(history.stored.lock().unwrap().bytes, bytes);
    }

    #[test]
    fn a_report_that_is_larger_than_all_others_does_not_displace_them() {
        let history = History::new(100);
        for _ in 0..50 {
            history.record(report("other", true));
        }
        let line = LogEntry {
            time: SystemTime::UNIX_EPOCH,
            level: log::Level::Info,
            message: "line".to_owned(),
            fields: vec![("text", "x".repeat(1000))],
        };
        let large = ProbeReport {
            log: vec![line; 2 * MAX_BYTES / 1000],
            ..Arc::unwrap_or_clone(report("large", false))
        };
        let entry = history.record(Arc::new(large));
        assert!(
            entry.weight > MAX_BYTES && entry.report.log.len() > 1000,
            "complete for the client"
        );
        let stored = history.find(entry.id).unwrap().report;
        assert!(stored.weight() < MAX_REPORT, "{}", stored.weight());
        assert!(stored.verdict.failure().is_some() && stored.target == "large");
        assert!(stored.log.last().unwrap().message.contains("omits"), "{:?}", stored.log.last());
        assert_eq!(history.list().len(), 51);
    }

    fn ids(history: &History) -> Vec<u64> {
        history.list().into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn failures_outlive_successes() {
        let history = History::new(2);
        for succeeded in [false, true, false, true, true] {
            history.record(report("target", succeeded));
        }
        assert_eq!(ids(&history), [4, 3, 2, 0]);
        assert!(history.find(0).is_some(), "a stored failure");
        assert!(history.find(1).is_none(), "an old success");
    }

    #[test]
    fn the_failure_list_is_bounded_too() {
        let history = History::new(2);
        for _ in 0..10 {
            history.record(report("target", false));
        }
        assert_eq!(ids(&history), [9, 8, 7, 6]);
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let history = History::new(0);
        assert_eq!(history.record(report("target", false)).id, 0);
        assert_eq!(history.record(report("target", false)).id, 1);
        assert!(history.list().is_empty());
    }

    #[test]
    fn the_latest_match_is_found_by_target_and_module() {
        let history = History::new(5);
        history.record(report("a", true));
        history.record(report("a", false));
        history.record(report("b", true));
        let latest = history.latest("a", None).unwrap();
        assert!(latest.report.verdict.failure().is_some());
        assert!(history.latest("a", Some("other")).is_none());
        assert!(history.latest("c", None).is_none());
    }
}
