//! The memory of one probe.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use thiserror::Error;

use super::{FREE, MemoryBudget, STEP};

/// The memory that the peers of one probe make it hold. Shared by the parts of the probe, also on
/// other threads; what was taken from the budget is given back when the last of them is dropped.
#[derive(Debug)]
pub struct ProbeMemory {
    budget: Arc<MemoryBudget>,
    /// Number of bytes that are held.
    held: AtomicU64,
    /// Number of bytes that may be held without more room from the budget.
    room: AtomicU64,
    /// The first error. Locked while room is taken or given back.
    exhausted: Mutex<Option<Exhausted>>,
}

/// Memory that is counted until it is dropped.
#[derive(Debug)]
pub struct Held {
    memory: Arc<ProbeMemory>,
    bytes: u64,
}

/// The error of a probe that cannot hold more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exhausted {
    /// Others hold the rest of the budget.
    #[error("the bodies of running probes fill limits.body_memory")]
    ByOthers,
    /// The probe alone needs more than the whole budget.
    #[error("the data of the peer needs more memory than limits.body_memory ({limit} bytes)")]
    Alone {
        /// The limit of the budget in bytes.
        limit: u64,
    },
}

impl Default for ProbeMemory {
    /// Memory without a limit.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl ProbeMemory {
    /// Creates the memory of a probe that takes its room from `budget`.
    #[must_use]
    pub fn new(budget: Arc<MemoryBudget>) -> Self {
        let (held, room) = (AtomicU64::new(0), AtomicU64::new(FREE));
        Self { budget, held, room, exhausted: Mutex::default() }
    }

    /// Returns a counter of memory that is held for a time.
    #[must_use]
    pub fn hold(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), bytes: 0 }
    }

    /// Counts memory that is held until the probe has ended.
    ///
    /// # Errors
    /// There is no room for it. It is not counted then.
    pub fn keep(&self, bytes: usize) -> Result<(), Exhausted> {
        self.grow(as_u64(bytes))
    }

    /// Returns the limit of the budget in bytes, if there is one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.budget.limit()
    }

    /// Returns whether probes hold more than half of the budget.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.budget.limit().is_some_and(|limit| self.budget.used() > limit / 2)
    }

    /// Returns the first error, if there was one. A probe that failed after it says nothing about its
    /// target.
    #[must_use]
    pub fn exhausted(&self) -> Option<Exhausted> {
        *self.exhausted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grow(&self, more: u64) -> Result<(), Exhausted> {
        let held = self.held.fetch_add(more, Relaxed).saturating_add(more);
        if held <= self.room.load(Relaxed) {
            return Ok(());
        }
        let mut exhausted = self.exhausted.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.room.load(Relaxed);
        let needed = room_for(held);
        if needed <= room || self.budget.take(needed - room) {
            self.room.store(needed.max(room), Relaxed);
            return Ok(());
        }
        self.held.fetch_sub(more, Relaxed);
        let error = match self.budget.limit() {
            Some(limit) if needed - FREE > limit => Exhausted::Alone { limit },
            _ => Exhausted::ByOthers,
        };
        exhausted.get_or_insert(error);
        Err(error)
    }

    fn shrink(&self, less: u64) {
        self.held.fetch_sub(less, Relaxed);
        if self.room.load(Relaxed) > FREE {
            let _exclusive = self.exhausted.lock().unwrap_or_else(PoisonError::into_inner);
            let (room, needed) = (self.room.load(Relaxed), room_for(self.held.load(Relaxed)));
            if needed < room {
                self.room.store(needed, Relaxed);
                self.budget.give_back(room - needed);
            }
        }
    }
}

