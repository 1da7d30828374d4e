//! How long the named parts of a probe took.

use std::{future::Future, time::Duration};

use tokio::time::Instant;

use crate::metrics::{Metric, MetricSet};

/// The closed list of a prober's phases; the labels of its `..._duration_seconds{phase}`.
pub trait Phase: Copy + Eq + Send + 'static {
    /// The value of the label.
    fn label(self) -> &'static str;
}

/// Time by phase. A phase that was not begun has no sample; repeats, as of redirects, add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phases<P> {
    spent: Vec<(P, Duration)>,
    /// Waited for what never came, where upstream's phases show only what did.
    in_vain: Duration,
}

impl<P> Default for Phases<P> {
    fn default() -> Self {
        Self { spent: Vec::new(), in_vain: Duration::ZERO }
    }
}

impl<P: Phase> Phases<P> {
    /// Makes the phase known, with no time spent in it yet.
    pub fn begin(&mut self, phase: P) {
        self.add(phase, Duration::ZERO);
    }

    /// Adds time to a phase.
    pub fn add(&mut self, phase: P, time: Duration) {
        match self.spent.iter_mut().find(|(known, _)| *known == phase) {
            Some((_, spent)) => *spent += time,
            None => self.spent.push((phase, time)),
        }
    }

    /// Charges the time that `work` takes to a phase; nothing is charged when it is cut off.
    pub async fn charge<T>(&mut self, phase: P, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = work.await;
        self.add(phase, start.elapsed());
        result
    }

    /// Adds time that was waited in vain, and that no phase shows.
    pub fn add_in_vain(&mut self, time: Duration) {
        self.in_vain += time;
    }

    /// Charges the time from now until the stopwatch is stopped or dropped, so that a phase that is
    /// cut off counts too.
    pub fn stopwatch(&mut self, phase: P) -> Stopwatch<'_, P> {
        Stopwatch { phases: self, phase, start: Instant::now(), reading: None, whole: false }
    }

    /// As [`stopwatch`](Self::stopwatch), for a phase that shows only what was brought to its end,
    /// as upstream's do: without a reading, the time was waited in vain.
    pub fn stopwatch_of_whole(&mut self, phase: P) -> Stopwatch<'_, P> {
        Stopwatch { phases: self, phase, start: Instant::now(), reading: None, whole: true }
    }

    /// All time that is accounted for, shown or waited in vain.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.spent.iter().map(|(_, spent)| *spent).sum::<Duration>() + self.in_vain
    }

    /// The time spent in a phase so far, if it was begun.
    #[must_use]
    pub fn spent(&self, phase: P) -> Option<Duration> {
        self.spent.iter().find(|(known, _)| *known == phase).map(|(_, spent)| *spent)
    }

    /// Adds a sample for each phase that was begun.
    pub fn export(&self, metric: &Metric<1>, metrics: &mut MetricSet) {
        for (phase, spent) in &self.spent {
            metrics.add(metric, [phase.label()], spent.as_secs_f64());
        }
    }
}

/// A phase that is running; made by [`Phases::stopwatch`].
#[derive(Debug)]
pub struct Stopwatch<'p, P: Phase> {
    phases: &'p mut Phases<P>,
    phase: P,
    start: Instant,
    reading: Option<Duration>,
    whole: bool,
}

impl<P: Phase> Stopwatch<'_, P> {
    /// Ends the phase with a reading from the wire in place of our own.
    pub fn stop_at(mut self, reading: Duration) {
        self.reading = Some(reading);
    }
}

impl<P: Phase> Drop for Stopwatch<'_, P> {
    fn drop(&mut self) {
        match self.reading {
            Some(reading) => self.phases.add(self.phase, reading),
            None if self.whole => self.phases.add_in_vain(self.start.elapsed()),
            None => self.phases.add(self.phase, self.start.elapsed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Part {
        First,
        Second,
    }

    impl Phase for Part {
        fn label(self) -> &'static str {
            "part"
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_counts_as_read_or_until_it_was_cut_off() {
        const SECOND: Duration = Duration::from_secs(1);
        let mut phases = Phases::default();
        let stopwatch = phases.stopwatch(Part::First);
        tokio::time::advance(2 * SECOND).await;
        stopwatch.stop_at(SECOND);
        let stopwatch = phases.stopwatch(Part::Second);
        tokio::time::advance(3 * SECOND).await;
        drop(stopwatch);
        assert_eq!(phases.spent(Part::First), Some(SECOND));
        assert_eq!(phases.spent(Part::Second), Some(3 * SECOND));
        assert_eq!(phases.total(), 4 * SECOND);
        let stopwatch = phases.stopwatch_of_whole(Part::Second);
        tokio::time::advance(5 * SECOND).await;
        drop(stopwatch);
        assert_eq!(phases.spent(Part::Second), Some(3 * SECOND), "what was not whole is not shown");
        assert_eq!(phases.total(), 9 * SECOND);
    }
}
