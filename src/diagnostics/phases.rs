//! How long the named parts of a probe took.

use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::{Metric, MetricSet};

/// The closed list of a prober's phases; the labels of its `..._duration_seconds{phase}`.
pub trait Phase: Copy + Eq + Send + 'static {
    /// The value of the label.
    fn label(self) -> &'static str;

    /// Whether the phase is shown only when it was brought to its end, as upstream shows it. The
    /// time of one that failed or was cut off is then incomplete.
    fn needs_completion(self) -> bool {
        false
    }
}

/// Time by phase. A phase that was not begun has no sample; repeats, as of redirects, add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phases<P> {
    parts: Vec<Part<P>>,
}

/// A stretch of time that was charged to a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part<P> {
    phase: P,
    /// Absent where the phase was only made known.
    begun: Option<Instant>,
    time: Duration,
    /// Waited for what never came, where upstream's phases show only what did.
    incomplete: bool,
}

/// A stretch of a probe's time, whatever the prober.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The label of the phase.
    pub phase: &'static str,
    /// When it began.
    pub begun: Instant,
    /// How long it took.
    pub time: Duration,
    /// Whether it was waited for what never came; no metric of a phase counts it then.
    pub incomplete: bool,
}

impl<P> Default for Phases<P> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<P: Phase> Phases<P> {
    /// Makes the phase known, with no time spent in it yet.
    pub fn begin(&mut self, phase: P) {
        if self.spent(phase).is_none() {
            self.parts.push(Part { phase, begun: None, time: Duration::ZERO, incomplete: false });
        }
    }

    /// Adds time to a phase that ends now.
    pub fn add(&mut self, phase: P, time: Duration) {
        self.add_until(phase, time, Instant::now());
    }

    /// Adds time to a phase that ended at `end`.
    pub fn add_until(&mut self, phase: P, time: Duration, end: Instant) {
        let begun = Some(end.checked_sub(time).unwrap_or(end));
        self.parts.push(Part { phase, begun, time, incomplete: false });
    }

    /// Adds time until now that was waited in vain; the metric of the phase does not show it.
    pub fn add_incomplete(&mut self, phase: P, time: Duration) {
        self.add_incomplete_until(phase, time, Instant::now());
    }

    /// As [`add_incomplete`](Self::add_incomplete), for time that ended at `end`.
    pub fn add_incomplete_until(&mut self, phase: P, time: Duration, end: Instant) {
        let begun = Some(end.checked_sub(time).unwrap_or(end));
        self.parts.push(Part { phase, begun, time, incomplete: true });
    }

    /// Charges the time from now until the stopwatch is stopped or dropped, so that a phase that is
    /// cut off counts too.
    pub fn stopwatch(&mut self, phase: P) -> Stopwatch<'_, P> {
        self.start(phase, false)
    }

    /// As [`stopwatch`](Self::stopwatch); if the latest stretch of time belongs to the same phase,
    /// it becomes longer.
    pub fn resume(&mut self, phase: P) -> Stopwatch<'_, P> {
        self.start(phase, true)
    }

    fn start(&mut self, phase: P, resumes: bool) -> Stopwatch<'_, P> {
        Stopwatch { phases: self, phase, start: Instant::now(), reading: None, resumes }
    }

    /// All time that is accounted for, shown or waited in vain.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.parts.iter().map(|part| part.time).sum()
    }

    /// The time spent in a phase so far, if it was begun.
    #[must_use]
    pub fn spent(&self, phase: P) -> Option<Duration> {
        let mut times = self.shown().filter(|part| part.phase == phase).map(|part| part.time);
        times.next().map(|first| first + times.sum::<Duration>())
    }

    /// Adds a sample for each phase that was begun.
    pub fn export(&self, metric: &Metric<1>, metrics: &mut MetricSet) {
        for (index, part) in self.shown().enumerate() {
            let is_first = self.shown().take(index).all(|earlier| earlier.phase != part.phase);
            if let Some(spent) = self.spent(part.phase).filter(|_| is_first) {
                metrics.add(metric, [part.phase.label()], spent.as_secs_f64());
            }
        }
    }

    /// Every stretch of time that was charged, in the order in which they ended.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.parts.iter().filter_map(|part| {
            let &Part { phase, begun, time, incomplete } = part;
            begun.map(|begun| Span { phase: phase.label(), begun, time, incomplete })
        })
    }

    fn shown(&self) -> impl Iterator<Item = &Part<P>> {
        self.parts.iter().filter(|part| !part.incomplete)
    }
}

/// A phase that is running; made by [`Phases::stopwatch`].
#[derive(Debug)]
pub struct Stopwatch<'p, P: Phase> {
    phases: &'p mut Phases<P>,
    phase: P,
    start: Instant,
    reading: Option<Duration>,
    resumes: bool,
}

impl<P: Phase> Stopwatch<'_, P> {
    /// Ends the phase with a reading from the wire in place of our own.
    pub fn stop_at(mut self, reading: Duration) {
        self.reading = Some(reading);
    }

    /// The same for a phase that ends now and had to wait for something else before it began.
    pub fn stop_now(mut self, reading: Duration) {
        let now = Instant::now();
        self.start = now.checked_sub(reading).unwrap_or(now);
        self.stop_at(reading);
    }
}

impl<P: Phase> Drop for Stopwatch<'_, P> {
    fn drop(&mut self) {
        let phase = self.phase;
        let time = self.reading.unwrap_or_else(|| self.start.elapsed());
        let incomplete = phase.needs_completion() && self.reading.is_none();
        let parts = &mut self.phases.parts;
        match parts.last_mut() {
            Some(last) if self.resumes && last.phase == phase && last.begun.is_some() => {
                last.time += time;
            }
            _ => parts.push(Part { phase, begun: Some(self.start), time, incomplete }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Leg {
        First,
        Second,
        Whole,
    }

    impl Phase for Leg {
        fn label(self) -> &'static str {
            "leg"
        }

        fn needs_completion(self) -> bool {
            self == Self::Whole
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_phase_counts_as_read_or_until_it_was_cut_off() {
        let mut phases = Phases::default();
        let stopwatch = phases.stopwatch(Leg::First);
        tokio::time::advance(2 * SECOND).await;
        stopwatch.stop_at(SECOND);
        let stopwatch = phases.stopwatch(Leg::Second);
        tokio::time::advance(3 * SECOND).await;
        drop(stopwatch);
        assert_eq!(phases.spent(Leg::First), Some(SECOND));
        assert_eq!(phases.spent(Leg::Second), Some(3 * SECOND));
        assert_eq!(phases.total(), 4 * SECOND);
        let stopwatch = phases.stopwatch(Leg::Whole);
        tokio::time::advance(5 * SECOND).await;
        drop(stopwatch);
        assert_eq!(phases.spent(Leg::Whole), None, "what was not completed is not shown");
        assert_eq!(phases.total(), 9 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_is_resumed_is_one_stretch_of_time() {
        let mut phases = Phases::default();
        phases.stopwatch(Leg::First).stop_at(SECOND);
        let start = Instant::now();
        phases.resume(Leg::Second).stop_at(SECOND);
        tokio::time::advance(SECOND).await;
        phases.resume(Leg::Second).stop_at(2 * SECOND);
        let spans: Vec<_> = phases.spans().map(|span| (span.begun, span.time)).collect();
        assert_eq!(spans, [(start, SECOND), (start, 3 * SECOND)]);
    }
}
