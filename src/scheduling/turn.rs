//! Turns of the probes of a thread.
//!
//! A peer that sends without pause keeps its probe busy. Such a probe gets turns of at most
//! [`MAX_TURN`]: the code that reads from a peer asks [`poll_proceed`] before each read. At the end
//! of its turn, the probe joins a queue. Before the next turn of the queue, the thread looks at all
//! of its sockets and runs every other task that is ready. Scrapes and waiting probes are therefore
//! delayed by one turn, and not by one turn of each busy probe.
//!
//! A turn is elapsed time, which costs little to read, and is not read for a probe that reads once
//! and then waits. A thread that the kernel has interrupted ends the turn early, which does no harm.
//! Times of packets are the kernel's, so that turns do not change them.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tokio::task::yield_now;

/// Maximum duration of a turn.
pub const MAX_TURN: Duration = Duration::from_millis(1);

/// The turn of the probe that is being polled.
#[derive(Debug, Clone, Copy, Default)]
enum Turn {
    /// No probe is being polled.
    #[default]
    Outside,
    /// The probe has read nothing.
    New,
    /// The probe has read once.
    Begun,
    /// The probe has read more often.
    Until(Instant),
    /// The probe was told to wait.
    Over,
}

thread_local! {
    static TURN: Cell<Turn> = Cell::default();
    /// The tasks inside the probe that wait for its next turn.
    static WAITING: RefCell<Vec<Waker>> = RefCell::default();
    static QUEUE: RefCell<Arc<Queue>> = RefCell::default();
}

/// Ready as long as the turn of the probe lasts. Outside of [`in_turns`], always ready.
///
/// After `Pending`, the future is polled again when its probe has its next turn.
pub fn poll_proceed(context: &mut Context<'_>) -> Poll<()> {
    match TURN.get() {
        Turn::Outside => return Poll::Ready(()),
        Turn::New => {
            TURN.set(Turn::Begun);
            return Poll::Ready(());
        }
        Turn::Begun => {
            TURN.set(Turn::Until(Instant::now() + MAX_TURN));
            return Poll::Ready(());
        }
        Turn::Until(end) if Instant::now() < end => return Poll::Ready(()),
        Turn::Until(_) | Turn::Over => {}
    }
    TURN.set(Turn::Over);
    WAITING.with_borrow_mut(|waiting| waiting.push(context.waker().clone()));
    Poll::Pending
}

/// Waits for the next turn if this one is over.
pub async fn proceed() {
    poll_fn(poll_proceed).await;
}

/// Returns the rest of the turn. Outside of [`in_turns`], a whole turn.
#[must_use]
pub fn rest() -> Duration {
    match TURN.get() {
        Turn::Outside => MAX_TURN,
        Turn::New | Turn::Begun => {
            TURN.set(Turn::Until(Instant::now() + MAX_TURN));
            MAX_TURN
        }
        Turn::Until(end) => end.saturating_duration_since(Instant::now()),
        Turn::Over => Duration::ZERO,
    }
}

/// Runs `future` in turns.
pub async fn in_turns<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut place = Place::default();
    poll_fn(|context| place.poll(context, |context| future.as_mut().poll(context))).await
}

/// The busy probes of a thread that wait for their next turn.
#[derive(Debug, Default)]
struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    probes: VecDeque<(u64, Waker)>,
    /// The probe whose turn is next.
    next: Option<u64>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Gives the next turn to the first probe, unless another one has it.
    fn advance(&mut self) {
        if self.next.is_none()
            && let Some((id, waker)) = self.probes.pop_front()
        {
            self.next = Some(id);
            wake_after_events(&waker);
        }
    }

    /// Ends the turn of a probe, or its wait.
    fn remove(&mut self, id: u64) {
        if self.next == Some(id) {
            self.next = None;
            self.advance();
        } else {
            self.probes.retain(|(other, _)| *other != id);
        }
    }
}

/// Wakes a task after the runtime has looked for events of sockets and timers, as `yield_now` does.
fn wake_after_events(waker: &Waker) {
    let yielded = pin!(yield_now()).poll(&mut Context::from_waker(waker));
    debug_assert!(yielded.is_pending());
}

/// The place of a probe in a queue, if it has one.
#[derive(Debug, Default)]
struct Place {
    queue: Option<(Arc<Queue>, u64)>,
    /// The tasks inside the probe that wait for its next turn.
    waiting: Vec<Waker>,
}

