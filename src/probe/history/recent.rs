//! The latest probes. Failures are kept longer than successes, and refused probes apart from the others.

use std::{collections::VecDeque, sync::Arc};

use super::key::TargetKey;
use crate::{
    diagnostics::Verdict,
    probe::{ProbeReport, refused::MAX_REFUSED},
};

/// A report with its id, by which `/logs?id=` finds it.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// The number of probes that ended before it, with the refused ones.
    pub id: u64,
    /// The report.
    pub report: Arc<ProbeReport>,
    /// The memory of the report in bytes.
    pub weight: usize,
}

/// The latest probes.
#[derive(Debug)]
pub(super) struct Recent {
    limit: usize,
    latest: VecDeque<HistoryEntry>,
    failures: VecDeque<HistoryEntry>,
    refused: VecDeque<HistoryEntry>,
    /// Total size of the reports.
    bytes: usize,
}

/// Size of an entry in its list in bytes.
pub(super) const ENTRY: usize = size_of::<HistoryEntry>();

impl Recent {
    /// Creates an empty list of the most recent `limit` probes, and of as many older failures.
    pub(super) fn new(limit: usize) -> Self {
        let (latest, failures, refused) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { limit, latest, failures, refused, bytes: 0 }
    }

    /// Adds a probe.
    pub(super) fn store(&mut self, entry: HistoryEntry, is_refused: bool) {
        self.bytes += ENTRY + entry.weight;
        let list = if is_refused { &mut self.refused } else { &mut self.latest };
        list.push_back(entry);
        while self.refused.len() > MAX_REFUSED {
            let oldest = self.refused.pop_front();
            self.forget(oldest);
        }
        while self.latest.len() > self.limit {
            match self.latest.pop_front() {
                Some(oldest) if oldest.report.verdict.failure().is_some() => {
                    self.failures.push_back(oldest);
                }
                oldest => self.forget(oldest),
            }
        }
        while self.failures.len() > self.limit {
            let oldest = self.failures.pop_front();
            self.forget(oldest);
        }
    }

    /// Drops the oldest probes until the total size is within `budget`.
    pub(super) fn shrink(&mut self, budget: usize) {
        while self.bytes > budget {
            let oldest = self.failures.pop_front().or_else(|| self.latest.pop_front());
            let oldest = oldest.or_else(|| self.refused.pop_front());
            self.forget(oldest);
        }
    }

    /// Returns the probes that were not refused, newest first: the recent ones, then the older failures.
    pub(super) fn probes(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.latest.iter().rev().chain(self.failures.iter().rev())
    }

    /// Returns the latest success of a target.
    pub(super) fn last_success(&self, key: &TargetKey) -> Option<&HistoryEntry> {
        let is_wanted = |entry: &&HistoryEntry| {
            matches!(entry.report.verdict, Verdict::Ok) && key.is_of(&entry.report)
        };
        self.latest.iter().rev().find(is_wanted)
    }

    /// Returns the refused probes, oldest first.
    pub(super) fn refused(&self) -> impl Iterator<Item = &HistoryEntry> {
        self.refused.iter()
    }

    pub(super) fn find(&self, id: u64) -> Option<&HistoryEntry> {
        self.probes().chain(&self.refused).find(|entry| entry.id == id)
    }

    /// Number of probes, with the refused ones.
    pub(super) fn count(&self) -> usize {
        self.latest.len() + self.failures.len() + self.refused.len()
    }

    /// The memory in bytes.
    pub(super) const fn weight(&self) -> usize {
        self.bytes
    }

    /// Subtracts the size of a removed entry.
    fn forget(&mut self, entry: Option<HistoryEntry>) {
        self.bytes = match entry {
            Some(entry) => self.bytes.saturating_sub(ENTRY + entry.weight),
            None => 0,
        };
    }
}
