//! History of probes: the latest ones, and for each target its episodes of equal results with the last
//! success and the last failures.

pub mod comparison;
mod episode;
mod key;
mod packed;
mod recent;
#[cfg(test)]
pub(crate) mod samples;
mod table;
mod target;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use self::{episode::Stored, recent::Recent, table::Table};
use crate::{
    diagnostics::Refusal,
    probe::{
        ProbeReport,
        refused::{MAX_REFUSED, RefusedProbe, RefusedRequests},
        request::WrittenTarget,
    },
    settings::limits::DEFAULT_HISTORY_MEMORY,
};

pub use self::{
    episode::{Episode, Outline},
    key::TargetKey,
    recent::HistoryEntry,
    target::{Since, TargetHistory},
};

/// Stores the reports of probes. They are rendered on request. Their number and their total size are
/// limited.
#[derive(Debug)]
pub struct History {
    limit: usize,
    state: Mutex<State>,
    refused_requests: RefusedRequests,
}

/// The extent of a history.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Number of the latest probes that are kept, `--history.limit`.
    pub limit: usize,
    /// Maximum memory in bytes.
    pub memory: usize,
    /// Number of kept reports: of the latest probes, and of targets.
    pub reports: [usize; 2],
    /// Number of targets with episodes.
    pub targets: usize,
    /// Start of the oldest of the latest probes.
    pub since: Option<SystemTime>,
}

/// A target with its latest episode, for lists.
#[derive(Debug, Clone)]
pub struct TargetSummary {
    /// Module, target and hostname.
    pub key: Arc<TargetKey>,
    /// The latest episode.
    pub latest: Episode,
    /// The start of the present result.
    pub since: Since,
    /// The time between two probes of late, if there were two.
    pub interval: Option<Duration>,
    /// Start of the last failed probe, if there was one.
    pub last_failure: Option<SystemTime>,
}

#[derive(Debug)]
struct State {
    next_id: u64,
    /// Maximum memory in bytes.
    memory: usize,
    recent: Recent,
    targets: Table,
}

/// Maximum size of one report as a part of the memory. A larger one is stored without its details, so
/// that it does not displace all others.
const MAX_REPORT_PART: usize = 8;

/// Number of targets whose summaries are copied before other threads get the lock.
const MAX_SUMMARIES_AT_ONCE: usize = 512;

impl History {
    /// Creates a history of the most recent `limit` probes, of the most recent `limit` failures that are
    /// older, of some refused probes, and of the episodes of targets. With a limit of 0 it keeps
    /// nothing.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let state = State {
            next_id: 0,
            memory: usize::try_from(DEFAULT_HISTORY_MEMORY).unwrap_or(usize::MAX),
            recent: Recent::new(limit),
            targets: Table::default(),
        };
        Self { limit, state: Mutex::new(state), refused_requests: RefusedRequests::default() }
    }

    /// Sets the maximum memory in bytes.
    pub fn set_memory(&self, memory: usize) {
        let mut state = self.state();
        if memory < std::mem::replace(&mut state.memory, memory) {
            state.targets.shrink(memory / 4 * 3);
            let rest = memory.saturating_sub(state.targets.weight());
            state.recent.shrink(rest);
        }
    }

    /// Adds a finished or refused probe and returns its entry.
    pub fn record(&self, report: Arc<ProbeReport>) -> HistoryEntry {
        let weight = report.weight();
        if self.limit == 0 {
            let mut state = self.state();
            state.next_id += 1;
            return HistoryEntry { id: state.next_id - 1, report, weight };
        }
        let mut state = self.state();
        let State { next_id, memory, recent, targets } = &mut *state;
        let id = *next_id;
        *next_id += 1;
        let entry = HistoryEntry { id, report, weight };
        if entry.report.verdict.refusal().is_none() {
            targets.record(id, &entry.report, recent, *memory / 4 * 3);
        }
        let is_refused = entry.report.verdict.refusal().is_some();
        let max_weight = *memory / MAX_REPORT_PART / if is_refused { MAX_REFUSED } else { 1 };
        let kept = if weight > max_weight { abridged(&entry) } else { entry.clone() };
        recent.store(kept, is_refused);
        recent.shrink(memory.saturating_sub(targets.weight()));
        entry
    }

    /// Finds a finished or refused probe by its id, while it is stored.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<HistoryEntry> {
        let state = self.state();
        if let Some(entry) = state.recent.find(id) {
            return Some(entry.clone());
        }
        let (key, stored) = state.targets.report(id)?;
        drop(state);
        stored.entry(&key)
    }

    /// Returns true if the report with this id is stored.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        let state = self.state();
        state.recent.find(id).is_some() || state.targets.report(id).is_some()
    }

    /// Finds the most recent probe of a target that was not refused.
    ///
    /// Unlike upstream, which returns the oldest one that is still stored.
    #[must_use]
    pub fn latest(&self, target: &str, module: Option<&str>) -> Option<HistoryEntry> {
        let matches = |report: &ProbeReport| {
            report.target == target && module.is_none_or(|module| report.module_name == module)
        };
        let state = self.state();
        if let Some(entry) = state.recent.probes().find(|entry| matches(&entry.report)) {
            return Some(entry.clone());
        }
        let histories = state.targets.of_target(target);
        let histories =
            histories.filter(|history| module.is_none_or(|module| history.key.module() == module));
        let stored = histories
            .flat_map(|history| history.reports().map(|stored| (&history.key, stored)))
            .max_by_key(|(_, stored)| stored.id);
        let (key, stored) = stored.map(|(key, stored)| (Arc::clone(key), stored.clone()))?;
        drop(state);
        stored.entry(&key)
    }

    /// Returns the history of a target under a module and a hostname.
    #[must_use]
    pub fn target(&self, module: &str, target: &str, hostname: &str) -> Option<TargetHistory> {
        let state = self.state();
        let is_wanted = |history: &&TargetHistory| {
            history.key.module() == module && history.key.hostname().unwrap_or_default() == hostname
        };
        state.targets.of_target(target).find(is_wanted).cloned()
    }

    /// Returns the modules and hostnames under which a target has a history.
    #[must_use]
    pub fn variants(&self, target: &str) -> Vec<Arc<TargetKey>> {
        let state = self.state();
        state.targets.of_target(target).map(|history| Arc::clone(&history.key)).collect()
    }

    /// Returns all targets, unordered.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetSummary> {
        let mut summaries = Vec::new();
        for start in (0..).step_by(MAX_SUMMARIES_AT_ONCE) {
            let state = self.state();
            let Some(part) = state.targets.part(start, MAX_SUMMARIES_AT_ONCE) else { break };
            summaries.extend(part.filter_map(TargetSummary::of));
        }
        summaries
    }

    /// Returns the number of stored probes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().recent.count()
    }

    /// Returns the extent of the history.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let state = self.state();
        Extent {
            limit: self.limit,
            memory: state.memory,
            reports: [state.recent.count(), state.targets.reports()],
            targets: state.targets.count(),
            since: state.recent.probes().last().map(|entry| entry.report.started),
        }
    }

    /// Returns all of the latest probes that were not refused, newest first: the recent ones, then the
    /// older failures.
    #[must_use]
    pub fn list(&self) -> Vec<HistoryEntry> {
        self.state().recent.probes().cloned().collect()
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
        let entries: Vec<_> = self.state().recent.refused().cloned().collect();
        let refused =
            entries.iter().filter_map(|entry| RefusedProbe::of_report(entry.id, &entry.report));
        self.refused_requests.merge(refused.collect())
    }

    /// The memory in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let state = self.state();
        state.recent.weight() + state.targets.weight()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    /// Restores the entry of the report of a target.
    fn entry(&self, key: &TargetKey) -> Option<HistoryEntry> {
        let report = self.packed.report(key)?;
        let weight = report.weight();
        Some(HistoryEntry { id: self.id, report: Arc::new(report), weight })
    }
}

