//! The deadline of a probe, and the cause of its passing.
//!
//! A target is late only if it had its time. An exporter without a processor sends late, so that the
//! target has less; then it gets the rest, as far as the scraper waits. What it still lacks
//! was taken by the exporter, and the probe is refused.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

use crate::{
    diagnostics::{Refusal, phases},
    net::wire::find_wait,
    scheduling::{
        delay::{self, ThreadTimes, WorkTime},
        turn,
    },
};

/// The end of the run of a probe.
#[derive(Debug)]
pub(super) enum End<T> {
    /// It has a result.
    Done(T),
    /// The client has closed the connection.
    Gone,
    /// The time is over.
    Late(Late),
}

/// The shares of the time of a probe that was not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    /// Time of the target in the phase that was interrupted; zero if the probe waited for nothing from it.
    pub(super) of_target: Duration,
    /// Length of the phases that were interrupted.
    pub(super) interrupted: Duration,
    /// Time for which the thread worked for others, had no processor, or was stopped.
    pub(super) lost: Duration,
}

impl Late {
    fn new(had: Option<Duration>, lost: Duration) -> Self {
        Self { of_target: had.unwrap_or_default(), interrupted: Duration::ZERO, lost }
    }
}

/// The time limits of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The time that the target has.
    pub(super) timeout: Duration,
    /// Time by which the deadline can be extended.
    pub(super) spare: Duration,
}

/// Shortest time that a target is said to lack.
const MIN_SHORTAGE: Duration = Duration::from_millis(20);

/// The part of its timeout that a target can lack.
const TOLERATED_PART: u32 = 50;

impl Limits {
    /// Returns the time that the exporter took from the target: nothing if the probe has worked for
    /// longer than it was kept from working.
    fn lost(&self, kept: Duration, worked: Duration, waits_for_target: bool) -> Duration {
        // Without a wait for the target, it waits for work of its own on another thread, or for a file.
        let least = if waits_for_target { Duration::ZERO } else { self.timeout / 2 };
        if kept > worked.max(least) { kept } else { Duration::ZERO }
    }

    /// Returns the time that a target lacks which had `had`, as far as the exporter took it.
    fn shortage(&self, had: Duration, lost: Duration) -> Option<Duration> {
        let shortage = self.timeout.saturating_sub(had).min(lost);
        (shortage > MIN_SHORTAGE.max(self.timeout / TOLERATED_PART)).then_some(shortage)
    }
}

/// The time of a running probe.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) limits: Limits,
    /// Time for which the probe worked.
    work: WorkTime,
    /// Time for which the process was stopped. It is not delayed then, but its timer is late.
    stopped: Duration,
    /// The times of the thread before the probe.
    before: ThreadTimes,
}

impl Account {
    pub(super) fn new(limits: Limits) -> Self {
        let (work, before) = (WorkTime::default(), delay::recent());
        Self { limits, work, stopped: Duration::ZERO, before }
    }

    /// Returns the time that the exporter took from a target which had `had`, at a deadline that was noticed
    /// late.
    fn lost(&mut self, late_by: Duration, had: Option<Duration>) -> Duration {
        self.stopped += late_by;
        let times = delay::current() - self.before;
        // A thread that lost its processor while the probe worked did not work meanwhile.
        let worked = times.worked(self.work.sum());
        let kept = times.total().saturating_sub(worked).max(self.stopped);
        self.limits.lost(kept, worked, had.is_some())
    }

    /// Returns the time by which a deadline is extended that was noticed late.
    fn extension(
        &mut self,
        late_by: Duration,
        had: Option<Duration>,
        lost: Duration,
    ) -> Option<Duration> {
        // The scraper waits no longer for that.
        self.limits.spare = self.limits.spare.saturating_sub(late_by);
        let shortage = self.limits.shortage(had.unwrap_or_default(), lost)?;
        let extension = shortage.min(self.limits.spare);
        self.limits.spare = self.limits.spare.saturating_sub(extension);
        (!extension.is_zero()).then_some(extension)
    }
}

/// Runs `probe` until it ends, until the client is `gone`, or until the target has had its time.
///
/// `cut_off` is called before the probe is dropped without a result.
pub(super) async fn run<F: Future>(
    mut probe: Pin<&mut Option<F>>,
    account: &mut Account,
    gone: impl Future<Output = ()>,
    cut_off: impl FnOnce(),
) -> End<F::Output> {
    let (end, had) = {
        let mut deadline = pin!(sleep_until(Instant::now() + account.limits.timeout));
        let mut running = pin!(turn::in_turns(poll_fn(|context| {
            probe.as_mut().as_pin_mut().map_or(Poll::Pending, |probe| probe.poll(context))
        })));
        let mut gone = pin!(gone);
        loop {
            let end = poll_fn(|context| {
                // The client is polled first: a probe that never pauses would use up the task's
                // budget before the client is polled.
                if gone.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Some(End::Gone));
                }
                match account.work.measure(|| running.as_mut().poll(context)) {
                    Poll::Ready(result) => Poll::Ready(Some(End::Done(result))),
                    Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
                }
            });
            if let Some(end) = end.await {
                break (end, None);
            }
            // The runtime may have looked for events long before it ran this task. It looks again, so
            // that what has arrived until now is read. What is left is a wait for the target.
            let looked_at = Instant::now();
            yield_now().await;
            let (polled, wait) =
                poll_fn(|context| Poll::Ready(find_wait(|| running.as_mut().poll(context)))).await;
            if let Poll::Ready(result) = polled {
                break (End::Done(result), None);
            }
            let had = wait.map(|wait| wait.total().saturating_sub(looked_at.elapsed()));
            let late_by = looked_at.saturating_duration_since(deadline.deadline());
            let lost = account.lost(late_by, had);
            match account.extension(late_by, had, lost) {
                Some(time) => deadline.as_mut().reset(Instant::now() + time),
                None => break (End::Late(Late::new(had, lost)), had),
            }
        }
    };
    match end {
        End::Done(result) => End::Done(result),
        End::Gone => {
            cut_off();
            End::Gone
        }
        End::Late(late) => {
            cut_off();
            End::Late(Late { interrupted: phases::interrupt(had, || probe.set(None)), ..late })
        }
    }
}

