//! The work that waits for a thread, and the reads that run.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{error::BlockingError, mounts::mount_point};

/// Time after which a hung file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// After intervals that double, since each read may hold another thread.
    Later,
    /// At once when it is slow, unless several reads hang.
    Now,
}

/// Work for a thread.
pub(super) trait Job: Send {
    /// Does the work, unless its result is no longer needed.
    fn perform(self: Box<Self>);
}

/// Limits of threads and of the time that a read takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Time after which a read counts as slow: it does not keep other files from a thread any more.
    pub(super) slow: Duration,
    /// Time after which a read counts as hung, and the maximum wait for a file.
    pub(super) hung: Duration,
    /// Size of the stack of a thread in bytes.
    pub(super) stack_size: usize,
}

impl Limits {
    pub(super) const DEFAULT: Self =
        Self { slow: Duration::from_secs(1), hung: Duration::from_secs(3), stack_size: 2 << 20 };
}

/// Maximum number of slow files of one file system.
const MAX_SLOW_PER_MOUNT: usize = 16;

/// Maximum number of hung reads of a file at which [`Retry::Now`] begins another one.
const MAX_RETRIES: usize = 4;

/// The state of a pool.
pub(super) struct Queues {
    limits: Limits,
    /// The files that are being read or wait for it.
    files: HashMap<PathBuf, FileQueue>,
    /// Work that the next threads take.
    ready: VecDeque<Ready>,
    /// Hung reads of files that responded to a later read.
    given_up: HashSet<u64>,
    last_number: u64,
}

enum Ready {
    File(PathBuf),
    Other(Box<dyn Job>),
}

/// The reads of one file.
#[derive(Default)]
struct FileQueue {
    waiting: VecDeque<Box<dyn Job>>,
    /// Number and start of each running read. All but the last one are hung.
    running: Vec<(u64, Instant)>,
    /// True if a thread is to take the file.
    is_ready: bool,
}

/// Work that a thread has taken.
pub(super) struct Taken {
    pub(super) job: Box<dyn Job>,
    read: Option<(PathBuf, u64)>,
}

impl Queues {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            files: HashMap::new(),
            ready: VecDeque::new(),
            given_up: HashSet::new(),
            last_number: 0,
        }
    }

    /// Number of items that threads can take.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn add(&mut self, job: Box<dyn Job>) {
        self.ready.push_back(Ready::Other(job));
    }

    /// Returns whether a read of `path` needs a thread, or waits for the read that runs.
    ///
    /// # Errors
    /// If the file or its file system is hung.
    pub(super) fn needs_thread(&self, path: &Path, retry: Retry) -> Result<bool, BlockingError> {
        let (is_ready, running) = match self.files.get(path) {
            Some(file) => (file.is_ready, &*file.running),
            None => (false, &[][..]),
        };
        if is_ready {
            return Ok(false);
        }
        if let (Some((_, first)), Some((_, last))) = (running.first(), running.last()) {
            let factor =
                u32::try_from(running.len()).map_or(u32::MAX, |many| 2_u32.saturating_pow(many));
            let limit = if retry == Retry::Now { self.limits.slow } else { self.limits.hung };
            if last.elapsed() < limit {
                return Ok(false);
            }
            let is_due = last.elapsed() >= self.limits.hung.saturating_mul(factor);
            if !is_due && (retry == Retry::Later || running.len() >= MAX_RETRIES) {
                return Err(BlockingError::Hung { path: path.to_owned(), waited: first.elapsed() });
            }
        }
        self.check_file_system(path).map(|()| true)
    }

    /// Refuses to read from a file system with many slow files.
    fn check_file_system(&self, path: &Path) -> Result<(), BlockingError> {
        let slow: Vec<_> = self.slow_files().collect();
        if slow.len() < MAX_SLOW_PER_MOUNT {
            return Ok(());
        }
        let mount = mount_point(path);
        let files = slow.iter().filter(|other| mount_point(other) == mount).count();
        if files < MAX_SLOW_PER_MOUNT {
            return Ok(());
        }
        Err(BlockingError::FileSystemHung { path: path.to_owned(), mount, files })
    }

    /// Adds a read of `path`.
    pub(super) fn add_read(&mut self, path: &Path, job: Box<dyn Job>, needs_thread: bool) {
        let file = self.files.entry(path.to_owned()).or_default();
        file.waiting.push_back(job);
        if needs_thread {
            file.is_ready = true;
            self.ready.push_back(Ready::File(path.to_owned()));
        }
    }

    /// Takes the next work.
    pub(super) fn take(&mut self) -> Option<Taken> {
        loop {
            let path = match self.ready.pop_front()? {
                Ready::Other(job) => return Some(Taken { job, read: None }),
                Ready::File(path) => path,
            };
            let Some(file) = self.files.get_mut(&path) else { continue };
            file.is_ready = false;
            if let Some(job) = file.waiting.pop_front() {
                self.last_number += 1;
                file.running.push((self.last_number, Instant::now()));
                return Some(Taken { job, read: Some((path, self.last_number)) });
            }
        }
    }

    /// Notes that work is done.
    pub(super) fn finish(&mut self, read: Option<(PathBuf, u64)>) {
        let Some((path, number)) = read else { return };
        if self.given_up.remove(&number) {
            return;
        }
        let Some(file) = self.files.get_mut(&path) else { return };
        // The file responds again: only threads of earlier reads still wait.
        let before = file.running.iter().map(|(number, _)| *number);
        self.given_up.extend(before.filter(|earlier| *earlier < number));
        file.running.retain(|(later, _)| *later > number);
        if file.waiting.is_empty() {
            if file.running.is_empty() {
                self.files.remove(&path);
            }
        } else if !file.is_ready {
            file.is_ready = true;
            self.ready.push_back(Ready::File(path));
        }
    }

    /// Number of threads that slow reads hold.
    pub(super) fn slow_reads(&self) -> usize {
        let running = self.files.values().flat_map(|file| &file.running);
        self.given_up.len()
            + running.filter(|(_, start)| start.elapsed() >= self.limits.slow).count()
    }

    /// The error of a read of `path` after the maximum wait.
    pub(super) fn overdue(&self, path: &Path) -> BlockingError {
        let start = self.files.get(path).and_then(|file| file.running.first());
        let path = path.to_owned();
        if let Some((_, start)) = start {
            return BlockingError::Hung { path, waited: start.elapsed() };
        }
        let other = self.slow_files().next().cloned().unwrap_or_default();
        BlockingError::Busy { path, other }
    }

    fn slow_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter_map(|(path, file)| {
            let (_, first) = file.running.first()?;
            (first.elapsed() >= self.limits.slow).then_some(path)
        })
    }
}

impl Taken {
    /// Does the work. Returns what [`Queues::finish`] needs.
    pub(super) fn perform(self) -> Option<(PathBuf, u64)> {
        self.job.perform();
        self.read
    }
}
