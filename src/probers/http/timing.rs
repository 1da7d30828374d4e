//! The times of one hop, read off the wire.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    net::wire::{Lap, Mark, WireClock},
    probers::http::measurements::{HttpMeasurements, HttpPhase},
};

/// A request that is under way, from the moment it is sent.
#[derive(Debug)]
pub(super) struct Running {
    clock: WireClock,
    first_read: FirstRead,
    http2: bool,
    progress: Progress,
}

#[derive(Debug, Clone, Copy)]
enum Progress {
    /// The head of the response is not there yet.
    Waiting,
    /// The head is there, and nothing else is timed.
    Answered { first_byte: Option<Mark> },
    /// The body of the final response is on its way.
    Transferring { first_byte: Option<Mark> },
    /// The final response is there.
    Complete { first_byte: Option<Mark> },
}

impl Running {
    /// For a request that is about to be sent on a connection with this clock.
    pub(super) fn new(clock: WireClock, first_read: FirstRead, http2: bool) -> Self {
        Self { clock, first_read, http2, progress: Progress::Waiting }
    }
}

impl HttpMeasurements {
    /// Notes that the head of the response is there.
    pub(super) fn note_head(&mut self) {
        let Some(running) = &mut self.running else { return };
        // HTTP/2 begins with frames about the connection, so there the first byte says nothing.
        let lap = match running.first_read.lap() {
            Some(lap) if !running.http2 => lap,
            _ => running.clock.so_far(),
        };
        self.phases.add(HttpPhase::Processing, lap.waiting);
        running.progress = Progress::Answered { first_byte: lap.last_byte };
    }

    /// Notes that the response is the final one, whose body counts.
    pub(super) fn begin_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Answered { first_byte } = running.progress
        {
            running.progress = Progress::Transferring { first_byte };
        }
    }

    /// Notes that the body of the final response is there, or that no more of it will come.
    pub(super) fn end_transfer(&mut self) {
        if let Some(running) = &mut self.running
            && let Progress::Transferring { first_byte } = running.progress
        {
            running.progress = Progress::Complete { first_byte };
        }
    }

    /// Adds up what is known of a hop that is over, or that was cut off.
    pub(super) fn settle_hop(&mut self) {
        let Some(running) = self.running.take() else { return };
        let lap = running.clock.lap();
        self.waiting += lap.waiting;
        match running.progress {
            Progress::Waiting => {
                // The peer began to answer, if only that.
                if let Some(lap) = running.first_read.lap().filter(|_| !running.http2) {
                    self.phases.add(HttpPhase::Processing, lap.waiting);
                }
            }
            Progress::Answered { .. } => {}
            Progress::Transferring { first_byte } => {
                let cut_off = first_byte.map(Mark::elapsed);
                self.phases.add(HttpPhase::Transfer, cut_off.unwrap_or_default());
            }
            Progress::Complete { first_byte } => {
                let (Some(first), Some(last)) = (first_byte, lap.last_byte) else { return };
                self.phases.add(HttpPhase::Transfer, last.since(first));
            }
        }
    }
}

/// The account of the connection at the moment of the first read behind TLS.
///
/// Below TLS the first bytes after a request may be session tickets, which are no answer.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstRead(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    lap: Option<Lap>,
    again: bool,
}

impl FirstRead {
    /// Takes the next read for the first one: what came so far was an interim response (1xx).
    ///
    /// Unlike upstream, where the time until the final response then counts as transfer. When both
    /// came in one read, the first byte stays that of the interim one.
    pub(super) fn skip(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).again = true;
    }

    fn lap(&self) -> Option<Lap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lap
    }

    fn note(&self, clock: &WireClock) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.lap.is_none() || noted.again {
            *noted = Noted { lap: Some(clock.so_far()), again: false };
        }
    }
}

/// A connection whose first read is noted.
pub(super) struct Watched<S> {
    stream: S,
    clock: WireClock,
    first_read: FirstRead,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, clock: WireClock, first_read: FirstRead) -> Self {
        Self { stream, clock, first_read }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.first_read.note(&self.clock);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
