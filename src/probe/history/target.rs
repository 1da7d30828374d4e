//! The history of one target: its episodes, and which of their reports are kept.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    episode::{Episode, Outline, Stored},
    key::TargetKey,
    recent::HistoryEntry,
};
use crate::{metrics::allocation, probe::ProbeReport};

/// The history of one target.
#[derive(Debug, Clone)]
pub struct TargetHistory {
    /// Module, target and hostname.
    pub key: Arc<TargetKey>,
    /// The episodes, oldest first. There is at least one.
    pub episodes: Vec<Episode>,
    /// Start of the first probe.
    pub first: SystemTime,
    /// Number of probes since then.
    pub probes: u64,
}

/// The start of the present result of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Start of the first failure after the last success, or of the first success after the last failure.
    pub time: SystemTime,
    /// Number of probes since then.
    pub probes: u32,
    /// False if no other result before it is known, so that the present one may be older.
    pub is_known: bool,
}

/// Maximum age of a result that still holds: this long, or as a number of intervals.
const MAX_CURRENT: Duration = Duration::from_mins(5);
const MAX_CURRENT_INTERVALS: u32 = 3;

/// Maximum number of episodes of a target. Beyond it, two old ones become one.
const MAX_EPISODES: usize = 24;

/// Number of the latest episodes that stay as they are.
const MIN_SEPARATE: usize = 8;

/// Maximum number of earlier episodes with a report, besides the last failure.
const MAX_EARLIER_REPORTS: usize = 4;

impl TargetHistory {
    /// Creates the history of a target that is probed for the first time.
    pub(super) fn new(key: TargetKey, id: u64, report: &ProbeReport) -> Self {
        let episodes = vec![Episode::of(id, report)];
        Self { key: Arc::new(key), episodes, first: report.started, probes: 1 }
    }

    /// Returns the latest episode.
    #[must_use]
    pub fn latest(&self) -> Option<&Episode> {
        self.episodes.last()
    }

    /// Start of the latest probe.
    #[must_use]
    pub fn last(&self) -> SystemTime {
        self.latest().map_or(self.first, |episode| episode.last)
    }

    /// Returns true if the target is still probed: the last probe was a few intervals ago.
    #[must_use]
    pub fn is_current(&self, now: SystemTime) -> bool {
        is_current(self.last(), self.interval(), now)
    }

    /// Returns the start of the present result. Failures with different reasons are one result.
    #[must_use]
    pub fn since(&self) -> Since {
        let is_failing = self.latest().is_some_and(Episode::is_failing);
        let is_same = |episode: &&Episode| {
            if is_failing { episode.successes == 0 } else { episode.failures == 0 }
        };
        let same = self.episodes.iter().rev().take_while(is_same);
        Since {
            time: same.clone().last().or(self.latest()).map_or(self.first, |episode| episode.first),
            probes: same.clone().map(Episode::probes).fold(0, u32::saturating_add),
            is_known: same.count() < self.episodes.len(),
        }
    }

