//! Files that do not respond, simulated by work that waits for its test.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::{
    BlockingError,
    pool::Pool,
    queue::{Limits, Retry},
};

const LIMITS: Limits = Limits {
    slow: Duration::from_millis(100),
    hung: Duration::from_millis(500),
    ..Limits::DEFAULT
};

fn pool() -> &'static Pool {
    Box::leak(Box::new(Pool::new("test", 32, LIMITS)))
}

/// A pool in which no read is hung, also on a busy machine.
fn patient() -> &'static Pool {
    let limits = Limits { hung: Duration::from_mins(1), ..LIMITS };
    Box::leak(Box::new(Pool::new("test", 32, limits)))
}

/// Reads until the file responds, since a read takes long on a busy machine.
async fn responds(pool: &'static Pool, file: &Path, retry: Retry) -> bool {
    for _ in 0..50 {
        if pool.on_file(file, retry, || 7).await.is_ok_and(|value| value == 7) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

/// Work that ends when the sender is dropped.
fn hung() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    (sender, move || receiver.recv().unwrap_or_default())
}

/// Reads `file` with work that hangs until the sender is dropped. Returns the error and an earlier
/// time than the start of the read.
async fn hang(pool: &'static Pool, file: &Path) -> (mpsc::Sender<()>, BlockingError, Instant) {
    loop {
        let (sender, work) = hung();
        let before = Instant::now();
        let error = pool.on_file(file, Retry::Later, work).await.unwrap_err();
        // On a busy machine, no thread may have begun the read in time: then nobody waits for it.
        if !matches!(error, BlockingError::Busy { .. }) {
            return (sender, error, before);
        }
    }
}

#[tokio::test]
async fn a_hung_file_holds_one_thread_and_other_files_are_read() {
    let (pool, file) = (pool(), Path::new("/hung"));
    let (hang, error, before) = hang(pool, file).await;
    assert!(error.to_string().starts_with("'/hung' has not responded for "), "{error}");
    for _ in 0..100 {
        let result = pool.on_file(file, Retry::Later, || ()).await;
        // After twice the time of `hung`, the file is read again.
        if before.elapsed() >= LIMITS.hung * 2 {
            break;
        }
        assert!(matches!(result, Err(BlockingError::Hung { .. })), "{result:?}");
        assert!(pool.threads() <= 2, "{} threads", pool.threads());
    }
    assert!(responds(pool, Path::new("/good"), Retry::Later).await);
    drop(hang);
    assert!(responds(pool, file, Retry::Later).await);
}

#[tokio::test]
async fn a_hung_file_is_read_again_at_a_request() {
    let (pool, file) = (pool(), Path::new("/hung"));
    let (_hang, ..) = hang(pool, file).await;
    assert!(responds(pool, file, Retry::Now).await);
    assert!(responds(pool, file, Retry::Later).await, "later reads need no request");

    let file = Path::new("/dead");
    let mut hangs = Vec::new();
    for _ in 0..20 {
        let (hang, work) = hung();
        hangs.push(hang);
        assert!(pool.on_file(file, Retry::Now, work).await.unwrap_err().is_hung());
    }
    assert!(pool.threads() < 10, "{} threads", pool.threads());
}

#[tokio::test]
async fn a_hung_file_system_holds_few_threads() {
    let pool = pool();
    let read = async |index: usize| hang(pool, Path::new(&format!("/dead/{index}"))).await;
    let first = join_all((0..20).map(read)).await;
    let held = first.iter().filter(|(_, error, _)| matches!(error, BlockingError::Hung { .. }));
    // Those whose read began late, on a busy machine, may find the file system hung already.
    let held = held.count();
    assert!((16..=20).contains(&held), "{first:?}");
    let second = join_all((20..40).map(read)).await;
    for (_, error, _) in &second {
        let text = error.to_string();
        assert!(text.contains(&format!("because {held} other files below '/' do not")), "{text}");
    }
    assert!(pool.threads() <= 20, "{} threads", pool.threads());
    assert!(responds(pool, Path::new("/proc/self/stat"), Retry::Later).await);
}

#[tokio::test]
async fn reads_of_one_file_do_not_overlap() {
    let pool = patient();
    let is_read = Arc::new(AtomicBool::new(false));
    let reads = (0..20).map(|_| {
        let is_read = Arc::clone(&is_read);
        pool.on_file(Path::new("/file"), Retry::Later, move || {
            assert!(!is_read.swap(true, Ordering::SeqCst), "another read runs");
            std::thread::yield_now();
            is_read.store(false, Ordering::SeqCst);
        })
    });
    for read in join_all(reads).await {
        read.unwrap();
    }
}

#[tokio::test]
async fn a_panic_is_an_error() {
    let pool = patient();
    let panicked = pool.on_file(Path::new("/file"), Retry::Later, || panic!("a defect")).await;
    assert!(matches!(panicked, Err(BlockingError::Panicked)), "{panicked:?}");
    assert!(matches!(pool.run(|| panic!("a defect")).await, Err(BlockingError::Panicked)));
    assert_eq!(pool.run(|| 7).await.unwrap(), 7);
}

#[tokio::test]
async fn a_thread_that_cannot_be_started_is_an_error() {
    let limits = Limits { stack_size: usize::MAX / 4, ..LIMITS };
    let pool: &'static Pool = Box::leak(Box::new(Pool::new("test", 32, limits)));
    let error = pool.on_file(Path::new("/file"), Retry::Later, || 7).await.unwrap_err();
    assert!(error.to_string().contains("raise the limit of the exporter"), "{error}");
    assert!(matches!(pool.run(|| 7).await, Err(BlockingError::NoThread(_))));
}
