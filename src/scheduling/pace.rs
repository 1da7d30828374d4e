//! The pace of work whose time depends on a text, such as matching a pattern.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use crate::scheduling::pool;

/// Maximum expected time of work that is done on the thread of a probe.
pub const MAX_INLINE: Duration = Duration::from_micros(500);

/// The measured pace of some work, in nanoseconds per KiB; 0 if it was never done.
#[derive(Debug, Default)]
pub struct Pace(AtomicU32);

/// The assumed pace of work that was never done: that of a slow pattern with capture groups.
const ASSUMED: u32 = 20_000;

/// Size of the smallest text that is measured by its length, in bytes.
const MIN_LENGTH: usize = 1 << 10;

impl Pace {
    /// Returns the time that the work is expected to take for `length` bytes.
    #[must_use]
    pub fn expected(&self, length: usize) -> Duration {
        let pace = match self.0.load(Ordering::Relaxed) {
            0 => ASSUMED,
            measured => measured,
        };
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        Duration::from_nanos(u64::from(pace).saturating_mul(length) >> 10)
    }

    /// Does the work on a text of `length` bytes, and measures its time.
    pub fn measure<T>(&self, length: usize, work: impl FnOnce() -> T) -> T {
        // Threads of the pool are often interrupted, so that elapsed time would say little.
        if pool::is_worker() {
            let start = cpu_time();
            let result = work();
            self.0.store(pace(cpu_time().saturating_sub(start), length), Ordering::Relaxed);
            return result;
        }
        let start = Instant::now();
        let result = work();
        // A text may be quick by chance: the pace of others is forgotten slowly.
        let before = self.0.load(Ordering::Relaxed);
        let measured = pace(start.elapsed(), length).max(before - before / 8);
        if measured != before {
            self.0.store(measured, Ordering::Relaxed);
        }
        result
    }
}

fn pace(time: Duration, length: usize) -> u32 {
    let kibibytes = u128::try_from(length.max(MIN_LENGTH) >> 10).unwrap_or(1);
    u32::try_from(time.as_nanos() / kibibytes).unwrap_or(u32::MAX).max(1)
}

/// Returns the CPU time of the thread so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_work_is_expected_to_be_slow_for_some_time() {
        let pace = Pace::default();
        assert!(pace.expected(16 << 10) <= MAX_INLINE, "nothing is known yet");
        assert!(pace.expected(64 << 10) > MAX_INLINE, "it could be slow");
        pace.measure(1 << 10, || std::thread::sleep(Duration::from_millis(2)));
        assert!(pace.expected(1 << 10) >= Duration::from_millis(2));
        assert!(pace.expected(64 << 10) >= Duration::from_millis(128));
        pace.measure(1 << 10, || ());
        assert!(pace.expected(1 << 10) > MAX_INLINE, "one quick text says little");
        for _ in 0..200 {
            pace.measure(64 << 10, || ());
        }
        assert!(pace.expected(1 << 10) < MAX_INLINE);
    }
}
