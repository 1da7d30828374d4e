//! Episodes: consecutive probes of one target with the same outcome.

use std::{
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::packed::Packed;
use crate::{
    diagnostics::{Failure, Reason, Stage},
    metrics::allocation,
    probe::ProbeReport,
};

/// Consecutive probes of one target with the same outcome. If a target alternates, several old
/// episodes become one, which has successes and failures.
#[derive(Debug, Clone)]
pub struct Episode {
    /// Start of the first probe.
    pub first: SystemTime,
    /// Start of the latest probe.
    pub last: SystemTime,
    /// Number of successes.
    pub successes: u32,
    /// Number of failures.
    pub failures: u32,
    /// Duration of the shortest probe.
    pub shortest: Duration,
    /// Duration of the longest probe.
    pub longest: Duration,
    /// The latest failure, if there was one.
    pub failure: Option<Outline>,
    /// The report of the first failure, if it is kept and is not the latest.
    pub(super) first_report: Option<Stored>,
    /// The report of the latest probe, or of the latest failure, if it is kept.
    pub(super) last_report: Option<Stored>,
}

/// A failure without its report.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The stage that failed.
    pub stage: Stage,
    /// The cause.
    pub reason: Reason,
    /// The start of the message.
    pub message: Arc<str>,
    /// A hash of the message without its numbers.
    kind: u64,
}

/// A stored report with its id.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) id: u64,
    pub(super) packed: Packed,
    started: SystemTime,
}

/// The time for which the report of a success is not replaced by those of later ones, because packing
/// takes as long as all the rest of recording.
const MIN_REPLACED: Duration = Duration::from_mins(1);

/// Maximum length of a message in bytes.
const MAX_MESSAGE_BYTES: usize = 240;

/// Minimum length of a pause that ends an episode, and its minimum as a multiple of the mean interval.
const MIN_PAUSE: Duration = Duration::from_mins(2);
const MIN_PAUSE_INTERVALS: u32 = 10;

impl Stored {
    /// Packs the report with this id, if that is possible.
    pub(super) fn of(id: u64, report: &ProbeReport) -> Option<Self> {
        Some(Self { id, packed: Packed::of(report)?, started: report.started })
    }
}

impl Outline {
    fn of(Failure { stage, reason, message }: &Failure) -> Self {
        let end = message.floor_char_boundary(MAX_MESSAGE_BYTES);
        let message_start = message.get(..end).unwrap_or_default();
        let message_start = if end < message.len() {
            format!("{message_start}…").into()
        } else {
            message_start.into()
        };
        Self { stage: *stage, reason: *reason, message: message_start, kind: kind(message) }
    }

    fn is_like(&self, Failure { stage, reason, message }: &Failure) -> bool {
        self.stage == *stage && self.reason == *reason && self.kind == kind(message)
    }

    /// Returns true if both are the same failure apart from numbers.
    pub(super) fn has_kind_of(&self, other: &Self) -> bool {
        (self.stage, self.reason, self.kind) == (other.stage, other.reason, other.kind)
    }
}

/// Returns a hash of a message without the words that contain a digit: they differ from probe to probe.
fn kind(message: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut was_number = false;
    for word in message.split(|character: char| !character.is_alphanumeric()) {
        let is_number = word.bytes().any(|byte| byte.is_ascii_digit());
        match (is_number, was_number) {
            (false, _) => {
                hasher.write(word.as_bytes());
                hasher.write_u8(0xff);
            }
            (true, false) => hasher.write_u8(0xfe),
            (true, true) => {}
        }
        was_number = is_number;
    }
    hasher.finish()
}

impl Episode {
    /// Creates an episode of one probe.
    pub(super) fn of(id: u64, report: &ProbeReport) -> Self {
        let failure = report.verdict.failure().map(Outline::of);
        Self {
            first: report.started,
            last: report.started,
            successes: u32::from(failure.is_none()),
            failures: u32::from(failure.is_some()),
            shortest: report.duration,
            longest: report.duration,
            failure,
            first_report: None,
            last_report: Stored::of(id, report),
        }
    }