/// Returns the entry without the large parts of its report.
fn abridged(entry: &HistoryEntry) -> HistoryEntry {
    let report = Arc::new(entry.report.abridged());
    let weight = report.weight();
    HistoryEntry { id: entry.id, report, weight }
}

impl TargetSummary {
    /// Returns true if the target is still probed: the last probe was a few intervals ago.
    #[must_use]
    pub fn is_current(&self, now: SystemTime) -> bool {
        target::is_current(self.latest.last, self.interval, now)
    }

    /// Returns true if the last probe failed and the target is still probed.
    #[must_use]
    pub fn is_failing(&self, now: SystemTime) -> bool {
        self.latest.is_failing() && self.is_current(now)
    }

    fn of(history: &TargetHistory) -> Option<Self> {
        let failing = history.episodes.iter().rev().find(|episode| episode.is_failing());
        Some(Self {
            key: Arc::clone(&history.key),
            latest: history.latest()?.clone(),
            since: history.since(),
            interval: history.interval(),
            last_failure: failing.map(|episode| episode.last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Failure, LogEntry, ProbeLog, Reason, Refusal, Stage, Verdict},
        probe::report,
    };

    const MAX_BYTES: usize = 16 << 20;
    const MAX_REPORT: usize = MAX_BYTES / MAX_REPORT_PART;

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
        let bytes: usize = stored.iter().map(|entry| recent::ENTRY + entry.report.weight()).sum();
        let targets = history.state().targets.weight();
        assert!(bytes + targets <= MAX_BYTES && bytes > MAX_BYTES / 2, "{bytes} {targets}");
        assert_eq!(stored[0].id, 999, "the latest is stored");
        assert_eq!(history.weight(), bytes + targets);
        history.set_memory(MAX_BYTES / 4);
        assert!(history.weight() <= MAX_BYTES / 4);
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
        assert!(history.find(1).is_some(), "the success before the last failure");
        for _ in 0..2 {
            history.record(report("target", true));
        }
        assert!(history.find(3).is_some(), "the report of the latest successes");
        assert!(history.find(4).is_none(), "an old success");
    }

    #[test]
    fn the_success_before_a_failure_is_the_last_one() {
        let history = History::new(2);
        for succeeded in [true, true, true, false] {
            history.record(report("target", succeeded));
        }
        for _ in 0..2 {
            history.record(report("other", true));
        }
        let target = history.target("ping", "target", "").unwrap();
        let (bad, good) = target.last_bad_and_good();
        assert_eq!([bad, good].map(|episode| episode.unwrap().ids()[1]), [Some(3), Some(2)]);
        assert!(history.find(2).is_some() && history.find(0).is_none());
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
        let bytes = history.weight();
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
