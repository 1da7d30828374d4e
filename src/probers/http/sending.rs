//! When a request was sent, where the wire alone does not tell: over HTTP/2, other frames of ours
//! follow it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    net::wire::{Mark, WireClock},
    probers::http::request::RequestBody,
};

/// A request's body that tells when hyper has taken all of it.
pub(super) struct TakenBody {
    body: RequestBody,
    taken: Arc<AtomicBool>,
}

/// Finds out when a request was sent to its end.
pub(super) struct Sending {
    clock: WireClock,
    taken: Arc<AtomicBool>,
    sent: Option<Mark>,
    complete: bool,
}

impl Sending {
    /// Watches a body that is sent on a connection with this clock.
    pub(super) fn watch(body: RequestBody, clock: WireClock) -> (TakenBody, Self) {
        let taken = Arc::new(AtomicBool::new(body.is_end_stream()));
        let sending = Self { clock, taken: Arc::clone(&taken), sent: None, complete: false };
        (TakenBody { body, taken }, sending)
    }

    /// To be called whenever the connection has come to rest.
    pub(super) fn note(&mut self) {
        if !self.complete {
            self.sent = self.clock.so_far().last_send;
            self.complete = self.sent.is_some() && self.taken.load(Ordering::Relaxed);
        }
    }

    /// Just before the last bytes of the request were sent, or the last ones so far.
    pub(super) fn sent(&self) -> Option<Mark> {
        self.sent
    }
}

impl Body for TakenBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.taken.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
