//! Sends a request and reads the response, both at once: a server may answer before it has read
//! the whole request.

use std::{
    error::Error,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::Request;
use http_body::Body;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    task::coop::consume_budget,
};

use super::{
    chunked::Chunks,
    framing::{Framing, framing},
    head::{Found, Head, HeadReader},
    problem::Problem,
    upload::{Upload, UploadError},
    watch::HeadWatch,
};
use crate::{
    diagnostics::log::Quoted,
    net::{
        http::{head::MOST_INTERIM, not_http, send::Transport},
        wire::WireClock,
    },
};

/// A request that was sent, or is being sent, and the rest of its response.
pub(crate) struct Exchange<B> {
    stream: Box<dyn Transport>,
    upload: Option<Upload<B>>,
    /// The error that ended the upload. The kernel reports a reset once: to the write, and then a
    /// read finds nothing but an end.
    broken: Option<io::Error>,
    /// What was read and is not used up.
    inbox: BytesMut,
    /// How much is read next.
    room: usize,
    /// Whether the peer has ended the connection.
    ended: bool,
    rest: Rest,
    length: Option<u64>,
}

/// What is still to come of the body.
enum Rest {
    Length(u64),
    Chunks(Chunks),
    UntilEnd,
}

/// Room for the first read. Most of a connection's life is waiting for an answer, of which the
/// first byte is read alone.
const FIRST_ROOM: usize = 64;

/// Room for the second read, which takes most heads.
const MIN_ROOM: usize = 4 << 10;

/// Maximum room for one read.
const MAX_ROOM: usize = 32 << 10;

/// Sends a request and waits for the head of the final response, whose beginning `watch` tells.
pub(crate) async fn send<B>(
    stream: Box<dyn Transport>,
    clock: &WireClock,
    watch: &HeadWatch,
    request: Request<B>,
) -> Result<(Head, Exchange<B>), Problem>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    let method = request.method().clone();
    let mut exchange = Exchange {
        stream,
        upload: Some(Upload::new(request)),
        broken: None,
        inbox: BytesMut::new(),
        room: FIRST_ROOM,
        ended: false,
        rest: Rest::UntilEnd,
        length: None,
    };
    let mut head = exchange.head(clock, watch).await?;
    let (framing, length) = framing(&mut head, &method)?;
    exchange.length = length;
    exchange.rest = match framing {
        Framing::Length(length) => Rest::Length(length),
        Framing::Chunked => Rest::Chunks(Chunks::default()),
        Framing::UntilEnd => Rest::UntilEnd,
    };
    Ok((head, exchange))
}

