//! One request and its response on one connection, over whichever version of HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header, response::Parts};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::task::coop::consume_budget;

use crate::{
    evidence::{Failure, Stage},
    net::{
        Context,
        http::{
            driver::Driver,
            http1::{self, Exchange, Head, HeadWatch, Problem},
            http2::{FrameWatch, Framed},
            send::{Transport, failure_of, send_http2},
            version::HttpVersion,
        },
        proxy::Proxy,
        wire::WireClock,
    },
    probers::http::{measurements::HttpMeasurements, request::RequestBody, timing::Running},
};
#[cfg(feature = "http3")]
use crate::{
    net::quic::QuicConnection,
    probers::http::http3::{self, Http3, Http3Head},
};

/// A connection to make one request on.
pub(super) struct Connection {
    pub(super) line: Line,
    pub(super) clock: WireClock,
    pub(super) over_tls: bool,
    /// The proxy that requests are given to, if that is not the target itself.
    pub(super) proxy: Option<Proxy>,
}

/// What a connection is made of, and which version of HTTP it speaks.
pub(super) enum Line {
    Http1(Box<dyn Transport>),
    Http2(Box<dyn Transport>),
    #[cfg(feature = "http3")]
    Http3(Box<QuicConnection>),
}

impl Connection {
    /// Whether requests have the form of HTTP/2 and HTTP/3 rather than that of HTTP/1.
    pub(super) fn is_framed(&self) -> bool {
        !matches!(self.line, Line::Http1(_))
    }
}

/// A response whose body is still to be read.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) version: HttpVersion,
    pub(super) headers: HeaderMap,
    /// The length of the body as it was announced.
    pub(super) content_length: Option<u64>,
    pub(super) over_tls: bool,
    /// The proxy that the request was given to, if that was not the target itself.
    pub(super) proxy: Option<Proxy>,
    body: Body,
}

/// What is still to come.
enum Body {
    Http1(Box<Exchange<RequestBody>>),
    Http2(Incoming, Driver),
    #[cfg(feature = "http3")]
    Http3(Box<Http3>),
}

/// Sends one request, and waits for the head of the response. It is not sent again, whatever
/// happens.
pub(super) async fn exchange(
    context: &Context,
    connection: Connection,
    request: Request<RequestBody>,
    seen: &mut HttpMeasurements,
) -> Result<Response, Failure> {
    let Connection { line, clock, over_tls, proxy } = connection;
    let is_head = request.method() == http::Method::HEAD;
    context.enter(Stage::Response);
    let answered = match line {
        Line::Http1(stream) => {
            let watch = HeadWatch::default();
            let running = Running::over_http1(clock.clone(), watch.clone());
            seen.running = Some(running.of(&request));
            let waiting = context.waiting_for(|| seen.describe_wait());
            let sent = http1::send(stream, &clock, &watch, request).await;
            drop(waiting);
            let (head, rest) = sent.map_err(|problem| problem.failure("The request failed"))?;
            seen.note_head(rest.lasts_until_end());
            return Ok(Response::over_http1(head, rest, over_tls, proxy));
        }
        Line::Http2(stream) => {
            let frames = FrameWatch::default();
            let running = Running::over_http2(clock.clone(), frames.clone());
            seen.running = Some(running.of(&request));
            let _waiting = context.waiting_for(|| seen.describe_wait());
            let answered = send_http2(Framed::new(stream, clock, frames.clone()), request).await;
            if let Ok((response, _)) = &answered {
                frames.note_head(response.body().is_end_stream());
            }
            answered
        }
        #[cfg(feature = "http3")]
        Line::Http3(connection) => {
            return Box::pin(http3::exchange(context, connection, request, seen)).await;
        }
    };
    let (response, driver) = answered.map_err(|error| failure_of(&error, "The request failed"))?;
    let (parts, body) = response.into_parts();
    seen.note_head(false);
    let content_length = content_length(&parts, &body, is_head);
    let version = parts.version.into();
    let Parts { status, headers, .. } = parts;
    let headers = presentable(headers);
    let body = Body::Http2(body, driver);
    Ok(Response { status, version, headers, content_length, over_tls, proxy, body })
}

impl Response {
    /// A response over HTTP/1, whose body is still on its way.
    fn over_http1(
        head: Head,
        rest: Exchange<RequestBody>,
        over_tls: bool,
        proxy: Option<Proxy>,
    ) -> Self {
        let Head { version, status, mut headers, .. } = head;
        note_no_cache(&mut headers);
        let (content_length, body) = (rest.content_length(), Body::Http1(Box::new(rest)));
        Self { status, version, headers, content_length, over_tls, proxy, body }
    }

    /// A response over HTTP/3, whose body is still on its way.
    #[cfg(feature = "http3")]
    pub(super) fn over_http3(head: Http3Head, body: Box<Http3>) -> Self {
        let Http3Head { status, headers, content_length } = head;
        let version = HttpVersion::from(http::Version::HTTP_3);
        let headers = presentable(headers);
        let (body, over_tls) = (Body::Http3(body), true);
        Self { status, version, headers, content_length, over_tls, proxy: None, body }
    }

    /// The next piece of the body.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let (body, driver) = match &mut self.body {
            Body::Http1(exchange) => {
                let broken = |problem: Problem| problem.failure("The body broke off");
                return exchange.next_piece().await.map_err(broken);
            }
            Body::Http2(body, driver) => (body, driver),
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => return exchange.next_piece().await,
        };
        loop {
            // One read may hold very many small pieces, and others want to be served meanwhile.
            consume_budget().await;
            let frame = driver.run(body.frame()).await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(failure_of(&error, "The body broke off")),
                // Trailers are none of it.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

/// The length that was announced over HTTP/2, as Go's client tells it.
fn content_length(parts: &Parts, body: &Incoming, is_head: bool) -> Option<u64> {
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let announced = lengths
        .next()
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.trim().parse().ok())
        .filter(|_| lengths.next().is_none());
    announced.or_else(|| (body.is_end_stream() && !is_head).then_some(0))
}

/// The headers as Go's client presents them, which is what header rules are written for: without
/// those about the transfer.
fn presentable(mut headers: HeaderMap) -> HeaderMap {
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::TRAILER);
    note_no_cache(&mut headers);
    headers
}

/// Adds the modern form of `Pragma: no-cache`, as Go's client does.
fn note_no_cache(headers: &mut HeaderMap) {
    let no_cache = HeaderValue::from_static("no-cache");
    if headers.get(header::PRAGMA) == Some(&no_cache)
        && !headers.contains_key(header::CACHE_CONTROL)
    {
        headers.insert(header::CACHE_CONTROL, no_cache);
    }
}
