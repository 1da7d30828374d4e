//! Statistics of repeated probes of a target.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{
    diagnostics::{Failure, Verdict},
    probe::ProbeReport,
};

/// Maximum number of durations that are kept: those of a day at one probe per second.
const MAX_SAMPLES: usize = 100_000;

/// Statistics of all probes so far. Percentiles other than minimum and maximum are those of the
/// latest 100,000 successes, so that memory is limited.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// Durations of the latest successes, in chronological order.
    latest: VecDeque<Duration>,
    /// The same durations, sorted.
    sorted: Vec<Duration>,
    /// Minimum and maximum duration of all successes.
    extremes: Option<(Duration, Duration)>,
    /// Number of failures by stage and reason.
    failures: BTreeMap<String, u64>,
    /// Number of refused probes by cause. They count neither as failed nor as probes.
    refusals: BTreeMap<&'static str, u64>,
    /// Number of probes that were not refused.
    pub(super) probes: u64,
}

impl Statistics {
    /// Adds a probe.
    pub(super) fn add(&mut self, report: &ProbeReport) {
        self.note(report.duration, &report.verdict);
    }

    fn note(&mut self, duration: Duration, verdict: &Verdict) {
        match verdict {
            Verdict::Ok => self.note_time(duration),
            Verdict::Failed(Failure { stage, reason, .. }) => {
                *self.failures.entry(format!("{stage}: {reason}")).or_default() += 1;
            }
            Verdict::Refused(refusal) => {
                *self.refusals.entry(refusal.cause.label()).or_default() += 1;
                return;
            }
        }
        self.probes += 1;
    }

    fn note_time(&mut self, time: Duration) {
        let (shortest, longest) = self.extremes.unwrap_or((time, time));
        self.extremes = Some((shortest.min(time), longest.max(time)));
        if self.latest.len() >= MAX_SAMPLES
            && let Some(oldest) = self.latest.pop_front()
            && let Ok(place) = self.sorted.binary_search(&oldest)
        {
            self.sorted.remove(place);
        }
        self.latest.push_back(time);
        let place = self.sorted.partition_point(|other| *other <= time);
        self.sorted.insert(place, time);
    }

    /// Number of probes, with the refused ones.
    pub(super) fn runs(&self) -> u64 {
        self.probes + self.refused()
    }

    /// Number of refused probes.
    pub(super) fn refused(&self) -> u64 {
        self.refusals.values().sum()
    }

    /// Number of refused probes by cause.
    pub(super) fn causes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refusals.iter().map(|(cause, count)| (*cause, *count))
    }

    /// Number of failed probes.
    pub(super) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Percentage of failed probes.
    pub(super) fn failed_percent(&self) -> u64 {
        (self.failed() * 100 + self.probes / 2).checked_div(self.probes).unwrap_or_default()
    }

    /// A percentile of the durations of successes; 0 is the minimum, 100 the maximum.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        match percent {
            0 => self.extremes.map(|(shortest, _)| shortest),
            100.. => self.extremes.map(|(_, longest)| longest),
            _ => {
                let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
                self.sorted.get(rank - 1).copied()
            }
        }
    }

    /// Number of failures by stage and reason, the most frequent first.
    pub(super) fn reasons(&self) -> Vec<(&str, u64)> {
        let mut reasons: Vec<_> =
            self.failures.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Reason, Refusal, Stage};

    #[test]
    fn percentiles_include_only_successes() {
        let mut statistics = Statistics::default();
        assert_eq!((statistics.percentile(50), statistics.failed_percent()), (None, 0));
        for milliseconds in (1..=20).rev() {
            statistics.note(Duration::from_millis(milliseconds), &Verdict::Ok);
        }
        let failure = || Failure::new(Stage::Connect, Reason::Refused, "refused");
        for _ in 0..5 {
            statistics.note(Duration::from_secs(9), &Verdict::Failed(failure()));
        }
        statistics.note(Duration::from_secs(9), &Verdict::Refused(Refusal::body_memory()));
        for (percent, expected) in [(0, 1), (50, 10), (95, 19), (100, 20)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(statistics.percentile(percent), Some(expected), "{percent}");
        }
        assert_eq!(
            (statistics.probes, statistics.failed(), statistics.failed_percent()),
            (25, 5, 20)
        );
        assert_eq!(statistics.reasons(), [("connect: refused", 5)]);
        assert_eq!(
            (statistics.refused(), statistics.causes().collect()),
            (1, vec![("body_memory", 1)])
        );
    }

    #[test]
    fn percentiles_include_the_latest_probes_and_extremes_all() {
        let mut statistics = Statistics::default();
        let succeed = |statistics: &mut Statistics, milliseconds| {
            statistics.note(Duration::from_millis(milliseconds), &Verdict::Ok);
        };
        succeed(&mut statistics, 1);
        succeed(&mut statistics, 900);
        for index in 0..2 * MAX_SAMPLES {
            succeed(&mut statistics, if index < MAX_SAMPLES { 50 } else { 20 });
        }
        for (percent, expected) in [(0, 1), (1, 20), (99, 20), (100, 900)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(statistics.percentile(percent), Some(expected), "{percent}");
        }
        assert_eq!((statistics.latest.len(), statistics.sorted.len()), (MAX_SAMPLES, MAX_SAMPLES));
        assert_eq!(statistics.probes, 200_002);
    }
}
