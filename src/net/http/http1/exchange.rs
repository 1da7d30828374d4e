//! Sends a request and reads the response, both at once: a server may answer before it has read
//! the whole request.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, Request};
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    task::coop::consume_budget,
};

use super::{
    body::Body,
    framing::framing,
    head::Head,
    head_reader::{Found, HeadReader},
    upload::{Upload, UploadError},
    watch::HeadWatch,
};
use crate::{
    diagnostics::log::Quoted,
    memory::Held,
    net::{
        http::{
            RequestBody, error::ExchangeError, limits::MAX_INTERIM, not_http, transport::Transport,
        },
        wire::WireClock,
    },
    scheduling::{poll_times::section, turn},
};

/// A request that was sent, or is being sent, and the rest of its response.
pub(crate) struct Http1 {
    stream: Box<dyn Transport>,
    clock: WireClock,
    watch: HeadWatch,
    method: Method,
    upload: Option<Upload>,
    /// The error that ended the upload. The kernel reports a reset once: after a failed write, a read
    /// returns the end of the connection.
    broken: Option<io::Error>,
    /// Bytes that were read and not used yet.
    read_buffer: BytesMut,
    /// The memory of `read_buffer`.
    held: Held,
    /// Maximum number of bytes of the next read.
    room: usize,
    /// True if the peer has ended the connection.
    ended: bool,
    body: Body,
    length: Option<u64>,
}

/// Room for the first read. It is small, because most of the time of a connection is the wait for
/// its response.
const FIRST_ROOM: usize = 64;

/// Room for the second read, which is enough for most heads.
const MIN_ROOM: usize = 4 << 10;

/// Maximum room for one read.
const MAX_ROOM: usize = 32 << 10;

/// Maximum room for one read into the buffer of the caller.
const MAX_DIRECT_ROOM: usize = 128 << 10;

impl Http1 {
    /// Prepares a request. Nothing is sent yet.
    pub(crate) fn new(
        stream: Box<dyn Transport>,
        clock: WireClock,
        watch: HeadWatch,
        (request, held): (Request<RequestBody>, Held),
    ) -> Self {
        Self {
            stream,
            clock,
            watch,
            method: request.method().clone(),
            upload: Some(Upload::new(request)),
            broken: None,
            read_buffer: BytesMut::new(),
            held,
            room: FIRST_ROOM,
            ended: false,
            body: Body::UntilEnd,
            length: None,
        }
    }

    /// Sends the request, and waits for the head of the final response.
    pub(crate) async fn head(&mut self) -> Result<Head, ExchangeError> {
        let mut head = self.final_head().await?;
        let (framing, length) = framing(&mut head, &self.method)?;
        self.length = length;
        self.body = framing.into();
        Ok(head)
    }

    /// Returns the length of the body, as Go's client does.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Returns whether only the end of the connection ends the body.
    pub(crate) fn lasts_until_end(&self) -> bool {
        matches!(self.body, Body::UntilEnd)
    }

