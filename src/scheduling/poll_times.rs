//! Records long polls of tasks, which delay the other tasks of their thread.
//!
//! Only in builds with the cargo feature `poll-times`; in others, the functions have no cost. A poll
//! of more than 1 ms of CPU time is appended as one line to the file that the environment variable
//! `PROBE_EXPORTER_POLL_TIMES` names: the CPU time and the elapsed time in microseconds, the task,
//! and the section that took most of it. `make poll-times` runs the tests with it.

#[cfg(feature = "poll-times")]
pub use self::recording::{FILE, section, watch};

/// The name of a task in the records.
#[cfg(feature = "poll-times")]
pub type TaskName = String;

/// The name of a task, which this build does not need.
#[cfg(not(feature = "poll-times"))]
#[derive(Debug)]
pub struct TaskName;

/// Returns the name of a task.
#[cfg(feature = "poll-times")]
pub fn name(text: impl FnOnce() -> String) -> TaskName {
    text()
}

/// Returns the name of a task.
#[cfg(not(feature = "poll-times"))]
#[inline]
pub fn name(_text: impl FnOnce() -> String) -> TaskName {
    TaskName
}

/// Returns `future`.
#[cfg(not(feature = "poll-times"))]
#[inline]
pub fn watch<F: Future>(_task: TaskName, future: F) -> F {
    future
}

/// Does `work`.
#[cfg(not(feature = "poll-times"))]
#[inline]
pub fn section<T>(_name: &'static str, work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(feature = "poll-times")]
mod recording {
    use std::{
        cell::RefCell,
        fs::OpenOptions,
        io::Write as _,
        pin::Pin,
        task::{Context, Poll},
        time::{Duration, Instant},
    };

    use rustix::time::{ClockId, clock_gettime};

    use super::TaskName;

    /// The environment variable with the name of the file.
    pub const FILE: &str = "PROBE_EXPORTER_POLL_TIMES";

    /// Minimum CPU time of a poll that is recorded.
    const MIN: Duration = Duration::from_millis(1);

    /// The sections of a poll.
    #[derive(Default)]
    struct Sections {
        /// For each open section, the time of the sections inside it.
        nested: Vec<Duration>,
        /// The section that took longest, without the sections inside it.
        longest: Option<(&'static str, Duration)>,
    }

    thread_local! {
        static SECTIONS: RefCell<Sections> = RefCell::default();
    }

    /// Records the long polls of `future` under the name of its task.
    pub fn watch<F: Future>(task: TaskName, future: F) -> impl Future<Output = F::Output> {
        Watched { task, future: Box::pin(future) }
    }

    struct Watched<F> {
        task: TaskName,
        future: Pin<Box<F>>,
    }

    impl<F: Future> Future for Watched<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            let outer = SECTIONS.take();
            let (start, begin) = (cpu_time(), Instant::now());
            let polled = self.future.as_mut().poll(context);
            let (taken, elapsed) = (cpu_time() - start, begin.elapsed());
            let sections = SECTIONS.replace(outer);
            if taken >= MIN {
                record(&self.task, taken, elapsed, sections.longest);
            }
            polled
        }
    }

    /// Does `work`, which belongs to the current poll.
    pub fn section<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
        SECTIONS.with_borrow_mut(|sections| sections.nested.push(Duration::ZERO));
        let start = cpu_time();
        let result = work();
        let taken = cpu_time() - start;
        SECTIONS.with_borrow_mut(|sections| {
            let own = taken.saturating_sub(sections.nested.pop().unwrap_or_default());
            if let Some(outer) = sections.nested.last_mut() {
                *outer += taken;
            }
            if sections.longest.is_none_or(|(_, longest)| own > longest) {
                sections.longest = Some((name, own));
            }
        });
        result
    }

    /// Returns the CPU time of the thread so far.
    fn cpu_time() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
    }

    fn record(
        task: &str,
        taken: Duration,
        elapsed: Duration,
        longest: Option<(&'static str, Duration)>,
    ) {
        let Some(file) = std::env::var_os(FILE) else { return };
        let section = longest.map_or_else(
            || "no section".to_owned(),
            |(name, own)| format!("{name} {}", own.as_micros()),
        );
        let line = format!("{} {} {task}: {section}\n", taken.as_micros(), elapsed.as_micros());
        // A line that cannot be written is missing; measuring must not change what is measured.
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file) {
            drop(file.write_all(line.as_bytes()));
        }
    }
}