/// Returns the refusal of a probe that was late, unless the target had its time: `waited` is the
/// length of all phases.
pub(super) fn refusal<T>(end: &End<T>, limits: &Limits, waited: Duration) -> Option<Refusal> {
    let End::Late(Late { of_target, interrupted, lost }) = *end else { return None };
    let had = waited.saturating_sub(interrupted) + of_target;
    limits.shortage(had, lost)?;
    let [had, timeout] = [had, limits.timeout].map(|time| time.as_secs_f64());
    Some(Refusal::cpu(format_args!(
        "the exporter had too little CPU time, so that the target had {had:.3} s of its {timeout} s"
    )))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{io::AsyncReadExt as _, net::UnixStream};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);
    const LIMITS: Limits = Limits { timeout: SECOND, spare: Duration::ZERO };

    #[test]
    fn only_a_target_that_lacked_time_is_refused() {
        for (earlier, of_target, lost, is_refused) in [
            // Silent, and the exporter had the processor.
            (0, 1000, 0, false),
            (0, 0, 0, false),
            // Silent, and the exporter was busy with something else meanwhile.
            (0, 1000, 1000, false),
            (600, 400, 1000, false),
            (600, 385, 1000, false),
            // It may have answered in the rest of its time.
            (600, 370, 1000, true),
            (0, 0, 30, true),
        ] {
            let [earlier, of_target, lost] = [earlier, of_target, lost].map(|ms: u32| ms * MS);
            let interrupted = 2 * SECOND;
            let end: End<()> = End::Late(Late { of_target, interrupted, lost });
            let refusal = refusal(&end, &LIMITS, earlier + interrupted);
            assert_eq!(refusal.is_some(), is_refused, "{end:?} {earlier:?}");
        }
        assert_eq!(refusal(&End::Done(()), &LIMITS, Duration::ZERO), None);
    }

    #[test]
    fn a_probe_that_works_takes_its_time_itself() {
        for (kept, worked, waits_for_target, lost) in [
            (30, 0, true, 30),
            (30, 20, true, 30),
            (30, 40, true, 0),
            (490, 0, false, 0),
            (510, 0, false, 510),
            (510, 520, false, 0),
        ] {
            let [kept, worked, lost] = [kept, worked, lost].map(|ms: u32| ms * MS);
            assert_eq!(LIMITS.lost(kept, worked, waits_for_target), lost, "{kept:?} {worked:?}");
        }
    }

    #[test]
    fn a_deadline_that_is_noticed_late_is_extended_by_less() {
        let mut account = Account::new(Limits { timeout: SECOND, spare: 500 * MS });
        let had = Some(100 * MS);
        assert_eq!(account.extension(200 * MS, had, 200 * MS), Some(200 * MS));
        assert_eq!(account.extension(20 * MS, had, SECOND), Some(80 * MS));
        assert_eq!(account.extension(Duration::ZERO, had, SECOND), None);
        let mut account = Account::new(Limits { timeout: SECOND, spare: 500 * MS });
        assert_eq!(account.extension(600 * MS, had, SECOND), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_probe_ends_at_its_deadline() {
        let start = Instant::now();
        let mut is_cut_off = false;
        let probe = pin!(Some(pending::<()>()));
        let limits = Limits { spare: SECOND, ..LIMITS };
        let end = run(probe, &mut Account::new(limits), pending(), || is_cut_off = true).await;
        assert!(matches!(end, End::Late(_)), "{end:?}");
        assert_eq!(start.elapsed(), SECOND);
        assert!(is_cut_off);
    }

    #[tokio::test]
    async fn an_answer_that_the_runtime_has_not_noticed_is_read() {
        let (mut near, far) = UnixStream::pair().expect("permitted");
        let start = Instant::now();
        // The thread is late for the other timers, and looks for events before both have run.
        tokio::spawn(async move {
            sleep_until(start + 10 * MS).await;
            std::thread::sleep(100 * MS);
        });
        tokio::spawn(async move {
            sleep_until(start + 20 * MS).await;
            far.try_write(b"answer")
        });
        let probe = pin!(Some(async move { near.read_u8().await.is_ok() }));
        let limits = Limits { timeout: 30 * MS, spare: Duration::ZERO };
        let end = run(probe, &mut Account::new(limits), pending(), || ()).await;
        assert!(matches!(end, End::Done(true)), "{end:?}");
    }
}
