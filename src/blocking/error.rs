//! Errors of blocking work.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// The error of work that was not done.
#[derive(Debug, Error)]
pub enum BlockingError {
    /// The file does not respond.
    #[error(
        "'{}' has not responded for {} s; its file system may hang", path.display(),
        waited.as_secs()
    )]
    Hung {
        /// The file.
        path: PathBuf,
        /// Time since the read began.
        waited: Duration,
    },
    /// Other files of the file system do not respond.
    #[error("'{}' is not read, because {files} other files below '{}' do not respond", path.display(), mount.display())]
    FileSystemHung {
        /// The file.
        path: PathBuf,
        /// The mount point of its file system.
        mount: PathBuf,
        /// Number of files that do not respond.
        files: usize,
    },
    /// All threads are busy.
    #[error("'{}' is not read, because all threads wait for other files, such as '{}'", path.display(), other.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// A file that a thread waits for.
        other: PathBuf,
    },
    /// No thread can be started.
    #[error(transparent)]
    NoThread(#[from] NoThread),
    /// The work panicked.
    #[error("internal error: the work panicked")]
    Panicked,
}

/// The error of a thread that cannot be started.
#[derive(Debug, Error)]
#[error(
    "cannot start a thread: {0}; raise the limit of the exporter (TasksMax=, pids.max, ulimit -u)"
)]
pub struct NoThread(pub io::Error);

impl BlockingError {
    /// Returns whether the file does not respond, as opposed to an error of the exporter.
    #[must_use]
    pub fn is_hung(&self) -> bool {
        matches!(self, Self::Hung { .. } | Self::FileSystemHung { .. } | Self::Busy { .. })
    }
}

impl From<BlockingError> for io::Error {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::NoThread(error) => Self::other(error),
            BlockingError::Panicked => Self::other(error),
            hung => Self::new(io::ErrorKind::TimedOut, hung),
        }
    }
}
