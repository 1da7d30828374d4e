//! Status of a connection.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

/// Status of a connection.
#[derive(Debug)]
pub(super) struct Status {
    /// The ticket since which the connection is idle, or [`BUSY`] or [`CLOSED`].
    pub(super) idle_since: AtomicU64,
    /// The key in `by_age`. Changes with it.
    pub(super) place: AtomicU64,
    opened_at: Instant,
    /// True if a request has arrived.
    is_used: AtomicBool,
    /// Woken when the connection is to be closed.
    pub(super) task: AtomicWaker,
}

/// A request is being served.
pub(super) const BUSY: u64 = 0;

/// The connection is to be closed.
pub(super) const CLOSED: u64 = u64::MAX;

impl Status {
    /// Creates the status of an idle connection.
    pub(super) fn new(ticket: u64) -> Self {
        Self {
            idle_since: AtomicU64::new(ticket),
            place: AtomicU64::new(ticket),
            opened_at: Instant::now(),
            is_used: AtomicBool::new(false),
            task: AtomicWaker::new(),
        }
    }

    /// Records that a request has arrived.
    pub(super) fn set_used(&self) {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Tells the connection to close if it has been idle since the ticket `since`.
    pub(super) fn close(&self, since: u64) -> bool {
        let closed =
            self.idle_since.compare_exchange(since, CLOSED, Ordering::AcqRel, Ordering::Relaxed);
        if closed.is_ok() {
            self.task.wake();
        }
        closed.is_ok()
    }

    /// Returns whether the first request may be on its way.
    pub(super) fn is_new(&self, grace: Duration) -> bool {
        !self.is_used.load(Ordering::Relaxed) && self.opened_at.elapsed() < grace
    }

    /// Makes a connection that was idle since `since` the youngest one. Returns its new place.
    pub(super) fn renew(&self, since: u64, ticket: u64) -> u64 {
        let renewed =
            self.idle_since.compare_exchange(since, ticket, Ordering::AcqRel, Ordering::Relaxed);
        let place = if renewed.is_ok() { ticket } else { since };
        self.place.store(place, Ordering::Relaxed);
        place
    }

    pub(super) fn is_closed(&self) -> bool {
        self.idle_since.load(Ordering::Acquire) == CLOSED
    }
}
