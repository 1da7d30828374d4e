//! A connection on which the peer may say only so much.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::diagnostics::{Failure, Reason, Stage};

/// Reads of what is beyond the bound fail. Counted here, where every byte passes: what is in frames
/// without content never gets further than the library.
pub(super) struct Bounded<S> {
    stream: S,
    most: usize,
    received: usize,
}

impl<S> Bounded<S> {
    /// Bounds what is read of the connection to so many bytes.
    pub(super) fn new(stream: S, most: usize) -> Self {
        Self { stream, most, received: 0 }
    }

    fn too_much(&self) -> io::Error {
        let what = format!("the server said more than {} bytes", self.most);
        io::Error::other(Failure::new(Stage::Response, Reason::TooLarge, what))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.received = self.received.saturating_add(buffer.filled().len() - before);
        Poll::Ready(if self.received > self.most { Err(self.too_much()) } else { Ok(()) })
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
