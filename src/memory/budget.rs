//! The budget of the process.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The memory that probes may hold together.
#[derive(Debug)]
pub struct MemoryBudget {
    /// The limit in bytes; [`u64::MAX`] means none.
    limit: AtomicU64,
    used: AtomicU64,
}

impl Default for MemoryBudget {
    /// A budget without a limit.
    fn default() -> Self {
        Self { limit: AtomicU64::new(u64::MAX), used: AtomicU64::new(0) }
    }
}

impl MemoryBudget {
    /// Creates a budget of `limit` bytes, or without a limit.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Arc<Self> {
        let budget = Self::default();
        budget.set_limit(limit);
        Arc::new(budget)
    }

    /// Sets the limit in bytes. Running probes keep what they hold.
    pub fn set_limit(&self, limit: Option<u64>) {
        self.limit.store(limit.unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns the limit in bytes, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|limit| *limit < u64::MAX)
    }

    /// Returns the number of bytes that probes have taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Takes `bytes` if there is room for them.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        let take = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        self.used.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Gives back `bytes` that were taken.
    pub(super) fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }
}
