//! One request at a time: a connection that takes no further requests before it has begun to answer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection to a client that hands on one request and waits with the next until the answer to
/// the first has begun to be taken.
///
/// The server beneath reads as many requests as come, and answers whether the answers are read or
/// not; so a client that pipelines requests and reads nothing would take megabytes. Meanwhile a
/// little is read ahead, as Go's server does, because that shows when the client hangs up.
pub(super) struct Turns<S> {
    stream: S,
    /// The end of the request that was handed on last has been seen, and nothing was answered yet.
    owes_answer: bool,
    /// Nothing has come yet in the line that is being handed on; such a line ends a head.
    line_is_empty: bool,
    /// What came while an answer was owed.
    ahead: BytesMut,
    /// Who waits for the turn of what may have come meanwhile.
    waiting: Option<Waker>,
}

/// As much is read at once at most: all requests in one piece come in the same turn.
const PIECE: usize = 2048;

impl<S> Turns<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            owes_answer: false,
            line_is_empty: false,
            ahead: BytesMut::new(),
            waiting: None,
        }
    }

    /// Looks for the end of a head in what is handed on. The server beneath takes lines that end
    /// without a carriage return, too (RFC 9112, section 2.2).
    fn watch(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' if self.line_is_empty => {
                    self.owes_answer = true;
                    self.line_is_empty = false;
                }
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
        }
    }

    /// Something is on its way to the client.
    fn answered(&mut self) {
        self.owes_answer = false;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> Turns<S> {
    /// Reads at most so many bytes; none is the end.
    fn poll_read_ahead(&mut self, context: &mut Context<'_>, limit: usize) -> Poll<io::Result<()>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(piece.get_mut(..limit).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.ahead.extend_from_slice(piece.filled());
        Poll::Ready(Ok(()))
    }

    /// Sees whether the client is still there; ready when it is not, or when reading failed.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Once something was read ahead, an end behind it is only found in its turn.
        if self.ahead.is_empty() {
            ready!(self.poll_read_ahead(context, 1))?;
            if self.ahead.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        self.waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Turns<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.owes_answer {
            return this.poll_gone(context);
        }
        if this.ahead.is_empty() {
            ready!(this.poll_read_ahead(context, PIECE))?;
        }
        let length = this.ahead.len().min(buffer.remaining());
        let handed_on = this.ahead.split_to(length);
        this.watch(&handed_on);
        buffer.put_slice(&handed_on);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Turns<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.answered();
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

    /// A connection on which the client has said this, and the client.
    async fn said(text: &str) -> (Turns<DuplexStream>, DuplexStream) {
        let (stream, mut client) = duplex(1 << 20);
        client.write_all(text.as_bytes()).await.unwrap();
        (Turns::new(stream), client)
    }

    /// What can be read now.
    #[expect(clippy::disallowed_methods, reason = "what does not come is to be seen")]
    async fn readable(turns: &mut Turns<DuplexStream>) -> Option<usize> {
        let mut bytes = vec![0; 1 << 16];
        let read = timeout(Duration::from_millis(50), turns.read(&mut bytes)).await;
        read.ok().map(Result::unwrap)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_request_has_to_wait_for_the_answer() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(PIECE));
        let (mut turns, _client) = said(&format!("{long}{long}")).await;
        let first: usize = [readable(&mut turns).await, readable(&mut turns).await]
            .map(Option::unwrap)
            .iter()
            .sum();
        assert!((long.len()..2 * long.len()).contains(&first), "{first}");
        assert_eq!(readable(&mut turns).await, None);
        turns.write_all(b"answer").await.unwrap();
        assert_eq!(readable(&mut turns).await, Some(1), "what was read ahead comes first");
        assert!(readable(&mut turns).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_next_request_is_woken_by_the_answer() {
        let (mut turns, mut client) = said(REQUEST).await;
        assert_eq!(readable(&mut turns).await, Some(REQUEST.len()));
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = tokio::io::split(turns);
        let next = tokio::spawn(async move { reading.read(&mut [0; 100]).await });
        tokio::task::yield_now().await;
        writing.write_all(b"answer").await.unwrap();
        assert_eq!(next.await.unwrap().unwrap(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_hangs_up_is_noticed_while_its_answer_is_owed() {
        let (mut turns, client) = said(REQUEST).await;
        assert_eq!(readable(&mut turns).await, Some(REQUEST.len()));
        assert_eq!(readable(&mut turns).await, None);
        drop(client);
        assert_eq!(readable(&mut turns).await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_head_may_come_in_pieces() {
        let (mut turns, mut client) = said("GET / HTTP/1.1\r\n\r").await;
        assert_eq!(readable(&mut turns).await, Some(17));
        assert!(!turns.owes_answer);
        client.write_all(b"\n").await.unwrap();
        assert_eq!(readable(&mut turns).await, Some(1));
        assert!(turns.owes_answer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_may_do_without_carriage_returns() {
        let (mut turns, _client) = said("GET / HTTP/1.1\nHost: x\n\n").await;
        assert_eq!(readable(&mut turns).await, Some(24));
        assert!(turns.owes_answer);
    }
}
