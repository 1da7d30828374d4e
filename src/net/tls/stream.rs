//! A TLS connection after its handshake.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_boring::SslStream;
use tokio_rustls::client;

use crate::{
    net::tls::{buffered_stream::BufferedStream, failure},
    settings::tls::TlsSettings,
};

/// The plain-text stream of a TLS connection.
///
/// The end of the transport is the end of the stream, also without `close_notify`, which many
/// servers omit. An end within a record is an error, as in Go's client. An error that TLS caused
/// contains a [`Failure`](crate::diagnostics::Failure).
pub struct TlsStream<S> {
    engine: Engine<S>,
    settings: Arc<TlsSettings>,
}

/// The engine of a connection.
enum Engine<S> {
    Boring(SslStream<BufferedStream<S>>),
    /// Boxed, since it is large and rare.
    Fallback(Box<client::TlsStream<BufferedStream<S>>>),
}

/// Calls a method of the engine as a pinned stream.
macro_rules! engine {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut $stream.engine {
            Engine::Boring(stream) => Pin::new(stream).$method($($argument),*),
            Engine::Fallback(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl<S> TlsStream<S> {
    pub(super) fn new(stream: SslStream<BufferedStream<S>>, settings: Arc<TlsSettings>) -> Self {
        Self { engine: Engine::Boring(stream), settings }
    }

    pub(super) fn by_fallback(
        stream: client::TlsStream<BufferedStream<S>>,
        settings: Arc<TlsSettings>,
    ) -> Self {
        Self { engine: Engine::Fallback(Box::new(stream)), settings }
    }

    /// The stream below TLS.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.below().stream
    }

    fn below(&self) -> &BufferedStream<S> {
        match &self.engine {
            Engine::Boring(stream) => stream.get_ref(),
            Engine::Fallback(stream) => stream.get_ref().0,
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        failure::of_io(&error, &self.settings).map_or(error, io::Error::other)
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TlsStream").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let is_end = match ready!(engine!(self, poll_read(context, buffer))) {
            Ok(()) => buffer.filled().len() == before && buffer.remaining() > 0,
            // The error of the fallback engine for an end without `close_notify`.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Err(error) => return Poll::Ready(Err(self.explain(error))),
        };
        if is_end && self.below().records.is_within() {
            let message = "the peer closed the connection within a TLS record";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, message)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = engine!(self, poll_write(context, bytes));
        written.map_err(|error| self.explain(error))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        engine!(self, poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = engine!(self, poll_shutdown(context));
        ended.map_err(|error| self.explain(error))
    }
}
