//! The latest probes, failures longer than successes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::probe::ProbeReport;

/// Keeps reports, not text: nothing is rendered until somebody looks. What it keeps is bounded in
/// number and in bytes.
#[derive(Debug)]
pub struct History {
    limit: usize,
    kept: Mutex<Kept>,
}

/// A report under the number that `/logs?id=` knows it by.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Counts from 0 in the order in which probes end.
    pub id: u64,
    /// What the probe learned.
    pub report: Arc<ProbeReport>,
}

#[derive(Debug, Default)]
struct Kept {
    next_id: u64,
    recent: VecDeque<Entry>,
    failures: VecDeque<Entry>,
    /// What the reports weigh together.
    bytes: usize,
}

/// Bytes that all reports may take; a hundred honest ones take less than one.
const MOST_BYTES: usize = 16 << 20;

impl History {
    /// Keeps the latest `limit` probes and, apart from them, the latest `limit` failures that are
    /// older than those.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// Adds a finished probe, and says under which number it can be found.
    pub fn record(&self, report: Arc<ProbeReport>) -> u64 {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = kept.next_id;
        kept.next_id += 1;
        if self.limit == 0 {
            return id;
        }
        kept.bytes += report.weight();
        kept.recent.push_back(Entry { id, report });
        while kept.recent.len() > self.limit {
            match kept.recent.pop_front() {
                Some(oldest) if oldest.report.verdict.is_err() => kept.failures.push_back(oldest),
                oldest => kept.forget(oldest),
            }
        }
        while kept.failures.len() > self.limit {
            let oldest = kept.failures.pop_front();
            kept.forget(oldest);
        }
        while kept.bytes > MOST_BYTES {
            let oldest = kept.failures.pop_front().or_else(|| kept.recent.pop_front());
            kept.forget(oldest);
        }
        id
    }

    /// The probe of that number, while it is kept.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<Entry> {
        self.list().into_iter().find(|entry| entry.id == id)
    }

    /// The latest probe of a target.
    ///
    /// Unlike upstream, which answers with the oldest one it still has.
    #[must_use]
    pub fn latest(&self, target: &str, module: Option<&str>) -> Option<Entry> {
        let matches = |report: &ProbeReport| {
            report.target == target && module.is_none_or(|module| report.module_name == module)
        };
        self.list().into_iter().find(|entry| matches(&entry.report))
    }

    /// All that is kept, newest first: the recent ones, then the failures.
    #[must_use]
    pub fn list(&self) -> Vec<Entry> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.recent.iter().rev().chain(kept.failures.iter().rev()).cloned().collect()
    }
}

impl Kept {
    /// Notes that an entry is kept no longer.
    fn forget(&mut self, entry: Option<Entry>) {
        self.bytes = match entry {
            Some(entry) => self.bytes.saturating_sub(entry.report.weight()),
            None => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Failure, ProbeLog, Reason, Stage},
        probe::report,
    };

    fn report(target: &str, succeeded: bool) -> Arc<ProbeReport> {
        let failure = || Failure::new(Stage::Connect, Reason::Refused, "refused");
        Arc::new(report::tests::report(target, if succeeded { Ok(()) } else { Err(failure()) }))
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes_too() {
        let history = History::new(1000);
        for _ in 0..1000 {
            let log = ProbeLog::default();
            for _ in 0..100 {
                log.info("said", &[("line", &"x".repeat(1000))]);
            }
            let plain = Arc::unwrap_or_clone(report("target", false));
            history.record(Arc::new(ProbeReport { log: log.take(), ..plain }));
        }
        let kept = history.list();
        let bytes: usize = kept.iter().map(|entry| entry.report.weight()).sum();
        assert!(bytes <= MOST_BYTES && bytes > MOST_BYTES / 2, "{bytes}");
        assert_eq!(kept[0].id, 999, "the latest is kept");
        assert_eq!(history.kept.lock().unwrap().bytes, bytes);
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
        assert!(history.find(0).is_some(), "a kept failure");
        assert!(history.find(1).is_none(), "a success that is too old");
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
        assert_eq!(history.record(report("target", false)), 0);
        assert_eq!(history.record(report("target", false)), 1);
        assert!(history.list().is_empty());
    }

    #[test]
    fn the_latest_match_is_found_by_target_and_module() {
        let history = History::new(5);
        history.record(report("a", true));
        history.record(report("a", false));
        history.record(report("b", true));
        let latest = history.latest("a", None).unwrap();
        assert!(latest.report.verdict.is_err());
        assert!(history.latest("a", Some("other")).is_none());
        assert!(history.latest("c", None).is_none());
    }
}
