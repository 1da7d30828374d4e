//! The stream below TLS, with what is worth knowing when a handshake fails.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes everything through, and keeps the first bytes that the peer sent.
pub(super) struct Below<S> {
    pub(super) stream: S,
    pub(super) received: Received,
}

/// How the peer's side of a connection began.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    /// The first bytes, enough to tell what is spoken and to show it.
    pub(super) beginning: Vec<u8>,
    /// Whether the peer has closed its side.
    pub(super) closed: bool,
}

const KEPT: usize = 64;

impl<S> Below<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, received: Received::default() }
    }
}

/// A failed handshake tells its cause only if the stream can be printed.
impl<S> fmt::Debug for Below<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.received.fmt(formatter)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Below<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let missing = KEPT.saturating_sub(self.received.beginning.len());
        self.received.beginning.extend(new.iter().take(missing));
        self.received.closed = new.is_empty() && buffer.remaining() > 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Below<S> {
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
