//! Moves a hyper connection along in the task of the probe itself, so that there is nobody else to
//! wake, and nothing outlives the probe.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

use hyper::rt::Executor;
use tokio::task::coop::unconstrained;

/// What hyper would spawn; dropped, connection and all, with the driver.
#[derive(Default)]
pub(crate) struct Driver {
    tasks: Arc<Tasks>,
    echo: Option<Arc<Echo>>,
}

/// Takes what hyper spawns.
///
/// Hyper keeps it within the very tasks that it has spawned, so it must not keep them: a connection
/// would never be closed.
#[derive(Clone)]
pub(crate) struct Spawner(Weak<Tasks>);

type Tasks = Mutex<Vec<Task>>;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How often the tasks may wake each other before others get their turn.
const MOST_ROUNDS: u32 = 32;

impl Driver {
    /// Where hyper is to spawn its tasks.
    pub(crate) fn spawner(&self) -> Spawner {
        Spawner(Arc::downgrade(&self.tasks))
    }

    /// Takes a task, to be polled with the next work.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.tasks).push(Box::pin(task));
    }

    /// Waits for `work` while the connection goes on.
    ///
    /// `work` is polled whenever the connection has come to rest: what can be sent by then is sent.
    pub(crate) async fn run<T>(&mut self, work: impl Future<Output = T>) -> T {
        // A peer that never pauses keeps the connection busy until the task's turn is over; what has
        // come of it is to be seen all the same.
        let mut work = pin!(unconstrained(work));
        poll_fn(|context| {
            self.advance(context.waker());
            work.as_mut().poll(context)
        })
        .await
    }

    fn advance(&mut self, outer: &Waker) {
        let echo = match &self.echo {
            Some(echo) if echo.outer.will_wake(outer) => Arc::clone(echo),
            _ => Arc::clone(self.echo.insert(Arc::new(Echo::new(outer.clone())))),
        };
        let waker = Waker::from(Arc::clone(&echo));
        let mut context = Context::from_waker(&waker);
        let mut running = Vec::new();
        echo.at_work.store(true, Ordering::SeqCst);
        for _ in 0..MOST_ROUNDS {
            echo.woken.store(false, Ordering::SeqCst);
            // Tasks begin others, which are to be polled too, or nobody would wake them.
            loop {
                let mut begun = self.take();
                if begun.is_empty() {
                    break;
                }
                begun.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
                running.append(&mut begun);
            }
            *lock(&self.tasks) = std::mem::take(&mut running);
            if !echo.woken.load(Ordering::SeqCst) {
                break;
            }
        }
        echo.at_work.store(false, Ordering::SeqCst);
        if echo.woken.load(Ordering::SeqCst) {
            outer.wake_by_ref();
        }
    }

    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut *lock(&self.tasks))
    }
}

fn lock(tasks: &Tasks) -> MutexGuard<'_, Vec<Task>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            lock(&tasks).push(Box::pin(task));
        }
    }
}

/// Passes a wake-up on, unless the tasks are being polled anyway.
struct Echo {
    outer: Waker,
    at_work: AtomicBool,
    woken: AtomicBool,
}

impl Echo {
    fn new(outer: Waker) -> Self {
        Self { outer, at_work: AtomicBool::new(false), woken: AtomicBool::new(false) }
    }
}

impl Wake for Echo {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.at_work.load(Ordering::SeqCst) {
            self.outer.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn tasks_wake_each_other_and_their_own_kind() {
        let mut driver = Driver::default();
        let (first, second) = (oneshot::channel(), oneshot::channel());
        let inner = driver.spawner();
        driver.spawn(async move {
            // Begun last, and waited for by the task before it.
            inner.execute(async move { first.0.send(1).unwrap() });
            second.0.send(first.1.await.unwrap() + 1).unwrap();
        });
        assert_eq!(driver.run(second.1).await, Ok(2));
    }

    #[tokio::test]
    async fn nothing_outlives_the_driver() {
        let mut driver = Driver::default();
        let (alive, ended) = oneshot::channel::<()>();
        let spawner = driver.spawner();
        spawner.clone().execute(async move {
            // As hyper's connections do.
            let _spawner = spawner;
            std::future::pending::<()>().await;
            drop(alive);
        });
        driver.run(async {}).await;
        drop(driver);
        assert!(ended.await.is_err(), "the task was dropped");
    }

    #[tokio::test]
    async fn the_connection_is_at_rest_when_work_is_polled() {
        let mut driver = Driver::default();
        let steps = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&steps);
        driver.spawn(async move {
            for _ in 0..10 {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        });
        let seen = driver.run(async { steps.load(Ordering::Relaxed) }).await;
        assert!(seen > 0, "the task was polled first");
    }

    #[tokio::test]
    async fn a_task_that_never_rests_does_not_hold_up_the_rest() {
        let mut driver = Driver::default();
        driver.spawn(async {
            loop {
                poll_fn(|context| {
                    context.waker().wake_by_ref();
                    std::task::Poll::<()>::Pending
                })
                .await;
            }
        });
        let (done, waiting) = oneshot::channel();
        tokio::spawn(async move { done.send(()).unwrap() });
        assert_eq!(driver.run(waiting).await, Ok(()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_task_that_uses_up_every_turn_does_not_hide_what_came_of_it() {
        let mut driver = Driver::default();
        driver.spawn(async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        });
        let (done, waiting) = oneshot::channel();
        tokio::spawn(async move { done.send(()).unwrap() });
        assert_eq!(driver.run(waiting).await, Ok(()));
    }
}