/// Returns the room that a probe with so many bytes needs: the free part and whole steps.
fn room_for(held: u64) -> u64 {
    FREE + held.saturating_sub(FREE).div_ceil(STEP).saturating_mul(STEP)
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Drop for ProbeMemory {
    fn drop(&mut self) {
        let room = *self.room.get_mut();
        if room > FREE {
            self.budget.give_back(room - FREE);
        }
    }
}

impl Held {
    /// Sets the number of bytes.
    ///
    /// # Errors
    /// There is no room for more. The number is then as before.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let bytes = as_u64(bytes);
        if bytes > self.bytes {
            self.memory.grow(bytes - self.bytes)?;
        } else if bytes < self.bytes {
            self.memory.shrink(self.bytes - bytes);
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Adds a number of bytes.
    ///
    /// # Errors
    /// There is no room for more. The number is then as before.
    pub fn grow(&mut self, more: usize) -> Result<(), Exhausted> {
        let more = as_u64(more);
        self.memory.grow(more)?;
        self.bytes += more;
        Ok(())
    }

    /// Returns another counter of the same probe.
    #[must_use]
    pub fn other(&self) -> Self {
        self.memory.hold()
    }

    /// Counts the memory until the probe has ended, also after this is dropped.
    pub fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.memory.shrink(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE_BYTES: usize = 64 << 10;
    const MIB: usize = 1 << 20;

    fn probe(budget: &Arc<MemoryBudget>) -> Arc<ProbeMemory> {
        Arc::new(ProbeMemory::new(Arc::clone(budget)))
    }

    #[test]
    fn a_small_probe_takes_nothing_from_the_budget() {
        let budget = MemoryBudget::new(Some(0));
        let memory = probe(&budget);
        let mut held = memory.hold();
        held.resize(FREE_BYTES).unwrap();
        assert_eq!(budget.used(), 0);
        assert_eq!(held.grow(1), Err(Exhausted::Alone { limit: 0 }));
        held.resize(1).unwrap();
        memory.keep(FREE_BYTES - 1).unwrap();
        assert_eq!(memory.keep(1), Err(Exhausted::Alone { limit: 0 }));
    }

    #[test]
    fn room_is_taken_in_steps_and_given_back() {
        let budget = MemoryBudget::new(None);
        let memory = probe(&budget);
        let (mut one, mut other) = (memory.hold(), memory.hold());
        one.resize(FREE_BYTES + 1).unwrap();
        assert_eq!(budget.used(), STEP);
        other.grow(MIB).unwrap();
        assert_eq!(budget.used(), 9 * STEP);
        one.resize(0).unwrap();
        assert_eq!(budget.used(), 8 * STEP);
        drop(other);
        assert_eq!(budget.used(), 0);
        one.resize(MIB).unwrap();
        one.keep();
        assert!(budget.used() > 0);
        drop(memory);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_error_says_who_holds_the_memory() {
        let budget = MemoryBudget::new(Some(2 << 20));
        let (first, second) = (probe(&budget), probe(&budget));
        let (mut large, mut small) = (first.hold(), second.hold());
        large.resize(3 * MIB / 2).unwrap();
        assert_eq!(small.resize(MIB), Err(Exhausted::ByOthers));
        assert_eq!(second.exhausted(), Some(Exhausted::ByOthers));
        small.resize(MIB / 2).unwrap();
        assert_eq!(large.resize(3 * MIB), Err(Exhausted::Alone { limit: 2 << 20 }));
        assert_eq!(first.exhausted(), Some(Exhausted::Alone { limit: 2 << 20 }));
        drop((large, small, first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn running_probes_keep_what_they_hold_under_a_lower_limit() {
        let budget = MemoryBudget::new(None);
        let memory = probe(&budget);
        let mut held = memory.hold();
        held.resize(2 * MIB).unwrap();
        budget.set_limit(Some(1 << 20));
        assert!(budget.used() > 1 << 20);
        assert!(held.grow(MIB).is_err());
        held.resize(FREE_BYTES).unwrap();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn threads_share_the_memory_of_a_probe() {
        // With a limit, large returns count for a while.
        let budget = MemoryBudget::new(None);
        let memory = probe(&budget);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for size in (0..2000).map(|step| step * 1777 % MIB) {
                        let mut held = memory.hold();
                        held.resize(size).unwrap();
                        held.grow(size / 2).unwrap();
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