    /// Returns true if the latest probe failed.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// Number of probes.
    #[must_use]
    pub const fn probes(&self) -> u32 {
        self.successes.saturating_add(self.failures)
    }

    /// Ids of the kept reports of the first failure and of the latest probe.
    #[must_use]
    pub fn ids(&self) -> [Option<u64>; 2] {
        [&self.first_report, &self.last_report].map(|report| report.as_ref().map(|it| it.id))
    }

    /// Returns the mean time between two probes, if there are two.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let whole = self.last.duration_since(self.first).unwrap_or_default();
        whole.checked_div(self.probes().saturating_sub(1))
    }

    /// Returns true if the probe has the outcome of this episode and is not separated from it by a pause.
    pub(super) fn continues_with(&self, report: &ProbeReport) -> bool {
        let is_like = match (&self.failure, report.verdict.failure()) {
            (None, None) => true,
            (Some(outline), Some(failure)) => self.successes == 0 && outline.is_like(failure),
            _ => false,
        };
        let pause = report.started.duration_since(self.last).unwrap_or_default();
        let is_pause = pause > MIN_PAUSE
            && self.interval().is_some_and(|mean| pause > mean.saturating_mul(MIN_PAUSE_INTERVALS));
        is_like && !is_pause
    }

    /// Adds a probe with the outcome of this episode. Returns the report that is not kept any more.
    pub(super) fn extend(&mut self, id: u64, report: &ProbeReport) -> Option<Stored> {
        // The clock may have been set back.
        self.first = self.first.min(report.started);
        self.last = self.last.max(report.started);
        self.shortest = self.shortest.min(report.duration);
        self.longest = self.longest.max(report.duration);
        let is_failing = self.is_failing();
        let count = if is_failing { &mut self.failures } else { &mut self.successes };
        *count = count.saturating_add(1);
        let age = |kept: &Stored| report.started.duration_since(kept.started);
        let is_young = |kept| age(kept).is_ok_and(|age| age < MIN_REPLACED);
        if !is_failing && self.last_report.as_ref().is_some_and(is_young) {
            return None;
        }
        let replaced = std::mem::replace(&mut self.last_report, Stored::of(id, report));
        if is_failing && self.first_report.is_none() {
            self.first_report = replaced;
            return None;
        }
        replaced
    }

    /// Joins this episode and the next one. Returns the reports that are not kept.
    pub(super) fn join(&mut self, next: Self) -> [Option<Stored>; 3] {
        self.first = self.first.min(next.first);
        self.last = self.last.max(next.last);
        self.shortest = self.shortest.min(next.shortest);
        self.longest = self.longest.max(next.longest);
        self.successes = self.successes.saturating_add(next.successes);
        self.failures = self.failures.saturating_add(next.failures);
        let first = self.first_report.take();
        if next.failure.is_some() {
            // The report of the latest failure stays.
            self.failure = next.failure;
            let own = std::mem::replace(&mut self.last_report, next.last_report);
            return [first, own, next.first_report];
        }
        if self.failure.is_some() {
            return [first, next.last_report, next.first_report];
        }
        let own = std::mem::replace(&mut self.last_report, next.last_report);
        [first, own, next.first_report]
    }

    /// The memory in bytes without the episode itself and its reports.
    pub(super) fn weight(&self) -> usize {
        let message = self.failure.as_ref().map_or(0, |failure| failure.message.len());
        if message == 0 { 0 } else { allocation(2 * size_of::<usize>() + message) }
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = &Stored> {
        [&self.first_report, &self.last_report].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_alike_apart_from_their_numbers() {
        for (one, other) in [
            ("closed after 12 bytes", "closed after 4711 bytes"),
            ("10.0.0.2:53 did not answer within 1.5 s", "10.0.0.117:53 did not answer within 2 s"),
            ("request 3fa9-0c11 failed", "request 88e0-1d2c failed"),
        ] {
            assert_eq!(kind(one), kind(other), "{one}");
        }
        for (one, other) in [
            ("closed after 12 bytes", "reset after 12 bytes"),
            ("status is not valid", "status is valid"),
            ("ab c", "a bc"),
            ("", "7"),
        ] {
            assert_ne!(kind(one), kind(other), "{one}");
        }
    }
}
