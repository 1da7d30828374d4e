//! Disables HTTP pipelining on a connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that holds back the next request until the client starts reading the response to
/// the current one.
///
/// Actix reads all pipelined requests and buffers their responses. A client that pipelines requests
/// and reads no response would take megabytes of memory. While a response is pending, one byte is
/// read ahead, as Go's server does, to detect that the client has disconnected.
pub(super) struct OneRequestAtATime<S> {
    stream: S,
    /// Set from the end of a request's head until the first byte of its response is written.
    awaits_response: bool,
    /// Set while the current line is empty. An empty line ends a head.
    line_is_empty: bool,
    /// Bytes that were read but not passed on yet.
    read_ahead: BytesMut,
    /// Wakes the reader that waits for the response to be written.
    reader: Option<Waker>,
}

/// Maximum number of bytes read at once. Requests within one read are passed on together.
const MAX_READ_BYTES: usize = 2048;

impl<S> OneRequestAtATime<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            awaits_response: false,
            line_is_empty: false,
            read_ahead: BytesMut::new(),
            reader: None,
        }
    }

    /// Looks for the end of a head in the bytes passed on. Like actix, accepts lines that end
    /// without a carriage return (RFC 9112, section 2.2).
    fn find_end_of_head(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.line_is_empty => {
                    self.awaits_response = true;
                    self.line_is_empty = false;
                }
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
        }
    }

    /// Records that a part of the response was written, and wakes the reader.
    fn response_started(&mut self) {
        self.awaits_response = false;
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> OneRequestAtATime<S> {
    /// Reads at most `limit` bytes into `read_ahead`. If none were read, the connection has ended.
    fn poll_read_ahead(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<io::Result<()>> {
        let mut piece = [0; MAX_READ_BYTES];
        let mut piece = ReadBuf::new(piece.get_mut(..limit).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.read_ahead.extend_from_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    /// Ready when the client has disconnected or reading failed.
    fn poll_disconnect(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // After one byte was read ahead, a later disconnect is not detected any more.
        if self.read_ahead.is_empty() {
            ready!(self.poll_read_ahead(context, 1))?;
            if self.read_ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for OneRequestAtATime<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.awaits_response {
            return this.poll_disconnect(context);
        }
        if this.read_ahead.is_empty() {
            ready!(this.poll_read_ahead(context, MAX_READ_BYTES))?;
        }
        let length = this.read_ahead.len().min(buffer.remaining());
        let passed_on = this.read_ahead.split_to(length);
        this.find_end_of_head(&passed_on);
        buffer.put_slice(&passed_on);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OneRequestAtATime<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.response_started();
        Poll::Ready(written)
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
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection on which the client has sent `text`, and the client's end.
    async fn connection(text: &str) -> (OneRequestAtATime<DuplexStream>, DuplexStream) {
        let (stream, mut client) = duplex(1 << 20);
        client.write_all(text.as_bytes()).await.unwrap();
        (OneRequestAtATime::new(stream), client)
    }

    /// Number of bytes that can be read now.
    #[expect(clippy::disallowed_methods, reason = "tests that nothing can be read")]
    async fn readable(connection: &mut OneRequestAtATime<DuplexStream>) -> Option<usize> {
        let mut bytes = vec![0; 1 << 16];
        let read = timeout(Duration::from_millis(50), connection.read(&mut bytes)).await;
        read.ok().map(Result::unwrap)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_waits_for_the_response() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_READ_BYTES));
        let (mut connection, _client) = connection(&format!("{long}{long}")).await;
        let first: usize = [readable(&mut connection).await, readable(&mut connection).await]
            .map(Option::unwrap)
            .iter()
            .sum();
        assert!((long.len()..2 * long.len()).contains(&first), "{first}");
        assert_eq!(readable(&mut connection).await, None);
        connection.write_all(b"answer").await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(1), "the byte read ahead comes first");
        assert!(readable(&mut connection).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_response_wakes_the_reader() {
        let (mut connection, mut client) = connection(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(connection);
        let next = tokio::spawn(async move { reading.read(&mut [0; 100]).await });
        tokio::task::yield_now().await;
        writing.write_all(b"answer").await.unwrap();
        assert_eq!(next.await.unwrap().unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disconnect_is_detected_while_a_response_is_pending() {
        let (mut connection, client) = connection(REQUEST).await;
        assert_eq!(readable(&mut connection).await, Some(REQUEST.len()));
        assert_eq!(readable(&mut connection).await, None);
        drop(client);
        assert_eq!(readable(&mut connection).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_head_can_be_split_between_reads() {
        let (mut connection, mut client) = connection("GET / HTTP/1.1\r\n\r").await;
        assert_eq!(readable(&mut connection).await, Some(17));
        assert!(!connection.awaits_response);
        client.write_all(b"\n").await.unwrap();
        assert_eq!(readable(&mut connection).await, Some(1));
        assert!(connection.awaits_response);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_of_a_head_can_end_without_carriage_return() {
        let (mut connection, _client) = connection("GET / HTTP/1.1\nHost: x\n\n").await;
        assert_eq!(readable(&mut connection).await, Some(24));
        assert!(connection.awaits_response);
    }
}