    /// Returns the time between two probes of late, if there were two.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.episodes.iter().rev().find_map(Episode::interval)
    }

    /// Returns the latest episode with a failure, and the success before it or, if none is kept, the next
    /// one.
    #[must_use]
    pub fn last_bad_and_good(&self) -> (Option<&Episode>, Option<&Episode>) {
        let Some(bad) = self.episodes.iter().rposition(Episode::is_failing) else {
            return (None, self.latest());
        };
        let is_good = |episode: &&Episode| !episode.is_failing() && episode.last_report.is_some();
        let before = self.episodes.iter().take(bad).rev().find(is_good);
        let good = before.or_else(|| self.episodes.iter().skip(bad).find(is_good));
        (self.episodes.get(bad), good)
    }

    /// If the latest probe succeeded, replaces the report of its episode by that of a later success. Returns
    /// the id of the replaced one.
    pub(super) fn update_success(&mut self, later: &HistoryEntry) -> Option<u64> {
        let kept = self.episodes.last_mut().filter(|latest| !latest.is_failing())?;
        let kept = kept.last_report.as_mut().filter(|kept| kept.id < later.id)?;
        let replaced = kept.id;
        *kept = Stored::of(later.id, &later.report)?;
        Some(replaced)
    }

    /// Adds a probe; `forget` is called with the ids of the reports that are not kept any more.
    pub(super) fn record(&mut self, id: u64, report: &ProbeReport, mut forget: impl FnMut(u64)) {
        self.probes += 1;
        if let Some(latest) = self.episodes.last_mut()
            && latest.continues_with(report)
        {
            if let Some(replaced) = latest.extend(id, report) {
                forget(replaced.id);
            }
            return;
        }
        self.episodes.reserve_exact(1);
        self.episodes.push(Episode::of(id, report));
        while self.episodes.len() > MAX_EPISODES {
            self.join_two(&mut forget);
        }
        self.drop_repeated(MAX_EARLIER_REPORTS, &mut forget);
    }

    /// Joins the two neighbours, not of the latest ones, that lasted the shortest time together.
    fn join_two(&mut self, forget: &mut impl FnMut(u64)) {
        let pairs = self.episodes.iter().zip(self.episodes.iter().skip(1)).enumerate();
        let pairs = pairs.take(MAX_EPISODES - MIN_SEPARATE);
        let time = |(_, (one, next)): &(usize, (&Episode, &Episode))| {
            next.last.duration_since(one.first).unwrap_or_default()
        };
        let Some((index, _)) = pairs.min_by_key(time) else { return };
        let next = self.episodes.remove(index + 1);
        if let Some(episode) = self.episodes.get_mut(index) {
            for dropped in episode.join(next).iter().flatten() {
                forget(dropped.id);
            }
        }
    }

    /// Returns the positions of the last episode with a failure, and of the success before it.
    fn last_failure(&self) -> (Option<usize>, Option<usize>) {
        let bad = self.episodes.iter().rposition(Episode::is_failing);
        let mut before = self.episodes.iter().take(bad.unwrap_or_default());
        (bad, before.rposition(|episode| !episode.is_failing()))
    }

    /// Drops reports that help little: of successes other than the latest one and the one before the last
    /// failure, and of all but `max_earlier` of the earlier failures. Those that occurred again go
    /// first.
    fn drop_repeated(&mut self, max_earlier: usize, forget: &mut impl FnMut(u64)) {
        let latest = self.episodes.len().saturating_sub(1);
        let (bad, good) = self.last_failure();
        for (index, episode) in self.episodes.iter_mut().enumerate() {
            let index = Some(index);
            if index != bad {
                drop_report(&mut episode.first_report, forget);
            }
            if !episode.is_failing() && index != good && index != Some(latest) {
                drop_report(&mut episode.last_report, forget);
            }
        }
        let earlier = bad.unwrap_or_default();
        let has_report = |episode: &Episode| episode.is_failing() && episode.last_report.is_some();
        while self.episodes.iter().take(earlier).filter(|it| has_report(it)).count() > max_earlier {
            let recurs = |(index, episode): &(usize, &Episode)| {
                has_report(episode)
                    && recurs(episode, self.episodes.get(index + 1..).unwrap_or_default())
            };
            let oldest = || self.episodes.iter().position(has_report);
            let repeated = self.episodes.iter().take(earlier).enumerate().find(recurs);
            let dropped = repeated.map(|(index, _)| index).or_else(oldest);
            let dropped = dropped.and_then(|index| self.episodes.get_mut(index));
            let Some(episode) = dropped else { return };
            drop_report(&mut episode.last_report, forget);
        }
    }

    /// Drops reports so that the rest takes less memory: first all but those of the last failure and the
    /// success before it, then all.
    pub(super) fn strip(&mut self, mut forget: impl FnMut(u64)) {
        let before = self.reports().count();
        self.drop_repeated(0, &mut forget);
        let (bad, good) = self.last_failure();
        for (index, episode) in self.episodes.iter_mut().enumerate() {
            drop_report(&mut episode.first_report, &mut forget);
            if bad.is_some() && ![bad, good].contains(&Some(index)) {
                drop_report(&mut episode.last_report, &mut forget);
            }
        }
        if self.reports().count() == before {
            for episode in &mut self.episodes {
                drop_report(&mut episode.last_report, &mut forget);
            }
        }
    }

    /// The memory in bytes: without the reports, and that of the reports.
    pub(super) fn weight(&self) -> (usize, usize) {
        let episodes = allocation(self.episodes.capacity() * size_of::<Episode>());
        let texts: usize = self.episodes.iter().map(Episode::weight).sum();
        let mut module = self.reports().last().map(|it| &it.packed.module);
        let mut reports = 0;
        for stored in self.reports() {
            reports += stored.packed.weight();
            if module.is_some_and(|known| !Arc::ptr_eq(known, &stored.packed.module)) {
                reports += stored.packed.module_weight();
                module = Some(&stored.packed.module);
            }
        }
        (self.key.weight() + episodes + texts, reports)
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = &Stored> {
        self.episodes.iter().flat_map(Episode::reports)
    }

    /// Returns true if a report of a failure is kept.
    pub(super) fn has_failure_report(&self) -> bool {
        let mut failing = self.episodes.iter().filter(|episode| episode.is_failing());
        failing.any(|episode| episode.last_report.is_some())
    }
}

