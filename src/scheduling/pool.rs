//! Threads for work that needs much CPU time and cannot be interrupted: decompression, patterns and
//! expressions over large bodies, verification of long certificate chains.
//!
//! The threads have a lower priority than those that serve scrapers. The kernel interrupts them
//! whenever a scraper or a probe is to be served. There are as many as processors; work that comes
//! meanwhile waits, and is done in the order of arrival.

use std::{
    cell::Cell,
    collections::VecDeque,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::sync::oneshot;

use crate::blocking::{BlockingError, NoThread};

/// The error of work that was not done.
#[derive(Debug, Error)]
pub enum PoolError {
    /// No thread can be started.
    #[error(transparent)]
    NoThread(#[from] NoThread),
    /// It panicked.
    #[error("the work panicked")]
    Panicked,
}

impl From<PoolError> for BlockingError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::NoThread(error) => Self::NoThread(error),
            PoolError::Panicked => Self::Panicked,
        }
    }
}

/// Nice value of the threads, compared with that of the process. They get a tenth of the time of a
/// processor that others want too, so that work goes on also on a busy host.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Time after which a thread without work ends.
const MAX_IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// The threads and their work.
#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    has_work: Condvar,
    /// Maximum number of threads; 0 for one per processor.
    max_threads: AtomicUsize,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
}

static POOL: Pool = Pool {
    state: Mutex::new(State { work: VecDeque::new(), threads: 0, idle: 0 }),
    has_work: Condvar::new(),
    max_threads: AtomicUsize::new(0),
};

thread_local! {
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether this is a thread of the pool.
#[must_use]
pub fn is_worker() -> bool {
    IS_WORKER.get()
}

/// Sets the maximum number of threads.
pub fn set_max_threads(number: usize) {
    POOL.max_threads.store(number, Ordering::Relaxed);
}

/// Does `work` on a thread of the pool. Work whose future is dropped before it has begun is not
/// done.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PoolError> {
    let (result, receiver) = oneshot::channel();
    start(move || {
        if !result.is_closed() {
            // Nobody waits any more if it cannot be sent.
            drop(result.send(work()));
        }
    })?;
    receiver.await.map_err(|_| PoolError::Panicked)
}

/// Polls a future once on a thread of the pool, and returns it with the result and with its wake-ups.
pub async fn poll<F>(mut future: Pin<Box<F>>) -> Result<Polled<F>, PoolError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let task = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let woken = Arc::new(Woken { is_woken: AtomicBool::new(false), task });
    let waker = Waker::from(Arc::clone(&woken));
    run(move || {
        let result = future.as_mut().poll(&mut Context::from_waker(&waker));
        Polled { future, result, woken }
    })
    .await
}

/// A future that was polled on another thread.
pub struct Polled<F: Future> {
    future: Pin<Box<F>>,
    result: Poll<F::Output>,
    woken: Arc<Woken>,
}

impl<F: Future> Polled<F> {
    /// Returns the output of the future, or the future if it is not done.
    pub fn output(self) -> Result<F::Output, Self> {
        match self.result {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => Err(self),
        }
    }

    /// Waits until the future is to be polled again, and returns it.
    pub async fn woken(self) -> Pin<Box<F>> {
        poll_fn(|_| {
            let is_woken = self.woken.is_woken.load(Ordering::Acquire);
            if is_woken { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        self.future
    }
}

/// Wakes a task, and notes it: the task may have been polled for another reason meanwhile.
struct Woken {
    is_woken: AtomicBool,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// Starts `work` on a thread of the pool.
pub fn start(work: impl FnOnce() + Send + 'static) -> Result<(), NoThread> {
    POOL.add(Box::new(work))
}

impl Pool {
    fn add(&'static self, work: Work) -> Result<(), NoThread> {
        let mut state = self.state();
        state.work.push_back(work);
        if state.idle >= state.work.len() {
            self.has_work.notify_one();
        } else if state.threads < self.max_threads() {
            match thread::Builder::new().name("work".to_owned()).spawn(|| self.serve()) {
                Ok(_) => state.threads += 1,
                // The threads that run do it later.
                Err(_) if state.threads > 0 => {}
                Err(error) => {
                    state.work.pop_back();
                    return Err(NoThread(error));
                }
            }
        }
        Ok(())
    }

    fn max_threads(&self) -> usize {
        match self.max_threads.load(Ordering::Relaxed) {
            0 => thread::available_parallelism().map_or(1, usize::from),
            number => number,
        }
    }

    /// Does work until there is none for some time.
    fn serve(&self) {
        IS_WORKER.set(true);
        lower_priority();
        let mut state = self.state();
        loop {
            if let Some(work) = state.work.pop_front() {
                drop(state);
                // The waiting future notices that there is no result.
                drop(catch_unwind(AssertUnwindSafe(work)));
                state = self.state();
                continue;
            }
            state.idle += 1;
            let waited =
                self.has_work.wait_timeout_while(state, MAX_IDLE, |state| state.work.is_empty());
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timeout.timed_out() && state.work.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lowers the priority of this thread, which needs no permission.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::{
            process::{getpriority_process, setpriority_process},
            thread::gettid,
        };
        // On Linux, the priority is that of one thread. Without it, work is done all the same.
        let nice = getpriority_process(None).unwrap_or_default();
        let _ = setpriority_process(Some(gettid()), nice + NICE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn work_is_done_and_its_result_returned() {
        assert_eq!(run(|| 6 * 7).await.unwrap(), 42);
        let panicked = run(|| -> u32 { panic!("a defect") }).await;
        assert!(matches!(panicked, Err(PoolError::Panicked)));
        assert_eq!(run(|| 1).await.unwrap(), 1, "the threads go on");
    }

    #[tokio::test]
    async fn a_future_is_polled_on_another_thread_until_it_is_done() {
        let (sender, receiver) = oneshot::channel();
        let here = thread::current().id();
        let polled = poll(Box::pin(async move {
            assert_ne!(thread::current().id(), here);
            receiver.await
        }));
        let Err(polled) = polled.await.unwrap().output() else { panic!("it has no value yet") };
        sender.send(7).unwrap();
        let polled = poll(polled.woken().await).await.unwrap();
        assert_eq!(polled.output().ok(), Some(Ok(7)));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_not_begun() {
        let (began, begins) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        // Keeps all threads busy.
        for _ in 0..POOL.max_threads() {
            let (began, released) = (began.clone(), Arc::clone(&released));
            start(move || {
                began.send("busy").unwrap();
                released.lock().unwrap().recv().unwrap_err();
            })
            .unwrap();
        }
        let unwanted = began.clone();
        let unwanted = run(move || unwanted.send("unwanted").unwrap());
        let mut unwanted = Box::pin(unwanted);
        assert!(unwanted.as_mut().now_or_never().is_none());
        drop(unwanted);
        drop(release);
        run(move || began.send("last").unwrap()).await.unwrap();
        let all: Vec<_> = begins.try_iter().collect();
        assert!(all.ends_with(&["last"]) && !all.contains(&"unwanted"), "{all:?}");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_threads_have_a_lower_priority() {
        use rustix::{process::getpriority_process, thread::gettid};
        let own = getpriority_process(Some(gettid())).unwrap();
        let theirs = run(|| getpriority_process(Some(gettid())).unwrap()).await.unwrap();
        assert!(theirs > own || own == 19, "{theirs} {own}");
    }
}
