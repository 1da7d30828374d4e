//! The latest probes, failures longer than successes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::probe::ProbeReport;

/// Keeps reports, not text: nothing is rendered until somebody looks.
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
}

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
        kept.recent.push_back(Entry { id, report });
        while kept.recent.len() > self.limit {
            if let Some(oldest) = kept.recent.pop_front()
                && oldest.report.verdict.is_err()
            {
                kept.failures.push_back(oldest);
            }
        }
        while kept.failures.len() > self.limit {
            kept.failures.pop_front();
        }
        id
    }

    /// The probe of that number, while it is kept.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<Arc<ProbeReport>> {
        self.list().into_iter().find(|entry| entry.id == id).map(|entry| entry.report)
    }

    /// The latest probe of a target.
    ///
    /// Unlike upstream, which answers with the oldest one it still has.
    #[must_use]
    pub fn latest(&self, target: &str, module: Option<&str>) -> Option<Arc<ProbeReport>> {
        let matches = |report: &ProbeReport| {
            report.target == target && module.is_none_or(|module| report.module_name == module)
        };
        self.list().into_iter().map(|entry| entry.report).find(|report| matches(report))
    }

    /// All that is kept, newest first: the recent ones, then the failures.
    #[must_use]
    pub fn list(&self) -> Vec<Entry> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.recent.iter().rev().chain(kept.failures.iter().rev()).cloned().collect()
    }
}
