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

use std::path::Path;

pub use self::error::{BlockingError, NoThread};
use self::{
    pool::Pool,
    queue::{Limits, Retry},
};

/// Threads that read files and prepare their content.
static FILES: Pool = Pool::new("files", 32, Limits::DEFAULT);

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
