//! Limits of reading that HTTP/1 and HTTP/2 share.

use std::task::{Context, Poll};

use tokio::task::coop::poll_proceed;

/// Maximum number of interim responses over HTTP/1.
pub(crate) const MOST_INTERIM: u32 = 100;

/// A turn is shortened for each piece of so many bytes.
const PIECE: usize = 4 << 10;

/// Shortens the task's turn by what so many bytes may cost: chunks and frames may be very small, and
/// others want to be served meanwhile.
pub(super) fn spend_turn(context: &mut Context<'_>, length: usize) {
    for _ in 0..length / PIECE {
        match poll_proceed(context) {
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => return,
        }
    }
}
