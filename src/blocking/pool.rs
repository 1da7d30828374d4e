//! A pool of threads.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::sleep};

use super::{
    error::{BlockingError, NoThread},
    queue::{Job, Limits, Queues, Retry, Taken},
};

/// Threads for one kind of work. They are started when needed, and end when idle, except one.
pub(super) struct Pool {
    name: &'static str,
    /// Maximum number of threads that are busy with something else than a slow file.
    max_active: usize,
    limits: Limits,
    state: OnceLock<Mutex<State>>,
    has_work: Condvar,
}

struct State {
    queues: Queues,
    threads: usize,
    /// Threads that wait for work, or are about to take it.
    idle: usize,
}

/// Maximum number of threads, with those that hung files hold.
const MAX_THREADS: usize = 128;

/// Time after which an idle thread ends.
const IDLE_TIME: Duration = Duration::from_secs(10);

struct Task<T, W> {
    work: W,
    result: oneshot::Sender<T>,
}

impl<T: Send, W: FnOnce() -> T + Send> Job for Task<T, W> {
    fn perform(self: Box<Self>) {
        let Self { work, result } = *self;
        // After a panic the sender is dropped, and the receiver learns of it.
        if !result.is_closed()
            && let Ok(value) = catch_unwind(AssertUnwindSafe(work))
        {
            // The receiver may be gone.
            drop(result.send(value));
        }
    }
}

impl Pool {
    pub(super) const fn new(name: &'static str, max_active: usize, limits: Limits) -> Self {
        Self { name, max_active, limits, state: OnceLock::new(), has_work: Condvar::new() }
    }

    /// Starts a thread, if there is none.
    pub(super) fn start(&'static self) {
        let mut state = self.lock();
        if state.threads == 0
            && let Err(NoThread(err)) = self.spawn(&mut state)
        {
            log::warn!(err:%; "Cannot start the thread that reads files");
        }
    }

    /// Runs `work` to its end.
    pub(super) async fn run<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let (result, receiver) = oneshot::channel();
        let job = Box::new(Task { work, result });
        {
            let mut state = self.lock();
            self.ensure_thread(&mut state)?;
            state.queues.add(job);
        }
        self.has_work.notify_one();
        receiver.await.map_err(|_| BlockingError::Panicked)
    }

    /// Runs `work`, which reads the file at `path`. Waits `limits.hung` at most.
    pub(super) async fn on_file<T: Send + 'static>(
        &'static self,
        path: &Path,
        retry: Retry,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let (result, mut receiver) = oneshot::channel();
        let job = Box::new(Task { work, result });
        {
            let mut state = self.lock();
            let needs_thread = state.queues.needs_thread(path, retry)?;
            if needs_thread {
                self.ensure_thread(&mut state)?;
            }
            state.queues.add_read(path, job, needs_thread);
        }
        self.has_work.notify_one();
        let Limits { slow, hung, .. } = self.limits;
        for wait in [slow, hung.saturating_sub(slow)] {
            tokio::select! {
                biased;
                result = &mut receiver => return result.map_err(|_| BlockingError::Panicked),
                () = sleep(wait) => self.replace_slow_threads(),
            }
        }
        Err(self.lock().queues.overdue(path))
    }

    /// Starts a thread, if none is free for one more item and the limits allow it.
    ///
    /// # Errors
    /// If it cannot be started, and no other thread will take the item.
    fn ensure_thread(&'static self, state: &mut State) -> Result<(), BlockingError> {
        if state.idle > state.queues.ready() || !self.has_room(state) {
            return Ok(());
        }
        match self.spawn(state) {
            Err(error) if state.threads <= state.queues.slow_reads() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Starts threads for items that wait while slow files hold the others.
    fn replace_slow_threads(&'static self) {
        let mut state = self.lock();
        while state.idle < state.queues.ready() && self.has_room(&state) {
            if self.spawn(&mut state).is_err() {
                return;
            }
        }
    }

    fn has_room(&self, state: &State) -> bool {
        let busy = state.threads.saturating_sub(state.idle);
        state.threads < MAX_THREADS
            && (busy < self.max_active
                || busy.saturating_sub(state.queues.slow_reads()) < self.max_active)
    }

    fn spawn(&'static self, state: &mut State) -> Result<(), NoThread> {
        let thread = thread::Builder::new().name(self.name.to_owned());
        let thread = thread.stack_size(self.limits.stack_size);
        thread.spawn(|| self.work()).map_err(NoThread)?;
        state.threads += 1;
        state.idle += 1;
        Ok(())
    }

    /// The main function of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(taken) = state.queues.take() {
                state.idle -= 1;
                drop(state);
                let read = Taken::perform(taken);
                state = self.lock();
                state.idle += 1;
                state.queues.finish(read);
                continue;
            }
            let waited = self.has_work.wait_timeout(state, IDLE_TIME);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && state.queues.ready() == 0 && state.idle > 1 {
                state.threads -= 1;
                state.idle -= 1;
                return;
            }
        }
    }

    /// Number of threads.
    #[cfg(test)]
    pub(super) fn threads(&self) -> usize {
        self.lock().threads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let new = || Mutex::new(State { queues: Queues::new(self.limits), threads: 0, idle: 0 });
        self.state.get_or_init(new).lock().unwrap_or_else(PoisonError::into_inner)
    }
}