impl Place {
    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Some((queue, id)) = &self.queue {
            let mut waiting = queue.waiting();
            if waiting.next != Some(*id) {
                let place = waiting.probes.iter_mut().find(|(other, _)| other == id);
                if let Some((_, waker)) = place {
                    waker.clone_from(context.waker());
                }
                return Poll::Pending;
            }
        }
        if !self.waiting.is_empty() {
            // A set of futures polls only those that were woken.
            let inner = self.waiting.drain(..).filter(|waker| !waker.will_wake(context.waker()));
            inner.for_each(Waker::wake);
        }
        let outer = TURN.replace(Turn::New);
        let polled = poll(context);
        let is_over = matches!(TURN.replace(outer), Turn::Over);
        if is_over {
            self.waiting = WAITING.take();
        }
        if is_over && polled.is_pending() {
            self.join(context.waker());
        } else {
            self.leave();
        }
        polled
    }

    /// Goes to the end of the queue of this thread.
    fn join(&mut self, waker: &Waker) {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let queue = QUEUE.with_borrow(Arc::clone);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        queue.waiting().probes.push_back((id, waker.clone()));
        self.leave();
        queue.waiting().advance();
        self.queue = Some((queue, id));
    }

    fn leave(&mut self) {
        if let Some((queue, id)) = self.queue.take() {
            queue.waiting().remove(id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
pub(crate) mod busy_peer {
    //! A peer that always has something to say.

    use std::{
        io,
        pin::Pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Waker,
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;

    /// A connection whose reads take a quarter of a turn each, and never wait.
    pub(crate) struct BusyPeer {
        /// The bytes to read, with the position from which they are repeated.
        bytes: Vec<u8>,
        position: usize,
        repeated: usize,
        pub(crate) reads: Arc<AtomicUsize>,
    }

    impl BusyPeer {
        /// Says `first`, and then `more` without end.
        pub(crate) fn new(first: &[u8], more: &[u8]) -> Self {
            let bytes = [first, more].concat();
            Self { bytes, position: 0, repeated: first.len(), reads: Arc::default() }
        }
    }

    impl AsyncRead for BusyPeer {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            assert!(self.reads.fetch_add(1, Ordering::Relaxed) < 1000, "it reads without end");
            let start = Instant::now();
            while start.elapsed() < MAX_TURN / 4 {}
            // Little enough to be processed in no time.
            let length = buffer.remaining().min(64);
            for _ in 0..length {
                buffer.put_slice(&[self.bytes[self.position]]);
                self.position += 1;
                if self.position == self.bytes.len() {
                    self.position = self.repeated;
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for BusyPeer {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Checks that a probe that does not end reads for one turn in each poll.
    #[track_caller]
    pub(crate) fn assert_takes_turns(reads: &AtomicUsize, probe: impl Future) {
        let mut probe = pin!(in_turns(probe));
        let mut polls_with_reads = 0;
        for _ in 0..20 {
            let before = reads.load(Ordering::Relaxed);
            let polled = probe.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it does not end");
            let made = reads.load(Ordering::Relaxed) - before;
            assert!(made <= 7, "{made} reads in one poll");
            // None if the thread lost its processor until the turn was over.
            polls_with_reads += u32::from(made > 0);
        }
        assert!(polls_with_reads >= 3, "{polls_with_reads} polls with reads");
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// Keeps the thread busy for ever, as a peer that sends without pause.
    async fn busy(turns: Rc<Cell<u32>>) {
        loop {
            let start = Instant::now();
            while start.elapsed() < MAX_TURN / 4 {}
            if rest().is_zero() {
                turns.set(turns.get() + 1);
            }
            proceed().await;
        }
    }

    #[tokio::test]
    async fn one_busy_probe_runs_between_two_looks_at_the_sockets() {
        const PROBES: usize = 20;
        LocalSet::new()
            .run_until(async {
                let turns: Vec<_> = (0..PROBES).map(|_| Rc::new(Cell::new(0))).collect();
                let probes: Vec<_> = turns
                    .iter()
                    .map(|turns| spawn_local(in_turns(busy(Rc::clone(turns)))))
                    .collect();
                // The first turn of each.
                yield_now().await;
                let count = || turns.iter().map(|turns| turns.get()).sum::<u32>();
                let before = count();
                for _ in 0..PROBES {
                    // Woken after the events of sockets.
                    yield_now().await;
                }
                let made = count() - before;
                assert!((10..=30).contains(&made), "{made}");
                assert!(turns.iter().all(|turns| (1..=3).contains(&turns.get())), "{turns:?}");
                // A probe that ends gives its turn to the next one.
                probes[0].abort();
                probes[7].abort();
                let before = turns[1].get();
                while turns[1].get() == before {
                    yield_now().await;
                }
            })
            .await;
    }

    #[tokio::test]
    async fn only_probes_have_turns() {
        let start = Instant::now();
        while start.elapsed() < 2 * MAX_TURN {}
        proceed().await;
        let waits = poll_fn(|context| {
            Poll::Ready([1, 2, 3].map(|_| {
                let start = Instant::now();
                while start.elapsed() < 2 * MAX_TURN {}
                poll_proceed(context).is_pending()
            }))
        });
        assert_eq!(in_turns(waits).await, [false, false, true]);
    }
}
