//! Bounded queue of log lines, and the thread that writes them.
//!
//! If nobody reads stderr, writing to it blocks. Only that thread waits then, and lines for which
//! the queue has no room are dropped and counted.

use std::{
    io::{self, ErrorKind, Write},
    mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Maximum size of the waiting lines in bytes: some thousand lines.
const MAX_BYTES: usize = 1 << 20;

/// Capacity that an empty buffer keeps, in bytes.
const KEPT_CAPACITY: usize = 16 << 10;

/// Pause before the next attempt to write, if stderr is non-blocking and full.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    state: Mutex<State>,
    /// Notified when there is something to write, and when everything is written.
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<u8>,
    /// Number of dropped lines that no line has reported yet.
    unreported: u64,
    is_writing: bool,
}

impl LogQueue {
    pub(super) const fn new() -> Self {
        let lines = Vec::new();
        Self {
            state: Mutex::new(State { lines, unreported: 0, is_writing: false }),
            changed: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Number of lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Adds one line, or drops it if there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.state();
        if state.lines.len() + line.len() > MAX_BYTES {
            state.unreported += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            state.lines.extend_from_slice(line);
        }
        if !state.is_writing {
            self.changed.notify_all();
        }
    }

    /// Waits until all lines are written, at most for `timeout`.
    pub(super) fn flush(&self, timeout: Duration) {
        let is_busy = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let waited = self.changed.wait_timeout_while(self.state(), timeout, is_busy);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes lines forever. `report` formats the line about a number of dropped lines.
    pub(super) fn write_to(&self, mut out: impl Write, report: impl Fn(u64) -> String) {
        let mut unreported = 0;
        loop {
            let (lines, dropped) = self.take();
            unreported += dropped;
            let lost = write_lines(&mut out, &lines);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            unreported += lost;
            // Without an error, there is room again.
            if lost == 0
                && unreported > 0
                && write_lines(&mut out, report(unreported).as_bytes()) == 0
            {
                unreported = 0;
            }
            self.finish(lines);
        }
    }

    /// Waits for lines and takes them all, with the number of lines dropped after them.
    fn take(&self) -> (Vec<u8>, u64) {
        let is_idle = |state: &mut State| state.lines.is_empty() && state.unreported == 0;
        let waited = self.changed.wait_while(self.state(), is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_writing = true;
        (mem::take(&mut state.lines), mem::take(&mut state.unreported))
    }

    /// Records that the taken lines are written, and keeps their buffer.
    fn finish(&self, mut buffer: Vec<u8>) {
        let mut state = self.state();
        state.is_writing = false;
        if state.lines.is_empty() && buffer.capacity() <= KEPT_CAPACITY {
            buffer.clear();
            state.lines = buffer;
        }
        drop(state);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines, and returns the number of lines that could not be written.
fn write_lines(out: &mut impl Write, mut bytes: &[u8]) -> u64 {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => break,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_INTERVAL),
            Err(_) => break,
        }
    }
    u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX)
}

/// Standard error without the lock of `std`, which a blocked writer would keep.
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stderr(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    };

    use super::*;

    /// A writer that accepts one piece for each permit, and sends it on.
    struct Gate {
        permits: Receiver<io::Result<()>>,
        written: SyncSender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // After the end of a test, the thread stays here.
            self.permits.recv().unwrap_or_else(|_| {
                loop {
                    thread::park();
                }
            })?;
            self.written.send(String::from_utf8(bytes.to_vec()).unwrap()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A queue whose writer waits for permits, and what it writes.
    fn gated() -> (Arc<LogQueue>, SyncSender<io::Result<()>>, Receiver<String>) {
        let queue = Arc::new(LogQueue::new());
        let (permit, permits) = sync_channel(100);
        let (written, output) = sync_channel(100);
        let (gate, writing) = (Gate { permits, written }, Arc::clone(&queue));
        thread::spawn(move || writing.write_to(gate, |count| format!("{count} dropped\n")));
        (queue, permit, output)
    }

    #[test]
    fn a_blocked_writer_blocks_nobody_and_dropped_lines_are_reported() {
        let (queue, permit, output) = gated();
        queue.push(b"first\n");
        while !queue.state().is_writing {
            thread::yield_now();
        }
        let line = [vec![b'x'; MAX_BYTES / 2 - 1], vec![b'\n']].concat();
        for _ in 0..5 {
            queue.push(&line);
        }
        assert_eq!(queue.dropped(), 3);
        queue.flush(Duration::from_millis(1));
        for _ in 0..3 {
            permit.send(Ok(())).unwrap();
        }
        assert_eq!(output.recv().unwrap(), "first\n");
        assert_eq!(output.recv().unwrap().len(), MAX_BYTES, "two lines");
        assert_eq!(output.recv().unwrap(), "3 dropped\n");
        queue.push(b"last\n");
        permit.send(Ok(())).unwrap();
        assert_eq!(output.recv().unwrap(), "last\n");
        queue.flush(Duration::from_mins(1));
        assert!(queue.state().lines.is_empty() && !queue.state().is_writing);
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, permit, output) = gated();
        permit.send(Err(ErrorKind::StorageFull.into())).unwrap();
        queue.push(b"one\ntwo\n");
        queue.flush(Duration::from_mins(1));
        assert_eq!(queue.dropped(), 2);
        for error in [ErrorKind::WouldBlock, ErrorKind::Interrupted] {
            permit.send(Err(error.into())).unwrap();
        }
        permit.send(Ok(())).unwrap();
        permit.send(Ok(())).unwrap();
        queue.push(b"three\n");
        assert_eq!(output.recv().unwrap(), "three\n");
        assert_eq!(output.recv().unwrap(), "2 dropped\n");
        queue.flush(Duration::from_mins(1));
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn one_line_larger_than_the_queue_is_dropped() {
        let (queue, permit, output) = gated();
        permit.send(Ok(())).unwrap();
        queue.push(&vec![b'\n'; MAX_BYTES + 1]);
        assert_eq!(output.recv().unwrap(), "1 dropped\n");
    }
}
