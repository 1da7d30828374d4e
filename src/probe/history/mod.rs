//! History of the most recent probes. Failures are kept longer than successes, and refused probes apart
//! from the others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    diagnostics::Refusal,
    probe::{
        ProbeReport,
        refused::{MAX_REFUSED, RefusedProbe, RefusedRequests},
        request::WrittenTarget,
    },
};

/// Stores the reports of recent probes. They are rendered on request. The number of reports and
/// their total size are limited.
#[derive(Debug)]
pub struct History {
    limit: usize,
    stored: Mutex<StoredReports>,
    refused_requests: RefusedRequests,
}

/// A report with its id, by which `/logs?id=` finds it.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The number of probes that ended before it, with the refused ones.
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
    refused: VecDeque<HistoryEntry>,
    /// Total size of the reports.
    bytes: usize,
}

/// Maximum total size of the reports in bytes. A hundred normal ones take less than 1 MiB.
const MAX_BYTES: usize = 16 << 20;

/// Maximum size of one report in bytes. A larger one is stored without its details, so that it does
/// not displace all others.
const MAX_REPORT: usize = MAX_BYTES / 8;

/// Maximum size of the report of a refused probe in bytes.
const MAX_REFUSED_REPORT: usize = MAX_REPORT / MAX_REFUSED;

/// Size of an entry in its list in bytes.
const ENTRY: usize = size_of::<HistoryEntry>();

impl History {
    /// Creates a history of the most recent `limit` probes, of the most recent `limit` failures that are
    /// older, and of some refused probes. With a limit of 0 it keeps nothing.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, stored: Mutex::default(), refused_requests: RefusedRequests::default() }
    }

    /// Adds a finished or refused probe and returns its entry.
    pub fn record(&self, report: Arc<ProbeReport>) -> HistoryEntry {
        let weight = report.weight();
        let is_refused = report.verdict.refusal().is_some();
        let max_weight = if is_refused { MAX_REFUSED_REPORT } else { MAX_REPORT };
        let id = if weight > max_weight && self.limit > 0 {
            let abridged = Arc::new(report.abridged());
            let weight = abridged.weight();
            self.store(abridged, weight)
        } else {
            self.store(Arc::clone(&report), weight)
        };
        HistoryEntry { id, report, weight }
    }

    /// Stores a report and returns its id.
    fn store(&self, report: Arc<ProbeReport>, weight: usize) -> u64 {
        let mut stored = self.stored();
        let id = stored.next_id;
        stored.next_id += 1;
        if self.limit == 0 {
            return id;
        }
        stored.bytes += ENTRY + weight;
        let is_refused = report.verdict.refusal().is_some();
        let list = if is_refused { &mut stored.refused } else { &mut stored.recent };
        list.push_back(HistoryEntry { id, report, weight });
        while stored.refused.len() > MAX_REFUSED {
            let oldest = stored.refused.pop_front();
            stored.forget(oldest);
        }
        while stored.recent.len() > self.limit {
            match stored.recent.pop_front() {
                Some(oldest) if oldest.report.verdict.failure().is_some() => {
                    stored.failures.push_back(oldest);
                }
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

    /// Finds a finished or refused probe by its id, while it is stored.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<HistoryEntry> {
        let stored = self.stored();
        stored.probes().chain(&stored.refused).find(|entry| entry.id == id).cloned()
    }

    /// Finds the most recent probe of a target that was not refused.
    ///
    /// Unlike upstream, which returns the oldest one that is still stored.
    #[must_use]
    pub fn latest(&self, target: &str, module: Option<&str>) -> Option<HistoryEntry> {
        let matches = |report: &ProbeReport| {
            report.target == target && module.is_none_or(|module| report.module_name == module)
        };
        self.stored().probes().find(|entry| matches(&entry.report)).cloned()
    }

    /// Returns the number of stored probes.
    #[must_use]
    pub fn count(&self) -> usize {
        let stored = self.stored();
        stored.recent.len() + stored.failures.len() + stored.refused.len()
    }

    /// Returns all stored probes that were not refused, newest first: the recent ones, then the older
    /// failures.
    #[must_use]
    pub fn list(&self) -> Vec<HistoryEntry> {
        self.stored().probes().cloned().collect()
    }

    /// Adds a probe that was refused before it began.
    pub fn record_refused_request(
        &self,
        module: &str,
        target: WrittenTarget<'_>,
        refusal: &Refusal,
    ) {
        if self.limit > 0 {
            self.refused_requests.record(module, target, refusal);
        }
    }

    /// Returns the latest refused probes, newest first.
    #[must_use]
    pub fn refused(&self) -> Vec<RefusedProbe> {
        let entries: Vec<_> = self.stored().refused.iter().cloned().collect();
        let refused =
            entries.iter().filter_map(|entry| RefusedProbe::of_report(entry.id, &entry.report));
        self.refused_requests.merge(refused.collect())
    }

    fn stored(&self) -> MutexGuard<'_, StoredReports> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredReports {
    /// Returns the probes that were not refused, newest first: the recent ones, then the older failures.
    fn probes(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.recent.iter().rev().chain(self.failures.iter().rev())
    }

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
        diagnostics::{Failure, LogEntry, ProbeLog, Reason, Refusal, Stage, Verdict},
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

    fn refused() -> Arc<ProbeReport> {
        Arc::new(report::tests::report("refused", Verdict::Refused(Refusal::body_memory())))
    }

    #[test]
    fn refused_probes_are_kept_apart_from_the_others() {
        let history = History::new(2);
        history.record(report("target", false));
        for _ in 0..2 * MAX_REFUSED {
            history.record(refused());
        }
        history.record(report("target", true));
        assert_eq!(ids(&history), [41, 0]);
        let mut kept: Vec<_> = history.refused().iter().map(|probe| probe.id.unwrap()).collect();
        // The times of these reports are equal.
        kept.sort_unstable();
        assert_eq!(kept, (21..=40).collect::<Vec<_>>());
        assert!(history.find(40).is_some(), "found by its id");
        assert!(history.latest("refused", None).is_none(), "not found by its target");
    }

    #[test]
    fn large_reports_of_refused_probes_do_not_displace_the_others() {
        let history = History::new(1000);
        let text = || "x".repeat(1000);
        let entry = || LogEntry {
            time: SystemTime::UNIX_EPOCH,
            level: log::Level::Info,
            message: text(),
            fields: Vec::new(),
        };
        for _ in 0..MAX_REFUSED {
            let log = std::iter::repeat_with(entry).take(1000).collect();
            history.record(Arc::new(ProbeReport { log, ..Arc::unwrap_or_clone(refused()) }));
        }
        let bytes = history.stored.lock().unwrap().bytes;
        assert!(bytes < MAX_REPORT, "{bytes}");
    }

    #[test]
    fn a_limit_of_zero_keeps_nothing() {
        let history = History::new(0);
        assert_eq!(history.record(report("target", false)).id, 0);
        assert_eq!(history.record(report("target", false)).id, 1);
        history.record(refused());
        history.record_refused_request("m", WrittenTarget::default(), &Refusal::stopping());
        assert!(history.list().is_empty() && history.refused().is_empty());
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
