//! The budget of the process.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The largest number of bytes that may be taken again as soon as they are given back. Buffers of up
/// to this size are used again.
const MAX_REUSED: u64 = 2 << 20;

/// Time within which the allocator returns freed memory to the system: jemalloc does so every 100 ms,
/// for what was freed 25 ms ago (see `.cargo/config.toml`).
const MAX_RETURN_TIME: Duration = Duration::from_millis(150);

/// The memory that probes may hold together.
#[derive(Debug)]
pub struct MemoryBudget {
    /// The limit in bytes; [`u64::MAX`] means none.
    limit: AtomicU64,
    used: AtomicU64,
    /// Memory that was given back and may not have left the process yet: the time when it has, and a
    /// number of bytes.
    returning: Mutex<VecDeque<(Instant, u64)>>,
}

impl Default for MemoryBudget {
    /// A budget without a limit.
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(u64::MAX),
            used: AtomicU64::new(0),
            returning: Mutex::default(),
        }
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

    /// Returns the number of bytes that probes have taken, or that were freed a moment ago.
    #[must_use]
    pub fn used(&self) -> u64 {
        if self.used.load(Relaxed) > 0 {
            self.end_returns(Instant::now());
        }
        self.used.load(Relaxed)
    }

    /// Takes `bytes` if there is room for them.
    pub(super) fn take(&self, bytes: u64) -> bool {
        self.try_take(bytes) || {
            self.end_returns(Instant::now());
            self.try_take(bytes)
        }
    }

    fn try_take(&self, bytes: u64) -> bool {
        let limit = self.limit.load(Relaxed);
        let take = |used: u64| used.checked_add(bytes).filter(|used| *used <= limit);
        self.used.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Gives back `bytes` that were taken. Many count until the allocator has returned their memory to
    /// the system, since the next bodies would take as much again meanwhile.
    pub(super) fn give_back(&self, bytes: u64) {
        if bytes <= MAX_REUSED || self.limit().is_none() {
            self.used.fetch_sub(bytes, Relaxed);
        } else {
            let mut returning = self.returning.lock().unwrap_or_else(PoisonError::into_inner);
            returning.push_back((Instant::now() + MAX_RETURN_TIME, bytes));
        }
    }

    /// Ends the returns whose time has come.
    fn end_returns(&self, now: Instant) {
        let mut returning = self.returning.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, bytes)) = returning.front().filter(|(end, _)| *end <= now) {
            self.used.fetch_sub(*bytes, Relaxed);
            returning.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_memory_counts_until_it_is_returned_to_the_system() {
        let budget = MemoryBudget::new(Some(4 << 20));
        assert!(budget.take(4 << 20));
        budget.give_back(1 << 20);
        assert_eq!(budget.used(), 3 << 20);
        budget.give_back(3 << 20);
        assert!(budget.take(1 << 20));
        assert!(!budget.take(1 << 20));
        budget.end_returns(Instant::now() + MAX_RETURN_TIME);
        assert_eq!(budget.used(), 1 << 20);
        assert!(budget.take(3 << 20));
    }

    #[test]
    fn nothing_waits_without_a_limit() {
        let budget = MemoryBudget::new(None);
        assert!(budget.take(8 << 20));
        budget.give_back(8 << 20);
        assert_eq!(budget.used(), 0);
    }
}
