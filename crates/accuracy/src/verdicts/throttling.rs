//! The share of time for which the exporter's control group had no CPU time left.

use std::time::{Duration, Instant};

use super::super::limit::Group;

/// Readings of the throttled time.
#[derive(Default)]
pub(super) struct Throttling(Vec<(Instant, Duration)>);

impl Throttling {
    pub(super) fn note(&mut self, group: Option<&Group>) {
        let throttled = group.and_then(Group::throttled_time).unwrap_or_default();
        self.0.push((Instant::now(), throttled));
    }

    /// Checks whether the group was throttled for less than a quarter of the time between these moments.
    pub(super) fn had_cpu(&self, start: Instant, end: Instant) -> bool {
        let before = self.0.partition_point(|(at, _)| *at <= start).saturating_sub(1);
        let after = self.0.partition_point(|(at, _)| *at < end);
        let Some((first, last)) = self.0.get(before).zip(self.0.get(after).or(self.0.last()))
        else {
            return false;
        };
        (last.1.saturating_sub(first.1)) * 4 < last.0.saturating_duration_since(first.0)
    }
}
