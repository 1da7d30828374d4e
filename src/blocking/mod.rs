//! Threads for calls that can block without an end: reading files, and lookups by the C library.
//!
//! If a file system does not respond, no timeout ends the call of a thread that reads a file of it.
//! Therefore the reads of one file run one after the other and hold one thread. The wait for a file
//! is bounded, and other threads read other files.

mod error;
mod mounts;
mod pool;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

pub use self::error::{BlockingError, NoThread};
use self::{
    pool::Pool,
    queue::{Limits, Retry},
};

/// Threads that read files and prepare their content.
static FILES: Pool = Pool::new("files", 64, Limits::DEFAULT);

/// Threads that look names up by the C library. The resolver limits the number of lookups.
static LOOKUPS: Pool = Pool::new("lookups", 64, Limits::DEFAULT);

/// Starts the first thread for files. It never ends, so files can be read also when no other thread
/// can be started.
pub fn start() {
    FILES.start();
}

/// Runs `work`, which reads the file at `path`, for 3 s at most.
pub async fn on_file<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    FILES.on_file(path, Retry::Later, work).await
}

/// Runs `work` like [`on_file`], even if an earlier read hangs. For reads that a user requests.
pub async fn on_file_again<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    FILES.on_file(path, Retry::Now, work).await
}

/// Runs `work`, which reads no file, to its end.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    FILES.run(work).await
}

/// Runs a lookup by the C library to its end.
pub async fn look_up<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    LOOKUPS.run(work).await
}

/// Checks that the system allows so many more threads.
///
/// # Errors
/// If it does not; the error describes the limit.
pub fn check_threads(count: usize) -> Result<(), NoThread> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        // Until it is dropped, no thread ends.
        let _closed = gate.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            let wait = || drop(gate.lock());
            thread::Builder::new().spawn_scoped(scope, wait).map_err(NoThread)?;
        }
        Ok(())
    })
}

/// Names the limit, if `error` is that of a thread that cannot be started.
#[must_use]
pub fn named(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => io::Error::other(NoThread(error)),
        _ => error,
    }
}
