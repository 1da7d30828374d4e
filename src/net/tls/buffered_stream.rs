//! The transport stream below TLS: a read buffer, and the start of the peer's bytes for messages.

use std::{
    fmt, io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    memory::Held,
    net::tls::{handshake_progress::HandshakeProgress, records::Records},
    scheduling::turn,
};

/// A stream with a read buffer, since BoringSSL reads each record in two parts: the header of five
/// bytes, and the rest.
pub(super) struct BufferedStream<S> {
    pub(super) stream: S,
    pub(super) received: Received,
    pub(super) records: Records,
    progress: HandshakeProgress,
    /// The memory of what the peer sends during the handshake. It is given back when that is over.
    held: Option<Held>,
    buffered: Vec<u8>,
    /// The number of bytes of `buffered` that were read.
    position: usize,
}

/// The start of the bytes that the peer sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    /// The first bytes, to recognise the protocol and to show them in messages.
    pub(super) beginning: Vec<u8>,
    /// True if the peer has closed its side.
    pub(super) closed: bool,
}

/// Maximum number of first bytes to keep.
const MAX_BEGINNING: usize = 64;

/// Size of the read buffer in bytes. The answer to a `ClientHello` usually fits.
const BUFFER_SIZE: usize = 4096;

impl<S> BufferedStream<S> {
    pub(super) fn new(stream: S, progress: HandshakeProgress, held: Held) -> Self {
        let received = Received::default();
        let (records, held) = (Records::default(), Some(held));
        Self { stream, received, records, progress, held, buffered: Vec::new(), position: 0 }
    }

    /// Notes that the handshake is over.
    pub(super) fn end_handshake(&mut self) {
        self.held = None;
    }

    /// Copies buffered bytes to `buffer`.
    fn copy_buffered(&mut self, buffer: &mut ReadBuf<'_>) {
        let rest = self.buffered.get(self.position..).unwrap_or_default();
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..length).unwrap_or_default());
        self.position += length;
        if self.position == self.buffered.len() {
            // Frees the memory, since a connection mostly waits for an answer.
            self.buffered = Vec::new();
            self.position = 0;
        }
    }

    fn note(&mut self, new: &[u8]) -> io::Result<()> {
        let missing = MAX_BEGINNING.saturating_sub(self.received.beginning.len());
        self.received.beginning.extend(new.iter().take(missing));
        self.received.closed = new.is_empty();
        self.records.pass(new);
        self.progress.note(new.len(), &self.received.beginning);
        match &mut self.held {
            Some(held) => held.grow(new.len()).map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

/// `tokio_boring` reports the cause of a failed handshake only for streams with `Debug`.
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
        if self.buffered.is_empty() {
            if self.progress.is_to_move() {
                return Poll::Pending;
            }
            ready!(turn::poll_proceed(context));
            if buffer.remaining() >= BUFFER_SIZE {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
                let new = buffer.filled().get(before..).unwrap_or_default();
                return Poll::Ready(self.note(new));
            }
            let mut space = [MaybeUninit::uninit(); BUFFER_SIZE];
            let mut space = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut space))?;
            self.note(space.filled())?;
            self.buffered.extend_from_slice(space.filled());
        }
        self.copy_buffered(buffer);
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

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;
    use crate::{
        memory::ProbeMemory,
        scheduling::turn::busy_peer::{BusyPeer, assert_takes_turns},
    };

    #[test]
    fn a_busy_peer_is_read_in_turns() {
        let peer = BusyPeer::new(&[], &[22, 3, 3, 0, 1, 0]);
        let reads = std::sync::Arc::clone(&peer.reads);
        let held = std::sync::Arc::new(ProbeMemory::default()).hold();
        let mut stream = BufferedStream::new(peer, HandshakeProgress::default(), held);
        assert_takes_turns(&reads, async { while stream.read(&mut [0; 5]).await.unwrap() > 0 {} });
    }
}