    /// Returns the next piece of the body.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        loop {
            // One read may contain very many small pieces, and other tasks need CPU time.
            consume_budget().await;
            turn::proceed().await;
            if let Some(piece) = self.body.take(&mut self.read_buffer)? {
                return Ok(Some(piece));
            }
            if self.body.is_complete(self.ended && self.broken.is_none()) {
                // Does not wait for a peer that does not read.
                let closing = |context: &mut Context<'_>| {
                    Poll::Ready(Pin::new(&mut self.stream).poll_shutdown(context).is_ready())
                };
                poll_fn(closing).await;
                return Ok(None);
            }
            if self.ended {
                return Err(self.early_end(self.body.describe_early_end()));
            }
            self.read().await?;
        }
    }

    /// Reads some of the body to the end of `buffer`; returns its length, which is 0 at the end.
    ///
    /// A body of known length is read in large pieces and without another copy: most of the CPU time
    /// of a large body is that of system calls and of the acknowledgements that each of them sends.
    pub(crate) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize, ExchangeError> {
        if let Body::Length { rest: rest @ 1.., total } = self.body
            && self.read_buffer.is_empty()
            && !self.ended
        {
            consume_budget().await;
            let room = usize::try_from(rest).unwrap_or(usize::MAX).min(MAX_DIRECT_ROOM);
            let reading = |context: &mut Context<'_>| {
                ready!(turn::poll_proceed(context));
                self.poll_read_into(context, &mut (&mut *buffer).limit(room))
            };
            let length = poll_fn(reading).await?;
            if length > 0 {
                let rest = rest - u64::try_from(length).unwrap_or(rest);
                self.body = Body::Length { rest, total };
                return Ok(length);
            }
        }
        let piece = self.next_piece().await?.unwrap_or_default();
        buffer.extend_from_slice(&piece);
        Ok(piece.len())
    }

    /// Returns the stream for the protocol that follows, and what was read of it.
    pub(crate) fn into_connection(self) -> (Box<dyn Transport>, Bytes) {
        (self.stream, self.read_buffer.freeze())
    }

    async fn final_head(&mut self) -> Result<Head, ExchangeError> {
        let mut reader = HeadReader::default();
        loop {
            match section("head of HTTP/1", || reader.take(&mut self.read_buffer))? {
                Found::Head(head) if !head.is_interim() => return Ok(head),
                Found::Head(_) => {
                    if self.watch.note_interim() > MAX_INTERIM {
                        let message = "the server sent too many interim responses";
                        return Err(ExchangeError::protocol(message));
                    }
                    turn::proceed().await;
                    continue;
                }
                Found::Other => {
                    self.read_what_is_there().await;
                    return Err(ExchangeError::not_http(&self.read_buffer));
                }
                Found::Part => {}
            }
            if self.ended {
                return Err(self.early_end(if self.read_buffer.is_empty() {
                    "the server closed the connection without sending a response".to_owned()
                } else {
                    let so_far = Quoted(&self.read_buffer);
                    format!("the server closed the connection within the response header: {so_far}")
                }));
            }
            let before = self.read_buffer.len();
            self.read().await?;
            let piece = self.read_buffer.get(before..).unwrap_or_default();
            self.watch.note_read(&self.clock, piece);
        }
    }

    /// Reads more, and sends what is left of the request meanwhile.
    async fn read(&mut self) -> Result<(), ExchangeError> {
        poll_fn(|context| {
            ready!(turn::poll_proceed(context));
            self.poll_read(context)
        })
        .await?;
        Ok(self.held.resize(self.read_buffer.len())?)
    }

    /// Reads the bytes that have arrived, as far as an error message needs them.
    async fn read_what_is_there(&mut self) {
        while self.read_buffer.len() < not_http::BYTES_NEEDED && !self.ended {
            let read = poll_fn(|context| {
                let read = self.poll_read(context);
                Poll::Ready(matches!(read, Poll::Ready(Ok(()))))
            });
            if !read.await {
                return;
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), ExchangeError>> {
        let mut buffer = mem::take(&mut self.read_buffer);
        buffer.reserve(self.room);
        let room = buffer.capacity() - buffer.len();
        let read = self.poll_read_into(context, &mut buffer);
        self.read_buffer = buffer;
        read.map_ok(|length| {
            if length == room || self.room < MIN_ROOM {
                self.room = (self.room * 2).clamp(MIN_ROOM, MAX_ROOM);
            }
        })
    }

    /// Reads more into `buffer`, and sends what is left of the request meanwhile.
    fn poll_read_into(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut impl BufMut,
    ) -> Poll<Result<usize, ExchangeError>> {
        if let Some(upload) = &mut self.upload {
            match upload.poll_send(Pin::new(&mut self.stream), context) {
                Poll::Pending => {}
                Poll::Ready(Err(UploadError::Body(error))) => {
                    return Poll::Ready(Err(ExchangeError::request_body(&error)));
                }
                // A peer that accepts no more may have sent a response.
                Poll::Ready(Err(UploadError::Connection(error))) => {
                    self.upload = None;
                    self.broken = Some(error);
                }
                Poll::Ready(Ok(())) => self.upload = None,
            }
        }
        let read = pin!(self.stream.read_buf(buffer)).poll(context);
        read.map(|read| {
            let length = read.map_err(|error| ExchangeError::read(&error))?;
            self.ended = length == 0;
            Ok(length)
        })
    }

    /// The problem of a connection that ended before the response did.
    fn early_end(&self, message: String) -> ExchangeError {
        match &self.broken {
            Some(error) => ExchangeError::read(error),
            None => ExchangeError::closed(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

    use super::*;
    use crate::{
        diagnostics::Reason,
        memory::ProbeMemory,
        net::{
            http::{empty_body, full_body},
            wire::Timestamp,
        },
        scheduling::turn::busy_peer::{BusyPeer, assert_takes_turns},
    };

    fn held() -> Held {
        Arc::new(ProbeMemory::default()).hold()
    }

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
            let body = full_body(Bytes::from_static(b"body"));
            let request = Request::post("/").body(body).unwrap();
            let stream = Box::new(ResetBehind(response));
            let (clock, watch) = (WireClock::manual(Timestamp::now()), HeadWatch::default());
            let outcome = async {
                let mut exchange = Http1::new(stream, clock, watch, (request, held()));
                exchange.head().await?;
                let mut length = 0;
                while let Some(piece) = exchange.next_piece().await? {
                    length += piece.len();
                }
                Ok(length)
            };
            let outcome: Result<usize, ExchangeError> = outcome.await;
            let found = outcome.map_err(|problem| problem.failure("sending").reason);
            assert_eq!(found, expected, "{}", response.escape_ascii());
        }
    }

    #[tokio::test]
    async fn a_body_is_read_to_the_end_of_a_buffer_however_it_is_framed() {
        for (response, expected) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, more"[..], Ok("> hello")),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", Ok("> ")),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                Ok("> hello"),
            ),
            (b"HTTP/1.1 200 OK\r\n\r\nhello", Ok("> hello")),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", Err(Reason::Closed)),
        ] {
            for size in [1, 3, 100] {
                let (ours, mut theirs) = tokio::io::duplex(size);
                let server = async move {
                    let mut request = [0; 18];
                    theirs.read_exact(&mut request).await.unwrap();
                    // The client may be gone.
                    drop(theirs.write_all(response).await);
                };
                let request = Request::get("/").body(empty_body()).unwrap();
                let (clock, watch) = (WireClock::manual(Timestamp::now()), HeadWatch::default());
                let client = async {
                    let mut exchange = Http1::new(Box::new(ours), clock, watch, (request, held()));
                    exchange.head().await?;
                    let mut body = b"> ".to_vec();
                    body.reserve(3);
                    while exchange.read_into(&mut body).await? > 0 {}
                    Ok(String::from_utf8(body).unwrap())
                };
                let ((), found) = tokio::join!(server, client);
                let found = found.map_err(|error: ExchangeError| error.failure("").reason);
                let name = response.escape_ascii();
                assert_eq!(found, expected.map(str::to_owned), "{name} by {size}");
            }
        }
    }
    #[test]
    fn a_busy_server_is_read_in_turns() {
        let head = "HTTP/1.1 200 OK\r\n";
        let body = "Transfer-Encoding: chunked\r\n\r\n";
        for (name, first, more) in [
            ("header lines", head.to_owned(), "A: b\r\n"),
            ("chunks", format!("{head}{body}"), "1\r\nx\r\n"),
            ("bytes", format!("{head}Content-Length: 1000000\r\n\r\n"), "x"),
        ] {
            eprintln!("{name}");
            let peer = BusyPeer::new(first.as_bytes(), more.as_bytes());
            let reads = Arc::clone(&peer.reads);
            let (clock, watch) = (WireClock::manual(Timestamp::now()), HeadWatch::default());
            let request = Request::get("/").body(empty_body()).unwrap();
            let mut exchange = Http1::new(Box::new(peer), clock, watch, (request, held()));
            assert_takes_turns(&reads, async {
                exchange.head().await.unwrap();
                let mut buffer = Vec::new();
                while exchange.read_into(&mut buffer).await.unwrap() > 0 {}
            });
        }
    }
}
