//! Limits of reading a response.

use std::task::{Context, Poll};

use tokio::task::coop::poll_proceed;

/// Maximum size of the header of a response in bytes, trailers included.
///
/// Unlike upstream, which accepts 10 MiB.
pub(crate) const MAX_HEAD: usize = 512 << 10;

/// Maximum number of header fields over HTTP/2 and HTTP/3, for which memory is reserved before they
/// arrive.
pub(crate) const MAX_HEADERS: usize = 4096;

/// Maximum number of header lines over HTTP/1. They are parsed at once, in less than 2 ms.
///
/// Unlike upstream, which accepts what fits into 10 MiB.
pub(crate) const MAX_LINES: usize = 6 << 10;

/// Maximum number of interim responses over HTTP/1.
pub(crate) const MAX_INTERIM: u32 = 100;

/// Number of bytes of a body that are read ahead. Go's HTTP/2 client uses 4 MiB for each connection.
pub(crate) const READ_AHEAD: u32 = 1 << 20;

/// Maximum number of frames without any of the response: about the connection, empty, or of an
/// unknown type. Servers in Go allow as many control frames.
///
/// Unlike upstream, which reads such frames until the deadline.
const MAX_IDLE_FRAMES: usize = 10_000;

/// A counter of the frames of a connection that carry none of the response.
#[derive(Debug, Default)]
pub(super) struct IdleFrames(usize);

impl IdleFrames {
    /// Counts a frame with `length` bytes of payload.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn note(&mut self, length: usize) -> Result<(), String> {
        // A long payload is as much work as several frames.
        self.0 += 1 + length / 256;
        if self.0 <= MAX_IDLE_FRAMES {
            return Ok(());
        }
        Err(format!(
            "it sends more than {MAX_IDLE_FRAMES} frames that carry none of the response, such as \
             pings and empty frames"
        ))
    }

    /// Allows one more frame for each kilobyte of the response.
    pub(super) fn note_content(&mut self, length: usize) {
        self.0 = self.0.saturating_sub(length >> 10);
    }
}

/// Number of bytes that count as one step of a task.
const STEP: usize = 4 << 10;

/// Reduces the cooperative budget of the task in proportion to the number of bytes that were read:
/// chunks and frames may be very small, and other tasks need CPU time meanwhile.
pub(super) fn spend_budget(context: &mut Context<'_>, length: usize) {
    for _ in 0..length / STEP {
        match poll_proceed(context) {
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => return,
        }
    }
}
