//! Limits of reading a response.

use std::task::{Context, Poll};

use tokio::task::coop::poll_proceed;

/// Maximum size of the header of a response in bytes, trailers included.
///
/// Unlike upstream, which accepts 10 MiB.
pub(crate) const MAX_HEAD: usize = 512 << 10;

/// Maximum number of header fields, for which memory is reserved before they arrive.
pub(crate) const MAX_HEADERS: usize = 4096;

/// Maximum number of interim responses over HTTP/1.
pub(crate) const MAX_INTERIM: u32 = 100;

/// Number of bytes of a body that are read ahead. Go's HTTP/2 client uses 4 MiB for each connection.
pub(crate) const READ_AHEAD: u32 = 1 << 20;

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
