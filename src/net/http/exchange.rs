//! One request and its response on one connection, over any version of HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};

#[cfg(feature = "http3")]
use crate::net::http::http3::Http3;
use crate::{
    memory::Held,
    net::{
        Context,
        http::{
            RequestBody,
            connection::{Connection, Protocol},
            error::ExchangeError,
            fields::{FramedHead, weight},
            http1::{Head, Http1},
            http2::Http2,
            timing::ExchangeTiming,
            transport::Transport,
            version::HttpVersion,
        },
    },
};

/// A response whose body is still to be read.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) version: HttpVersion,
    /// The reason phrase of HTTP/1.
    pub(crate) reason_phrase: Bytes,
    pub(crate) headers: HeaderMap,
    /// The length of the body, if it is known.
    pub(crate) content_length: Option<u64>,
    /// The first header line that is malformed, and was ignored.
    pub(crate) ignored_line: Option<Bytes>,
    body: Body,
    /// The memory of the headers.
    held: Option<Held>,
}

/// The rest of an exchange.
enum Body {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    #[cfg(feature = "http3")]
    Http3(Box<Http3>),
}

/// Sends one request, and waits for the head of the response. The request is never sent again.
///
/// Its state is on the heap, so that the future is small.
pub(crate) fn send(
    context: &Context,
    connection: Connection,
    mut request: Request<RequestBody>,
) -> impl Future<Output = Result<Response, ExchangeError>> {
    context.exporters.mark(request.headers_mut());
    let mut held = context.memory.hold();
    let exchange = Body::new(connection, request, context.memory.hold());
    async move {
        let mut response = exchange?.response().await?;
        held.resize(weight(&response.headers))?;
        response.held = Some(held);
        Ok(response)
    }
}

/// Does the same, and returns the times of the exchange too.
pub(crate) fn send_timed(
    context: &Context,
    connection: Connection,
    request: Request<RequestBody>,
) -> (ExchangeTiming, impl Future<Output = Result<Response, ExchangeError>>) {
    (connection.timing(&request), send(context, connection, request))
}

impl Body {
    /// `held` counts what is read ahead.
    fn new(
        connection: Connection,
        request: Request<RequestBody>,
        held: Held,
    ) -> Result<Self, ExchangeError> {
        let Connection { protocol, clock } = connection;
        Ok(match protocol {
            Protocol::Http1(stream, watch) => {
                Self::Http1(Box::new(Http1::new(stream, clock, watch, (request, held))))
            }
            Protocol::Http2(stream, watch) => {
                Self::Http2(Box::new(Http2::new(stream, clock, watch, (request, held))))
            }
            #[cfg(feature = "http3")]
            Protocol::Http3(connection, watch) => {
                Self::Http3(Box::new(Http3::new(connection, watch, request)?))
            }
        })
    }

    async fn response(self) -> Result<Response, ExchangeError> {
        match self {
            Self::Http1(mut exchange) => {
                let head = exchange.head().await?;
                Ok(Response::over_http1(head, exchange))
            }
            Self::Http2(mut exchange) => {
                let head = exchange.head().await?;
                let length = exchange.content_length();
                Ok(Response::framed(head, length, Version::HTTP_2, Self::Http2(exchange)))
            }
            #[cfg(feature = "http3")]
            Self::Http3(mut exchange) => {
                // Boxed, because few exchanges need the memory.
                let head = Box::pin(exchange.head()).await?;
                let length = exchange.content_length();
                Ok(Response::framed(head, length, Version::HTTP_3, Self::Http3(exchange)))
            }
        }
    }
}

impl Response {
    fn over_http1(head: Head, rest: Box<Http1>) -> Self {
        let Head { version, status, reason: reason_phrase, headers, ignored: ignored_line } = head;
        let content_length = rest.content_length();
        let body = Body::Http1(rest);
        Self {
            status,
            version,
            reason_phrase,
            headers,
            content_length,
            ignored_line,
            body,
            held: None,
        }
        .with_cache_control()
    }

    fn framed(head: FramedHead, content_length: Option<u64>, version: Version, body: Body) -> Self {
        let FramedHead { status, mut headers, .. } = head;
        headers.remove(header::TRAILER);
        let (version, reason_phrase, ignored_line) = (version.into(), Bytes::new(), None);
        Self {
            status,
            version,
            reason_phrase,
            headers,
            content_length,
            ignored_line,
            body,
            held: None,
        }
        .with_cache_control()
    }

    /// Adds the modern form of `Pragma: no-cache`, as Go's client does.
    fn with_cache_control(mut self) -> Self {
        let no_cache = HeaderValue::from_static("no-cache");
        if self.headers.get(header::PRAGMA) == Some(&no_cache)
            && !self.headers.contains_key(header::CACHE_CONTROL)
        {
            self.headers.insert(header::CACHE_CONTROL, no_cache);
        }
        self
    }

    /// Returns the next piece of the body, or `None` at its end.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, ExchangeError> {
        match &mut self.body {
            Body::Http1(exchange) => exchange.next_piece().await,
            Body::Http2(exchange) => exchange.next_piece().await,
            // Boxed, because few exchanges need the memory.
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => Box::pin(exchange.next_piece()).await,
        }
    }

    /// Reads some of the body to the end of `buffer`; returns its length, which is 0 at the end.
    pub(crate) async fn read_into(&mut self, buffer: &mut Vec<u8>) -> Result<usize, ExchangeError> {
        if let Body::Http1(exchange) = &mut self.body {
            return exchange.read_into(buffer).await;
        }
        let piece = self.next_piece().await?.unwrap_or_default();
        buffer.extend_from_slice(&piece);
        Ok(piece.len())
    }

    /// Reads the whole body. Returns `None` if it is longer than `limit` bytes.
    pub(crate) async fn read_body(
        &mut self,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, ExchangeError> {
        let mut body = Vec::new();
        while let Some(piece) = self.next_piece().await? {
            if body.len() + piece.len() > limit {
                return Ok(None);
            }
            body.extend_from_slice(&piece);
        }
        Ok(Some(body))
    }

    /// Returns whether only the end of the connection ends the body.
    pub(crate) fn ends_with_connection(&self) -> bool {
        matches!(&self.body, Body::Http1(exchange) if exchange.lasts_until_end())
    }

    /// Returns whether the response consists of its head alone, over HTTP/2 or HTTP/3.
    pub(crate) fn ends_with_head(&self) -> bool {
        match &self.body {
            Body::Http1(_) => false,
            Body::Http2(exchange) => exchange.is_complete(),
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => exchange.is_complete(),
        }
    }

    /// Accepts a body of any length, whatever `Content-Length` says, over HTTP/2 or HTTP/3.
    pub(crate) fn ignore_length(&mut self) {
        match &mut self.body {
            Body::Http1(_) => {}
            Body::Http2(exchange) => exchange.ignore_length(),
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => exchange.ignore_length(),
        }
    }

    /// Returns the trailers that arrived so far, over HTTP/2 or HTTP/3.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.body {
            Body::Http1(_) => None,
            Body::Http2(exchange) => exchange.take_trailers(),
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => exchange.take_trailers(),
        }
    }

    /// Returns the stream of an HTTP/1 connection for the protocol that follows, and what was read
    /// of it. Other connections end here: their stream is at its end.
    pub(crate) fn into_http1_stream(self) -> (Box<dyn Transport>, Bytes) {
        match self.body {
            Body::Http1(exchange) => exchange.into_connection(),
            _ => (Box::new(tokio::io::empty()), Bytes::new()),
        }
    }
}
