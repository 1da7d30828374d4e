//! Durations of the phases of a probe.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

use crate::metrics::{Metric, MetricSet};

/// Phase of a prober: a value of the label `phase` of its `..._duration_seconds`.
pub trait Phase: Copy + Eq + Send + 'static {
    /// Returns the value of the label.
    fn label(self) -> &'static str;

    /// Returns true if the phase is exported only when completed, as in upstream. The span of an
    /// interrupted one is then incomplete.
    fn needs_completion(self) -> bool {
        false
    }
}

/// Durations by phase. A phase that has not begun has no sample; repetitions, as in redirects, are
/// summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phases<P> {
    parts: Vec<Part<P>>,
}

/// Time that is attributed to a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part<P> {
    phase: P,
    /// Absent if the phase was only registered.
    begun: Option<Instant>,
    time: Duration,
    /// The event that ends the phase did not occur; upstream exports only completed phases here.
    incomplete: bool,
}

/// Time span of a probe, of any prober.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Label of the phase.
    pub phase: &'static str,
    /// Start of the span.
    pub begun: Instant,
    /// Duration of the span.
    pub time: Duration,
    /// True if the event that ends the phase did not occur; the span is then in no metric of a phase.
    pub incomplete: bool,
}

impl<P> Default for Phases<P> {
    fn default() -> Self {
        Self { parts: Vec::new() }
    }
}

impl<P: Phase> Phases<P> {
    /// Registers the phase with a duration of zero.
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

    /// Adds time that ends now to a phase without its end; the metric of the phase does not include it.
    pub fn add_incomplete(&mut self, phase: P, time: Duration) {
        self.add_incomplete_until(phase, time, Instant::now());
    }

    /// Adds time that ended at `end`, like [`add_incomplete`](Self::add_incomplete).
    pub fn add_incomplete_until(&mut self, phase: P, time: Duration, end: Instant) {
        let begun = Some(end.checked_sub(time).unwrap_or(end));
        self.parts.push(Part { phase, begun, time, incomplete: true });
    }

    /// Returns a stopwatch that adds the time until it is stopped or dropped, so an interrupted phase
    /// counts too.
    pub fn stopwatch(&mut self, phase: P) -> Stopwatch<'_, P> {
        self.start(phase, false)
    }

    /// Returns a stopwatch like [`stopwatch`](Self::stopwatch) that extends the latest span if it
    /// belongs to the same phase.
    pub fn resume(&mut self, phase: P) -> Stopwatch<'_, P> {
        self.start(phase, true)
    }

    fn start(&mut self, phase: P, resumes: bool) -> Stopwatch<'_, P> {
        Stopwatch { phases: self, phase, start: Instant::now(), reading: None, resumes }
    }

    /// Returns the sum of all spans, complete and incomplete.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.parts.iter().map(|part| part.time).sum()
    }

    /// Returns the time spent in a phase, if it has begun.
    #[must_use]
    pub fn spent(&self, phase: P) -> Option<Duration> {
        let mut times = self.shown().filter(|part| part.phase == phase).map(|part| part.time);
        times.next().map(|first| first + times.sum::<Duration>())
    }

    /// Adds a sample for each phase that has begun.
    pub fn export(&self, metric: &Metric<1>, metrics: &mut MetricSet) {
        for (index, part) in self.shown().enumerate() {
            let is_first = self.shown().take(index).all(|earlier| earlier.phase != part.phase);
            if let Some(spent) = self.spent(part.phase).filter(|_| is_first) {
                metrics.add(metric, [part.phase.label()], spent.as_secs_f64());
            }
        }
    }

    /// Returns all spans in the order of their ends.
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

/// Running phase; created by [`Phases::stopwatch`].
#[derive(Debug)]
pub struct Stopwatch<'p, P: Phase> {
    phases: &'p mut Phases<P>,
    phase: P,
    start: Instant,
    reading: Option<Duration>,
    resumes: bool,
}

impl<P: Phase> Stopwatch<'_, P> {
    /// Ends the phase with a duration from packet timestamps.
    pub fn stop_at(mut self, reading: Duration) {
        self.reading = Some(reading);
    }

    /// Ends the phase now with a duration from packet timestamps, and moves its start accordingly.
    pub fn stop_now(mut self, reading: Duration) {
        let now = Instant::now();
        self.start = now.checked_sub(reading).unwrap_or(now);
        self.stop_at(reading);
    }
}

impl<P: Phase> Drop for Stopwatch<'_, P> {
    fn drop(&mut self) {
        let phase = self.phase;
        let time = self.reading.unwrap_or_else(|| {
            let Interruption { reading, sum } = INTERRUPTION.get();
            let time = reading.unwrap_or_else(|| self.start.elapsed());
            INTERRUPTION.set(Interruption { reading, sum: sum + time });
            time
        });
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

thread_local! {
    static INTERRUPTION: Cell<Interruption> = const { Cell::new(Interruption::NONE) };
}

/// The knowledge about phases that are interrupted.
#[derive(Debug, Clone, Copy)]
struct Interruption {
    /// Their duration from packet timestamps.
    reading: Option<Duration>,
    /// The sum of those that were interrupted.
    sum: Duration,
}

impl Interruption {
    const NONE: Self = Self { reading: None, sum: Duration::ZERO };
}

/// Runs `end`, which drops stopwatches of phases that are interrupted. They get this reading; without one,
/// the time until now. Returns the sum of their times.
pub fn interrupt(reading: Option<Duration>, end: impl FnOnce()) -> Duration {
    let outer = INTERRUPTION.replace(Interruption { reading, ..Interruption::NONE });
    end();
    INTERRUPTION.replace(outer).sum
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
    async fn a_phase_has_its_reading_or_the_time_until_its_interruption() {
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
    async fn an_interrupted_phase_has_the_time_of_the_target() {
        let mut phases = Phases::default();
        for (reading, time) in [(Some(SECOND), SECOND), (None, 3 * SECOND)] {
            let stopwatch = phases.stopwatch(Leg::First);
            tokio::time::advance(3 * SECOND).await;
            assert_eq!(interrupt(reading, || drop(stopwatch)), time);
        }
        assert_eq!(phases.total(), 4 * SECOND);
        let stopwatch = phases.stopwatch(Leg::First);
        assert_eq!(interrupt(None, || stopwatch.stop_at(SECOND)), Duration::ZERO);
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
