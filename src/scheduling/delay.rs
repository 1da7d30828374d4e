//! The time for which a thread was not free: it ran, was ready to run and had no processor, or was stopped.
//!
//! Linux counts the first two for each thread (`/proc/thread-self/schedstat`, see
//! `Documentation/scheduler/sched-stats.rst` of the kernel). The second includes the time for which
//! the CPU quota of a cgroup was used up. Both are 0 on other systems. Nothing counts the time for
//! which a process is stopped (SIGSTOP, or a suspended machine), but a timer is late then.

use std::{
    cell::{Cell, RefCell},
    fs::File,
    ops::Sub,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Maximum age of [`recent`]: reading the file costs a system call.
const MAX_AGE: Duration = Duration::from_millis(10);

/// The times of a thread since its start.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadTimes {
    /// Time for which it ran.
    pub running: Duration,
    /// Time for which it was ready to run and had no processor.
    pub delayed: Duration,
    /// Time for which it was stopped, as far as [`late_timer`] has found it.
    pub stopped: Duration,
}

/// The time for which a task worked.
///
/// The clock is cheap to read and has a resolution of a few milliseconds. Much work that takes less each time has
/// about the right sum.
#[derive(Debug, Default)]
pub struct WorkTime(AtomicU64);

impl WorkTime {
    /// Does `work` and adds its time.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = coarse_nanos();
        let done = work();
        self.0.fetch_add(coarse_nanos().saturating_sub(start), Ordering::Relaxed);
        done
    }

    /// Returns the sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// Returns the time of a coarse clock in nanoseconds; always 0 if the system has none.
fn coarse_nanos() -> u64 {
    #[cfg(target_os = "linux")]
    {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::MonotonicCoarse);
        let [seconds, nanos] =
            [time.tv_sec, time.tv_nsec].map(|part| u64::try_from(part).unwrap_or_default());
        seconds * 1_000_000_000 + nanos
    }
    #[cfg(not(target_os = "linux"))]
    0
}

/// The times of one thread.
#[derive(Debug)]
struct Meter {
    file: File,
    read: Instant,
    times: ThreadTimes,
}

thread_local! {
    static METER: RefCell<Option<Meter>> = RefCell::new(Meter::open());
    static STOPPED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Notes that a timer of this thread was late. Returns the part of the lateness that is explained by what the
/// thread did since `before`, a time before the timer was set; for the rest it was stopped.
#[must_use]
pub fn late_timer(late_by: Duration, before: ThreadTimes) -> Duration {
    let explained = late_by.min((current() - before).total());
    STOPPED.set(STOPPED.get() + late_by.saturating_sub(explained));
    explained
}

/// Returns the times of this thread, as they were up to 10 ms ago.
#[must_use]
pub fn recent() -> ThreadTimes {
    with_age(MAX_AGE)
}

/// Returns the times of this thread.
#[must_use]
pub fn current() -> ThreadTimes {
    with_age(Duration::ZERO)
}

fn with_age(max: Duration) -> ThreadTimes {
    let times = METER.with_borrow_mut(|meter| meter.as_mut().map(|meter| meter.read(max)));
    ThreadTimes { stopped: STOPPED.get(), ..times.unwrap_or_default() }
}

impl ThreadTimes {
    /// Returns the time for which the thread was not free.
    #[must_use]
    pub fn total(self) -> Duration {
        self.running + self.delayed + self.stopped
    }

    /// Returns how much of the time for which a task worked, by the clock, its thread ran. It is the
    /// whole time on systems that do not count.
    #[must_use]
    pub fn worked(self, by_clock: Duration) -> Duration {
        if self.running.is_zero() { by_clock } else { by_clock.min(self.running) }
    }
}

impl Sub for ThreadTimes {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            running: self.running.saturating_sub(earlier.running),
            delayed: self.delayed.saturating_sub(earlier.delayed),
            stopped: self.stopped.saturating_sub(earlier.stopped),
        }
    }
}

impl Meter {
    fn open() -> Option<Self> {
        let file = File::open("/proc/thread-self/schedstat").ok()?;
        let times = read(&file)?;
        Some(Self { file, read: Instant::now(), times })
    }

    /// Returns the times as they were up to `max_age` ago.
    fn read(&mut self, max_age: Duration) -> ThreadTimes {
        let now = Instant::now();
        if now.duration_since(self.read) >= max_age {
            self.read = now;
            self.times = read(&self.file).unwrap_or(self.times);
        }
        self.times
    }
}

/// Reads the first two numbers of the file, in nanoseconds.
fn read(file: &File) -> Option<ThreadTimes> {
    let mut text = [0; 128];
    let length = file.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    let mut numbers = text.split_ascii_whitespace().map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten().map(Duration::from_nanos);
    Some(ThreadTimes { running: next()?, delayed: next()?, stopped: Duration::ZERO })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_runs_or_is_delayed() {
        const WORK: Duration = Duration::from_millis(50);
        let (before, start) = (current(), Instant::now());
        while start.elapsed() < WORK {}
        let times = current() - before;
        let is_known = METER.with_borrow(Option::is_some);
        assert!(!is_known || times.running + times.delayed > WORK / 2, "{times:?}");
        assert!(is_known || cfg!(not(target_os = "linux")));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_work_of_a_task_is_measured() {
        const WORK: Duration = Duration::from_millis(100);
        let time = WorkTime::default();
        for _ in 0..2 {
            time.measure(|| {
                let start = Instant::now();
                while start.elapsed() < WORK {}
            });
        }
        assert!(time.sum() > WORK && time.sum() < 20 * WORK, "{time:?}");
    }

    #[test]
    fn a_thread_without_a_processor_does_not_work() {
        let [little, much] = [5, 900].map(Duration::from_millis);
        let times = ThreadTimes { running: little, delayed: much, ..ThreadTimes::default() };
        assert_eq!((times.worked(much), times.worked(little / 2)), (little, little / 2));
        assert_eq!(ThreadTimes::default().worked(much), much, "nothing was counted");
    }

    #[test]
    fn a_late_timer_shows_that_the_thread_was_stopped() {
        let [work, stop] = [20, 200].map(Duration::from_millis);
        let (before, start) = (current(), Instant::now());
        while start.elapsed() < work {}
        let explained = late_timer(stop, before);
        let ThreadTimes { running, delayed, stopped } = current() - before;
        assert_eq!(explained + stopped, stop);
        // On a busy machine, the thread can have waited for a processor too.
        assert!(running + delayed + stopped >= stop, "{running:?} {delayed:?} {stopped:?}");
        assert_eq!(late_timer(Duration::ZERO, before), Duration::ZERO);
    }

    #[test]
    fn recent_times_are_read_seldom() {
        let first = recent().running;
        let start = Instant::now();
        while start.elapsed() < MAX_AGE / 4 {}
        let second = recent().running;
        assert!(first == second || start.elapsed() > MAX_AGE / 2);
    }
}
