//! Limits of reading that HTTP/1 and HTTP/2 share.

use std::{
    io,
    task::{Context, Poll},
};

use tokio::task::coop::poll_proceed;

/// As many interim responses are skipped. A peer that sends them without end would keep hyper from
/// ever coming back from its loop.
pub(crate) const MOST_INTERIM: u32 = 100;

/// What hyper is told of more.
pub(super) fn too_many_interim() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there are too many interim responses")
}

/// A turn is shortened for each piece of so many bytes.
const PIECE: usize = 4 << 10;

/// Shortens the task's turn by what hyper may make of so many bytes: it takes chunks apart byte by
/// byte, and others want to be served meanwhile.
pub(super) fn spend_turn(context: &mut Context<'_>, length: usize) {
    for _ in 0..length / PIECE {
        match poll_proceed(context) {
            Poll::Ready(step) => step.made_progress(),
            Poll::Pending => return,
        }
    }
}
