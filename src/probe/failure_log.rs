//! Lines about failed probes in the log of the process: enough to be seen, and no flood.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use log::Level;

use crate::{evidence::Failure, probe::ProbeReport};

/// Writes one line for a failed probe; the same failure of the same target is told again only after
/// a while, with how often it was left out meanwhile.
#[derive(Debug)]
pub struct FailureLog {
    level: Level,
    hasher: RandomState,
    told: Mutex<HashMap<u64, Told>>,
}

/// What was told of one failure of one target.
#[derive(Debug)]
struct Told {
    at: Instant,
    left_out: u64,
}

/// How often the same failure of a target is told.
const INTERVAL: Duration = Duration::from_mins(1);

/// More failures are not kept apart; of those beyond, nothing is told until there is room.
const MOST: usize = 10_000;

impl FailureLog {
    /// Lines will have this level.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, hasher: RandomState::new(), told: Mutex::default() }
    }

    /// Tells of a finished probe if it failed, and if that is news.
    pub fn note(&self, report: &ProbeReport) {
        let Err(failure) = &report.verdict else { return };
        let Some(left_out) = self.admit(report, failure, Instant::now()) else { return };
        let left_out = (left_out > 0).then_some(left_out);
        let Failure { stage, reason, message } = failure;
        log::log!(
            self.level,
            module = report.module_name.as_str(),
            target = report.target.as_str(),
            stage = stage.label(),
            reason = reason.label(),
            err = message.as_str(),
            address = report.address(),
            duration_seconds = report.duration.as_secs_f64(),
            left_out;
            "Probe failed"
        );
    }

    /// Whether a failure is told now, and how often it was left out before.
    fn admit(&self, report: &ProbeReport, failure: &Failure, now: Instant) -> Option<u64> {
        let Failure { stage, reason, .. } = failure;
        let key = self.hasher.hash_one((&report.module_name, &report.target, stage, reason));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = told.get_mut(&key) {
            if now.duration_since(known.at) < INTERVAL {
                known.left_out += 1;
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.left_out));
        }
        if told.len() >= MOST {
            told.retain(|_, known| now.duration_since(known.at) < INTERVAL);
        }
        if told.len() >= MOST {
            return None;
        }
        told.insert(key, Told { at: now, left_out: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::{Reason, Stage},
        probe::report::tests::failed,
    };

    fn admit(log: &FailureLog, target: &str, reason: Reason, now: Instant) -> Option<u64> {
        let report = failed(target, Failure::new(Stage::Connect, reason, "no"));
        log.admit(&report, report.verdict.as_ref().unwrap_err(), now)
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
    fn what_is_remembered_is_bounded() {
        let log = FailureLog::new(Level::Info);
        let start = Instant::now();
        for number in 0..MOST + 5 {
            admit(&log, &number.to_string(), Reason::Refused, start);
        }
        assert_eq!(log.told.lock().unwrap().len(), MOST);
        assert_eq!(admit(&log, "new", Reason::Refused, start), None);
        assert_eq!(admit(&log, "new", Reason::Refused, start + INTERVAL), Some(0));
        assert_eq!(log.told.lock().unwrap().len(), 1);
    }
}
