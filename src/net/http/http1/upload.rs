//! A request that is being sent.

use std::{
    fmt::Write as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use crate::{net::http::RequestBody, scheduling::turn};

/// A request that is being sent, with its body.
pub(super) struct Upload {
    /// Bytes that are sent next.
    ready: BytesMut,
    /// A piece of the body that is sent after that; it is too large to be copied.
    large: Bytes,
    body: Option<RequestBody>,
    is_chunked: bool,
}

/// The reason why a request is not sent completely.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The connection takes no more.
    Connection(io::Error),
    /// Its body cannot be read.
    Body(io::Error),
}

/// Maximum size of a piece of the body that is copied, to be sent with the bytes before it.
const MAX_COPIED: usize = 8 << 10;

/// Maximum number of bytes of a large piece that are sent at once.
const MAX_WRITE: usize = 128 << 10;

/// Initial capacity for the head of a request in bytes.
const DEFAULT_HEAD: usize = 512;

impl Upload {
    pub(super) fn new(request: Request<RequestBody>) -> Self {
        let (parts, body) = request.into_parts();
        let mut ready = BytesMut::with_capacity(DEFAULT_HEAD);
        // It takes everything.
        let _ = write!(ready, "{} {} HTTP/1.1\r\n", parts.method, parts.uri);
        write_headers(&mut ready, &parts.headers);
        let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        let body = (!body.is_end_stream()).then_some(body);
        if body.is_none() && is_chunked {
            ready.extend_from_slice(LAST_CHUNK);
        }
        Self { ready, large: Bytes::new(), body, is_chunked }
    }

    /// Sends what can be sent; ready when all is.
    pub(super) fn poll_send(
        &mut self,
        mut stream: Pin<&mut (impl AsyncWrite + ?Sized)>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        loop {
            let is_waiting = self.poll_body(context)?.is_pending();
            let sent = if !self.ready.is_empty() {
                let sent = ready!(stream.as_mut().poll_write(context, &self.ready));
                sent.map(|length| self.ready.advance(length))
            } else if !self.large.is_empty() {
                ready!(turn::poll_proceed(context));
                let piece = self.large.get(..MAX_WRITE).unwrap_or(&self.large);
                let sent = ready!(stream.as_mut().poll_write(context, piece));
                sent.map(|length| {
                    self.large.advance(length);
                    if self.large.is_empty() && self.is_chunked {
                        self.ready.extend_from_slice(b"\r\n");
                    }
                })
            } else {
                let flushed: io::Result<()> = ready!(stream.as_mut().poll_flush(context));
                if is_waiting {
                    return Poll::Pending;
                }
                return Poll::Ready(flushed.map_err(UploadError::Connection));
            };
            sent.map_err(UploadError::Connection)?;
        }
    }

    /// Makes some of the body ready, unless enough is.
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UploadError>> {
        while let Some(body) = &mut self.body
            && self.ready.len() < MAX_COPIED
            && self.large.is_empty()
        {
            match ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.add(piece);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(UploadError::Body(error))),
                None => {
                    self.body = None;
                    if self.is_chunked {
                        self.ready.extend_from_slice(LAST_CHUNK);
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn add(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.is_chunked {
            // It takes everything.
            let _ = write!(self.ready, "{:x}\r\n", piece.len());
        }
        if piece.len() > MAX_COPIED {
            self.large = piece;
            return;
        }
        self.ready.extend_from_slice(&piece);
        if self.is_chunked {
            self.ready.extend_from_slice(b"\r\n");
        }
    }
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes headers in the form that Go's client gives their names, and the end of the head.
fn write_headers(head: &mut BytesMut, headers: &HeaderMap) {
    for (name, value) in headers {
        let mut begins_word = true;
        head.extend(name.as_str().bytes().map(|byte| {
            let byte = if begins_word { byte.to_ascii_uppercase() } else { byte };
            begins_word = byte == b'-';
            byte
        }));
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}
