//! The number of probes that the CPU time suffices for.
//!
//! A thread that serves probes tells by how much it is late (its scheduling delay). Each step of a
//! probe waits that long, so the limit follows the delay: it falls with a delay that is too long, and
//! rises while probes wait for a place and no delay is. A short disturbance does not lower it below
//! what the CPU quota is enough for.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::UNLIMITED;

/// Longest delay at which probes have enough of their time. A probe over TLS has about six steps.
const MAX_DELAY: Duration = Duration::from_millis(200);

/// CPU time of a probe over TLS with its scrape; other probes need less.
const PROBE: Duration = Duration::from_micros(330);

/// Smallest limit.
const MIN_LIMIT: u32 = 4;

/// Time for which delays are too long until the estimate by the CPU quota does not count.
const DISTURBANCE: Duration = Duration::from_secs(1);

/// Time after the last delay that was too long, until there is no limit again.
const MEMORY: Duration = Duration::from_mins(1);

/// A limit that follows the scheduling delay.
#[derive(Debug)]
pub(super) struct CpuLimit(Mutex<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    limit: u32,
    /// The number of probes that take [`MAX_DELAY`] of CPU time, by the CPU quota.
    estimate: u32,
    /// Time since which all delays are too long.
    late_since: Option<Instant>,
    /// Time of the last delay that was too long.
    late: Instant,
    /// Time at which the limit was lowered.
    lowered: Instant,
}

/// The probes at the time of an observation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Number of probes that run.
    pub(super) running: u32,
    /// Number of probes that wait for a place.
    pub(super) waiting: u32,
}

impl Default for CpuLimit {
    /// No limit.
    fn default() -> Self {
        let now = Instant::now();
        let (estimate, late_since) = (MIN_LIMIT, None);
        let state = State { limit: UNLIMITED, estimate, late_since, late: now, lowered: now };
        Self(Mutex::new(state))
    }
}

impl CpuLimit {
    /// Sets the CPU time per second.
    pub(super) fn set_cpu(&self, per_second: Duration) {
        let at_once = per_second.as_micros() * MAX_DELAY.as_micros();
        let at_once = at_once / (PROBE.as_micros() * Duration::from_secs(1).as_micros());
        self.lock().estimate = u32::try_from(at_once).unwrap_or(UNLIMITED).max(MIN_LIMIT);
    }

    /// Returns the limit.
    pub(super) fn limit(&self) -> u32 {
        self.lock().limit
    }

    /// Adapts the limit to a delay that a thread observed just now. Returns the limit.
    pub(super) fn observe(&self, delay: Duration, load: Load) -> u32 {
        let mut state = self.lock();
        let now = Instant::now();
        if delay > MAX_DELAY {
            state.late = now;
            let since = *state.late_since.get_or_insert(now);
            let is_disturbance = now.duration_since(since) <= DISTURBANCE;
            let least = if is_disturbance { state.estimate } else { MIN_LIMIT };
            // Earlier, the lower limit has had no effect yet.
            let has_effect = now.duration_since(state.lowered) > delay;
            if state.limit == UNLIMITED || has_effect {
                state.limit = reduced(load.running, delay).max(least);
                state.lowered = now;
            }
            return state.limit;
        }
        state.late_since = None;
        if now.duration_since(state.late) > MEMORY {
            state.limit = UNLIMITED;
        } else if state.limit != UNLIMITED && load.waiting > 0 {
            let more = state.limit.saturating_add((state.limit / 10).max(1));
            state.limit = more.max(state.estimate);
        }
        state.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number of probes that cause the longest delay which is not too long, if `running` cause
/// this delay. Between half and nine tenths, since the delay may have other causes.
fn reduced(running: u32, delay: Duration) -> u32 {
    let tenths = (10 * MAX_DELAY.as_millis()) / delay.as_millis().max(1);
    let tenths = u32::try_from(tenths).unwrap_or(10).clamp(5, 9);
    running / 10 * tenths + running % 10 * tenths / 10
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Observes a delay after some time.
    async fn after(limit: &CpuLimit, time: Duration, delay: Duration, load: (u32, u32)) -> u32 {
        advance(time).await;
        limit.observe(delay, Load { running: load.0, waiting: load.1 })
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_delay_lowers_the_limit() {
        for (delay, limit) in [(200, UNLIMITED), (201, 900), (400, 500), (10_000, 500)] {
            let cpu = CpuLimit::default();
            assert_eq!(after(&cpu, 20_000 * MS, delay * MS, (1_000, 0)).await, limit, "{delay}");
            assert_eq!(cpu.limit(), limit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_disturbance_leaves_what_the_quota_is_enough_for() {
        for (cpu, estimate) in [(2_000, 1_212), (20, 12), (1, MIN_LIMIT)] {
            let limit = CpuLimit::default();
            limit.set_cpu(cpu * MS);
            assert_eq!(after(&limit, 1_000 * MS, 900 * MS, (3, 0)).await, estimate);
            assert_eq!(after(&limit, 1_000 * MS, 900 * MS, (3, 0)).await, estimate);
            // It lasts.
            assert_eq!(after(&limit, 1_000 * MS, 900 * MS, (3, 0)).await, MIN_LIMIT);
            assert_eq!(after(&limit, 100 * MS, MS, (3, 0)).await, MIN_LIMIT);
            assert_eq!(after(&limit, 100 * MS, MS, (3, 1)).await, estimate.max(MIN_LIMIT + 1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_has_time_to_act() {
        let cpu = CpuLimit::default();
        assert_eq!(after(&cpu, 1_000 * MS, 400 * MS, (1_000, 9)).await, 500);
        assert_eq!(after(&cpu, 300 * MS, 400 * MS, (1_000, 9)).await, 500);
        assert_eq!(after(&cpu, 101 * MS, 400 * MS, (600, 9)).await, 300);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_rises_while_probes_wait() {
        let cpu = CpuLimit::default();
        after(&cpu, 1_000 * MS, 400 * MS, (40, 0)).await;
        for limit in [20, 22, 24, 26, 28, 30, 33] {
            assert_eq!(cpu.limit(), limit);
            after(&cpu, 100 * MS, 200 * MS, (limit, 0)).await;
            assert_eq!(cpu.limit(), limit);
            after(&cpu, 100 * MS, 200 * MS, (limit, 1)).await;
        }
        assert_eq!(after(&cpu, MEMORY, MS, (30, 0)).await, UNLIMITED);
    }

    /// A thread that serves a constant number of probes a second gets five times as many: nearly all its
    /// time is used, and probes do not take long.
    #[tokio::test(start_paused = true)]
    async fn an_overloaded_thread_stays_busy_and_fast() {
        const STEP: Duration = Duration::from_millis(100);
        // Per step. A probe takes at least three steps, since it waits for its target.
        const SERVED: u32 = 10;
        let cpu = CpuLimit::default();
        let (mut running, mut done, mut longest) = (0_u32, 0, Duration::ZERO);
        for step in 0..600 {
            let arrived = 5 * SERVED;
            let limit = cpu.limit();
            let admitted = arrived.min(limit.saturating_sub(running));
            running += admitted;
            let finished = SERVED.min(running.div_ceil(3));
            running -= finished;
            let delay = STEP * running / (3 * SERVED);
            after(&cpu, STEP, delay, (running, arrived - admitted)).await;
            if step >= 50 {
                done += finished;
                longest = longest.max(delay);
            }
        }
        assert!(done > 550 * SERVED * 9 / 10, "{done}");
        assert!(longest < 2 * MAX_DELAY, "{longest:?}");
    }
}
