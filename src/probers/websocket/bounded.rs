//! A connection with a limit on the number of received bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    memory::Held,
    scheduling::turn,
};

/// A connection whose reads fail after a number of bytes. The limit applies to the transport,
/// because the WebSocket library does not report the bytes of empty frames.
pub(super) struct Bounded<S> {
    stream: S,
    max: usize,
    received: usize,
    /// The memory of what was received since the last message.
    held: Held,
}

/// Number of copies of received bytes at the same time.
const COPIES: usize = 2;

impl<S> Bounded<S> {
    /// Limits the number of bytes that can be read from `stream` to `max`.
    pub(super) fn new(stream: S, max: usize, held: Held) -> Self {
        Self { stream, max, received: 0, held }
    }

    /// Notes that the last message was dropped.
    pub(super) fn release(&mut self) {
        // Less memory is always there.
        let _ = self.held.resize(0);
    }

    fn limit_exceeded(&self) -> io::Error {
        let what = format!("the server sent more than {} bytes, the limit of a dialogue", self.max);
        io::Error::other(Failure::new(Stage::Response, Reason::TooLarge, what))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(turn::poll_proceed(context));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let length = buffer.filled().len() - before;
        self.received = self.received.saturating_add(length);
        if self.received > self.max {
            return Poll::Ready(Err(self.limit_exceeded()));
        }
        // A message is copied from the buffer of the connection.
        let held = self.held.grow(COPIES * length);
        Poll::Ready(
            held.map_err(|error| io::Error::other(Failure::exhausted(Stage::Response, error))),
        )
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