impl<B> Exchange<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    /// Returns the length of the body as Go's client tells it.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Whether only the end of the connection ends the body.
    pub(crate) fn lasts_until_end(&self) -> bool {
        matches!(self.rest, Rest::UntilEnd)
    }

    /// Returns the next piece of the body.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            // One read may hold very many small pieces, and others want to be served meanwhile.
            consume_budget().await;
            if let Some(piece) = self.take_piece()? {
                return Ok(Some(piece));
            }
            if self.is_complete() {
                // A peer that does not read keeps nobody waiting.
                let closing = |context: &mut Context<'_>| {
                    Poll::Ready(Pin::new(&mut self.stream).poll_shutdown(context).is_ready())
                };
                poll_fn(closing).await;
                return Ok(None);
            }
            if self.ended {
                return Err(self.early_end(self.missing()));
            }
            self.read().await?;
        }
    }

    /// Returns the connection, for what is spoken on it from here on, and what was read of that.
    pub(crate) fn into_connection(self) -> (Box<dyn Transport>, Bytes) {
        (self.stream, self.inbox.freeze())
    }

    /// Waits for the head of the final response.
    async fn head(&mut self, clock: &WireClock, watch: &HeadWatch) -> Result<Head, Problem> {
        let mut reader = HeadReader::default();
        loop {
            match reader.take(&mut self.inbox)? {
                Found::Head(head) if !head.is_interim() => return Ok(head),
                Found::Head(_) => {
                    if watch.note_interim() > MOST_INTERIM {
                        let message = "there are too many interim responses";
                        return Err(Problem::protocol(message));
                    }
                    continue;
                }
                Found::Other => {
                    self.read_what_is_there().await;
                    return Err(Problem::not_http(&self.inbox));
                }
                Found::Part => {}
            }
            if self.ended {
                return Err(self.early_end(if self.inbox.is_empty() {
                    "the connection was closed before there was a response".to_owned()
                } else {
                    let so_far = Quoted(&self.inbox);
                    format!("the connection was closed within the head of the response: {so_far}")
                }));
            }
            let before = self.inbox.len();
            self.read().await?;
            watch.note_read(clock, self.inbox.get(before..).unwrap_or_default());
        }
    }

    /// Reads more, and sends what is left of the request meanwhile.
    async fn read(&mut self) -> Result<(), Problem> {
        poll_fn(|context| self.poll_read(context)).await
    }

    /// Reads what has arrived by now, as far as it is to be quoted.
    async fn read_what_is_there(&mut self) {
        while self.inbox.len() < not_http::BYTES_NEEDED && !self.ended {
            let read = poll_fn(|context| {
                let read = self.poll_read(context);
                Poll::Ready(matches!(read, Poll::Ready(Ok(()))))
            });
            if !read.await {
                return;
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Problem>> {
        if let Some(upload) = &mut self.upload {
            match upload.poll_send(Pin::new(&mut self.stream), context) {
                Poll::Pending => {}
                Poll::Ready(Err(UploadError::Body(error))) => {
                    return Poll::Ready(Err(Problem::body(&*error)));
                }
                // A peer that takes no more may have answered all the same.
                Poll::Ready(Err(UploadError::Connection(error))) => {
                    self.upload = None;
                    self.broken = Some(error);
                }
                Poll::Ready(Ok(())) => self.upload = None,
            }
        }
        self.inbox.reserve(self.room);
        let room = self.inbox.capacity() - self.inbox.len();
        let read = pin!(self.stream.read_buf(&mut self.inbox)).poll(context);
        read.map(|read| {
            let length = read.map_err(|error| Problem::io(&error))?;
            self.ended = length == 0;
            if length == room || self.room < MIN_ROOM {
                self.room = (self.room * 2).clamp(MIN_ROOM, MAX_ROOM);
            }
            Ok(())
        })
    }

    /// Takes a piece of the body out of what was read.
    fn take_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        let length = match &mut self.rest {
            Rest::Chunks(chunks) => return chunks.next(&mut self.inbox),
            Rest::UntilEnd => self.inbox.len(),
            Rest::Length(rest) => {
                let length = usize::try_from(*rest).unwrap_or(usize::MAX).min(self.inbox.len());
                *rest -= u64::try_from(length).unwrap_or(*rest);
                length
            }
        };
        Ok((length > 0).then(|| self.inbox.split_to(length).freeze()))
    }

    fn is_complete(&self) -> bool {
        match &self.rest {
            Rest::Length(rest) => *rest == 0,
            Rest::Chunks(chunks) => chunks.is_done(),
            Rest::UntilEnd => self.ended && self.broken.is_none(),
        }
    }

    /// The problem of a connection that ended before the response did.
    fn early_end(&self, message: String) -> Problem {
        match &self.broken {
            Some(error) => Problem::io(error),
            None => Problem::closed(message),
        }
    }

    /// Says what is missing of a body that breaks off.
    fn missing(&self) -> String {
        let missing = match &self.rest {
            Rest::Length(rest) => format!("{rest} bytes before the end of the body"),
            Rest::Chunks(_) => "before the last chunk of the body".to_owned(),
            Rest::UntilEnd => "within the body".to_owned(),
        };
        format!("the connection was closed {missing}")
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::*;
    use crate::{diagnostics::Reason, net::wire::Timestamp};

    /// A connection that was reset behind these bytes, as the first write found out.
    struct ResetBehind(&'static [u8]);

    impl AsyncRead for ResetBehind {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (piece, rest) = self.0.split_at(self.0.len().min(buffer.remaining()));
            buffer.put_slice(piece);
            self.0 = rest;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for ResetBehind {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_end_after_a_failed_write_completes_only_what_says_its_own_end() {
        for (response, expected) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nhello"[..], Err(Reason::Reset)),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", Err(Reason::Reset)),
            (b"HTTP/1.1 200 OK\r\n", Err(Reason::Reset)),
            (b"", Err(Reason::Reset)),
            (b"HTTP/1.1 413 No\r\nContent-Length: 5\r\n\r\nhello", Ok(5)),
            (b"HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Ok(0)),
        ] {
            let request = Request::post("/").body(Full::new(Bytes::from_static(b"body"))).unwrap();
            let stream = Box::new(ResetBehind(response));
            let (clock, watch) = (WireClock::manual(Timestamp::now()), HeadWatch::default());
            let outcome = async {
                let (_, mut exchange) = send(stream, &clock, &watch, request).await?;
                let mut length = 0;
                while let Some(piece) = exchange.next_piece().await? {
                    length += piece.len();
                }
                Ok(length)
            };
            let outcome: Result<usize, Problem> = outcome.await;
            let found = outcome.map_err(|problem| problem.failure("sending").reason);
            assert_eq!(found, expected, "{}", response.escape_ascii());
        }
    }
}
