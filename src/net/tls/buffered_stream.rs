//! The stream below TLS: reads ahead, and keeps what is worth knowing when a handshake fails.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::tls::{handshake_progress::HandshakeProgress, records::Records};

/// Reads more than it is asked for, since BoringSSL asks twice for each record: for its five bytes
/// of header, and for the rest.
pub(super) struct BufferedStream<S> {
    pub(super) stream: S,
    pub(super) received: Received,
    pub(super) records: Records,
    progress: HandshakeProgress,
    ahead: Vec<u8>,
    /// How much of `ahead` has been handed on.
    handed_on: usize,
}

/// How the peer's side of a connection began.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    /// The first bytes, enough to tell what is spoken and to show it.
    pub(super) beginning: Vec<u8>,
    /// Whether the peer has closed its side.
    pub(super) closed: bool,
}

/// So many first bytes are kept.
const KEPT: usize = 64;

/// So many bytes are read ahead; the answer to a hello mostly fits.
const AHEAD: usize = 4096;

impl<S> BufferedStream<S> {
    pub(super) fn new(stream: S, progress: HandshakeProgress) -> Self {
        let received = Received::default();
        let records = Records::default();
        Self { stream, received, records, progress, ahead: Vec::new(), handed_on: 0 }
    }

    /// Hands on what was read ahead; nothing if there is none.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.ahead.get(self.handed_on..).unwrap_or_default();
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..length).unwrap_or_default());
        self.handed_on += length;
        if self.handed_on == self.ahead.len() {
            // With its memory, since most of a connection's life is waiting for an answer.
            self.ahead = Vec::new();
            self.handed_on = 0;
        }
    }

    fn note(&mut self, new: &[u8]) {
        let missing = KEPT.saturating_sub(self.received.beginning.len());
        self.received.beginning.extend(new.iter().take(missing));
        self.received.closed = new.is_empty();
        self.records.pass(new);
        self.progress.note(new.len(), &self.received.beginning);
    }
}

/// A failed handshake tells its cause only if the stream can be printed.
impl<S> fmt::Debug for BufferedStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.received.fmt(formatter)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for BufferedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.ahead.is_empty() {
            if buffer.remaining() >= AHEAD {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
                self.note(buffer.filled().get(before..).unwrap_or_default());
                return Poll::Ready(Ok(()));
            }
            let mut space = [MaybeUninit::uninit(); AHEAD];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut space))?;
            self.note(space.filled());
            self.ahead.extend_from_slice(space.filled());
        }
        self.hand_on(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BufferedStream<S> {
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