/// Returns true if a result at `last` of a target that is probed at this interval still holds.
pub(super) fn is_current(last: SystemTime, interval: Option<Duration>, now: SystemTime) -> bool {
    let max_age = interval.unwrap_or_default().saturating_mul(MAX_CURRENT_INTERVALS);
    now.duration_since(last).unwrap_or_default() <= max_age.max(MAX_CURRENT)
}

fn drop_report(report: &mut Option<Stored>, forget: &mut impl FnMut(u64)) {
    if let Some(stored) = report.take() {
        forget(stored.id);
    }
}

/// Returns true if one of the later episodes has a report of the same kind of failure.
fn recurs(episode: &Episode, later: &[Episode]) -> bool {
    let failure = episode.failure.as_ref();
    let is_like = |other: &Outline| failure.is_some_and(|failure| failure.has_kind_of(other));
    later
        .iter()
        .any(|other| other.last_report.is_some() && other.failure.as_ref().is_some_and(is_like))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::history::samples;

    /// A target whose n-th probe, 15 s after the one before, had the n-th result: the message of its
    /// failure, or none.
    fn history(results: impl IntoIterator<Item = Option<&'static str>>) -> TargetHistory {
        let mut history: Option<TargetHistory> = None;
        for (index, failure) in results.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            let report = ProbeReport {
                started: SystemTime::UNIX_EPOCH + Duration::from_secs(15) * index,
                ..samples::http("t", failure)
            };
            let id = index.into();
            let Some(history) = &mut history else {
                let key = TargetKey::of(&report).unwrap();
                history = Some(TargetHistory::new(key, id, &report));
                continue;
            };
            history.record(id, &report, |_| ());
        }
        history.unwrap()
    }

    type Line = (u32, u32, [Option<u64>; 2]);

    fn lines(history: &TargetHistory) -> Vec<Line> {
        let line = |it: &Episode| (it.successes, it.failures, it.ids());
        history.episodes.iter().map(line).collect()
    }

    #[test]
    fn consecutive_results_are_an_episode_and_the_success_before_a_failure_stays() {
        let results = [None, None, Some("closed after 1 s"), Some("closed after 2 s"), None, None];
        let history = history(results.into_iter().chain([Some("reset"), None, None]));
        assert_eq!(
            lines(&history),
            [
                (2, 0, [None, None]),
                (0, 2, [None, Some(3)]),
                (2, 0, [None, Some(4)]),
                (0, 1, [None, Some(6)]),
                (2, 0, [None, Some(7)]),
            ]
        );
        let (bad, good) = history.last_bad_and_good();
        assert_eq!((bad.unwrap().ids()[1], good.unwrap().ids()[1]), (Some(6), Some(4)));
    }

    #[test]
    fn the_report_of_a_success_is_replaced_after_a_minute() {
        assert_eq!(lines(&history([None; 4])), [(4, 0, [None, Some(0)])]);
        assert_eq!(lines(&history([None; 7])), [(7, 0, [None, Some(4)])]);
    }

    #[test]
    fn a_failure_that_lasts_has_its_first_and_its_latest_report() {
        let history = history([None].into_iter().chain([Some("closed"); 9]));
        assert_eq!(lines(&history), [(1, 0, [None, Some(0)]), (0, 9, [Some(1), Some(9)])]);
    }

    #[test]
    fn a_target_that_alternates_for_a_night_takes_bounded_memory() {
        let night = 12 * 240;
        let results = (0..night).map(|probe| (probe % 2 == 0).then_some("closed"));
        let history = history([Some("the first failure")].into_iter().chain(results));
        assert_eq!(history.episodes.len(), MAX_EPISODES);
        let probes: u32 = history.episodes.iter().map(Episode::probes).sum();
        assert_eq!(probes, night + 1);
        assert_eq!(history.episodes[0].first, SystemTime::UNIX_EPOCH);
        // Old episodes are joined evenly: none covers most of the night.
        let times = history.episodes.iter().map(|it| it.last.duration_since(it.first).unwrap());
        assert!(times.max().unwrap() < Duration::from_hours(3), "{:?}", lines(&history));
        let (own, reports) = history.weight();
        assert!(own + reports < 24 << 10, "{own} {reports}");
    }

    #[test]
    fn the_present_result_begins_after_the_last_other_one() {
        let since = |results: &[Option<&'static str>]| {
            let Since { time, probes, is_known } = history(results.iter().copied()).since();
            let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            (seconds / 15, probes, is_known)
        };
        assert_eq!(since(&[None, None]), (0, 2, false));
        assert_eq!(since(&[Some("closed"), Some("reset")]), (0, 2, false));
        assert_eq!(since(&[None, Some("closed"), Some("reset"), Some("reset")]), (1, 3, true));
        assert_eq!(since(&[Some("closed"), None, None]), (1, 2, true));
        assert_eq!(since(&[None, Some("closed"), None]), (2, 1, true));
    }

    #[test]
    fn rare_failures_keep_their_report_before_repeated_ones() {
        let results = [None, Some("expired"), None].into_iter();
        let history = history(results.chain([Some("closed"), None].repeat(8)));
        let kept = history.episodes.iter().filter(|it| it.is_failing() && it.ids()[1].is_some());
        let kept: Vec<_> = kept.map(|it| &*it.failure.as_ref().unwrap().message).collect();
        assert_eq!(kept.len(), MAX_EARLIER_REPORTS + 1);
        assert_eq!(kept[0], "expired");
    }

    #[test]
    fn a_pause_ends_an_episode() {
        let mut history = history([None, None, None]);
        let late = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        let report = ProbeReport { started: late, ..samples::http("t", None) };
        history.record(3, &report, |_| ());
        assert_eq!(history.episodes.len(), 2);
    }

    #[test]
    fn memory_is_freed_in_steps() {
        let results = [None, Some("expired"), None, Some("closed"), Some("closed"), None];
        let mut history = history(results);
        let mut forgotten = Vec::new();
        history.strip(|id| forgotten.push(id));
        forgotten.sort_unstable();
        assert_eq!(forgotten, [1, 3, 5], "the last failure and the success before it stay");
        assert!(history.has_failure_report());
        history.strip(|_| ());
        assert_eq!(history.weight().1, 0);
        assert_eq!(history.episodes.len(), 5, "the lines stay");
    }
}
