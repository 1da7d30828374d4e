//! Lines about failed probes in the log of the process: enough to be seen, and no flood.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use log::Level;

use crate::{
    diagnostics::{Failure, log::Excerpt},
    probe::ProbeReport,
};

/// Writes one line for a failed probe; the same failure of the same target is told again only after
/// a while, with how often it was left out meanwhile.
#[derive(Debug)]
pub struct FailureLog {
    level: Level,
    hasher: RandomState,
    memory: Mutex<Memory>,
}

/// What was told lately.
#[derive(Debug, Default)]
struct Memory {
    told: HashMap<u64, Told>,
    /// When what is old was last thrown away for want of room.
    cleared: Option<Instant>,
    /// Failures that were not told, for want of room, since the last line.
    beyond: u64,
}

/// What was told of one failure of one target.
#[derive(Debug)]
struct Told {
    at: Instant,
    left_out: u64,
}

/// How often the same failure of a target is told.
const INTERVAL: Duration = Duration::from_mins(1);

/// More failures are not kept apart; of those beyond, only the number is told.
const MOST: usize = 10_000;

/// How often room is made at most, since that takes a look at all that is kept.
const CLEARING_INTERVAL: Duration = Duration::from_secs(1);

/// What a line says beside the failure itself.
#[derive(Debug, PartialEq, Eq)]
struct Admitted {
    /// How often this failure was left out since it was last told.
    left_out: u64,
    /// How many others were left out for want of room.
    others_left_out: u64,
}

impl FailureLog {
    /// Lines will have this level.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, hasher: RandomState::new(), memory: Mutex::default() }
    }

    /// Tells of a finished probe if it failed, and if that is news.
    pub fn note(&self, report: &ProbeReport) {
        let Err(failure) = &report.verdict else { return };
        let Some(admitted) = self.admit(report, failure, Instant::now()) else { return };
        let number = |count: u64| (count > 0).then_some(count);
        let text = |text: &str| Excerpt(text.as_bytes()).to_string();
        let Failure { stage, reason, message } = failure;
        log::log!(
            self.level,
            module = report.module_name.as_str(),
            target = text(&report.target).as_str(),
            hostname = report.hostname.as_deref().map(text).as_deref(),
            stage = stage.label(),
            reason = reason.label(),
            err = text(message).as_str(),
            address = report.address().map(text).as_deref(),
            duration_seconds = report.duration.as_secs_f64(),
            left_out = number(admitted.left_out),
            others_left_out = number(admitted.others_left_out);
            "Probe failed"
        );
    }

    /// Whether a failure is told now, and what was left out before.
    fn admit(&self, report: &ProbeReport, failure: &Failure, now: Instant) -> Option<Admitted> {
        let Failure { stage, reason, .. } = failure;
        let ProbeReport { module_name, target, hostname, .. } = report;
        let key = self.hasher.hash_one((module_name, target, hostname, stage, reason));
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let left_out = memory.admit(key, now)?;
        Some(Admitted { left_out, others_left_out: std::mem::take(&mut memory.beyond) })
    }
}

impl Memory {
    /// How often the failure with this key was left out, if it is told now.
    fn admit(&mut self, key: u64, now: Instant) -> Option<u64> {
        if let Some(known) = self.told.get_mut(&key) {
            if now.duration_since(known.at) < INTERVAL {
                known.left_out += 1;
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.left_out));
        }
        if self.told.len() >= MOST {
            self.make_room(now);
        }
        if self.told.len() >= MOST {
            self.beyond += 1;
            return None;
        }
        self.told.insert(key, Told { at: now, left_out: 0 });
        Some(0)
    }

    fn make_room(&mut self, now: Instant) {
        if self.cleared.is_some_and(|at| now.duration_since(at) < CLEARING_INTERVAL) {
            return;
        }
        self.cleared = Some(now);
        self.told.retain(|_, known| now.duration_since(known.at) < INTERVAL);
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
        let admitted = log.admit(&report, report.verdict.as_ref().unwrap_err(), now);
        admitted.map(|admitted| admitted.left_out)
    }

    #[test]
    fn the_same_failure_is_told_once_in_a_while() {
        let log = FailureLog::new(Level::Info);
        let start = Instant::now();
        assert_eq!(admit(&log, "a", Reason::Refused, start), Some(0));
        assert_eq!(admit(&log, "a", Reason::Refused, start), None);
        assert_eq!(admit(&log, "a", Reason::Refused, start + INTERVAL / 2), None);
        assert_eq!(admit(&log, "a", Reason::Reset, start), Some(0), "another reason");
        assert_eq!(admit(&log, "b", Reason::Refused, start), Some(0), "another target");
        assert_eq!(admit(&log, "a", Reason::Refused, start + INTERVAL), Some(2));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_not_told_is_counted() {
        let log = FailureLog::new(Level::Info);
        let start = Instant::now();
        for number in 0..MOST + 5 {
            admit(&log, &number.to_string(), Reason::Refused, start);
        }
        let kept = || log.memory.lock().unwrap().told.len();
        assert_eq!(kept(), MOST);
        assert_eq!(admit(&log, "new", Reason::Refused, start), None);
        let report = failed("new", Failure::new(Stage::Connect, Reason::Refused, "no"));
        let failure = report.verdict.as_ref().unwrap_err();
        let admitted = log.admit(&report, failure, start + INTERVAL);
        assert_eq!(admitted, Some(Admitted { left_out: 0, others_left_out: 6 }));
        assert_eq!(kept(), 1);
    }
}
