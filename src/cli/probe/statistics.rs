//! What many probes of one target come to.

use std::{collections::BTreeMap, time::Duration};

use crate::{evidence::Failure, probe::ProbeReport};

/// The probes so far.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// How long those took that succeeded, the shortest first.
    times: Vec<Duration>,
    /// How many failed, by stage and reason.
    failures: BTreeMap<String, u64>,
    /// How many there were.
    pub(super) probes: u64,
}

impl Statistics {
    /// Counts a probe.
    pub(super) fn add(&mut self, report: &ProbeReport) {
        self.note(report.duration, &report.verdict);
    }

    fn note(&mut self, duration: Duration, verdict: &Result<(), Failure>) {
        self.probes += 1;
        match verdict {
            Ok(()) => {
                let place = self.times.partition_point(|time| *time <= duration);
                self.times.insert(place, duration);
            }
            Err(Failure { stage, reason, .. }) => {
                *self.failures.entry(format!("{stage}: {reason}")).or_default() += 1;
            }
        }
    }

    /// How many failed.
    pub(super) fn lost(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many failed, in percent.
    pub(super) fn loss(&self) -> u64 {
        (self.lost() * 100 + self.probes / 2).checked_div(self.probes).unwrap_or_default()
    }

    /// The time that so many percent of the successes did not exceed; 0 gives the shortest.
    pub(super) fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.times.len() * percent).div_ceil(100).max(1);
        self.times.get(rank - 1).copied()
    }

    /// How many failed for which reason, the most frequent first.
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
    use crate::evidence::{Reason, Stage};

    #[test]
    fn percentiles_are_those_of_the_successes() {
        let mut statistics = Statistics::default();
        assert_eq!((statistics.percentile(50), statistics.loss()), (None, 0));
        for milliseconds in (1..=20).rev() {
            statistics.note(Duration::from_millis(milliseconds), &Ok(()));
        }
        let failure = || Failure::new(Stage::Connect, Reason::Refused, "refused");
        for _ in 0..5 {
            statistics.note(Duration::from_secs(9), &Err(failure()));
        }
        for (percent, expected) in [(0, 1), (50, 10), (95, 19), (100, 20)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(statistics.percentile(percent), Some(expected), "{percent}");
        }
        assert_eq!((statistics.probes, statistics.lost(), statistics.loss()), (25, 5, 20));
        assert_eq!(statistics.reasons(), [("connect: refused", 5)]);
    }
}
