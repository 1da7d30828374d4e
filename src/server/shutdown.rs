//! State of a stop that is in progress, shared by handlers and connections.

use std::sync::atomic::{AtomicBool, Ordering};

/// State of a stop. It is requested first and begins after the shutdown delay; neither is undone.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    is_requested: AtomicBool,
    has_begun: AtomicBool,
}

impl Shutdown {
    /// Records that the stop was requested. Everything is still served, but connections end with
    /// their next response.
    pub(super) fn request(&self) {
        self.is_requested.store(true, Ordering::Release);
    }

    /// Records that the stop begins: no probes are started any more, and idle connections end.
    pub(super) fn begin(&self) {
        self.request();
        self.has_begun.store(true, Ordering::Release);
    }

    pub(super) fn is_requested(&self) -> bool {
        self.is_requested.load(Ordering::Acquire)
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Acquire)
    }
}
