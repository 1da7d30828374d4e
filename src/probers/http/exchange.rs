//! One request and its response on one connection, over whichever version of HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header, response::Parts};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, ext::on_informational};
use tokio::task::coop::consume_budget;

use crate::{
    evidence::{Failure, Reason, Stage},
    net::{
        Context,
        http::{
            driver::Driver,
            head::{HeadWatch, Watched},
            http2::{FrameWatch, Framed},
            send::{Transport, failure_of, send_http1, send_http2},
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
    Hyper(Incoming, Driver),
    #[cfg(feature = "http3")]
    Http3(Box<Http3>),
}

/// Sends one request, and waits for the head of the response. It is not sent again, whatever
/// happens.
pub(super) async fn exchange(
    context: &Context,
    connection: Connection,
    mut request: Request<RequestBody>,
    seen: &mut HttpMeasurements,
) -> Result<Response, Failure> {
    let Connection { line, clock, over_tls, proxy } = connection;
    let head = HeadWatch::default();
    let is_head = request.method() == http::Method::HEAD;
    context.enter(Stage::Response);
    let answered = match line {
        Line::Http1(stream) => {
            let interim = head.clone();
            on_informational(&mut request, move |_| interim.note_interim());
            let running = Running::over_http1(clock.clone(), head.clone());
            seen.running = Some(running.of(&request));
            let _waiting = context.waiting_for(|| seen.describe_wait());
            send_http1(Watched::new(stream, clock, head.clone()), request).await
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
    seen.note_head(parts.version < Version::HTTP_2 && lasts_until_end(&parts, &body));
    head.note_complete();
    let content_length = content_length(&parts, &body, is_head);
    let version = head.version().unwrap_or_else(|| parts.version.into());
    let Parts { status, headers, .. } = parts;
    let headers = presentable(headers, version)?;
    let body = Body::Hyper(body, driver);
    Ok(Response { status, version, headers, content_length, over_tls, proxy, body })
}

impl Response {
    /// A response over HTTP/3, whose body is still on its way.
    #[cfg(feature = "http3")]
    pub(super) fn over_http3(head: Http3Head, body: Box<Http3>) -> Result<Self, Failure> {
        let Http3Head { status, headers, content_length } = head;
        let version = HttpVersion::from(Version::HTTP_3);
        let headers = presentable(headers, version)?;
        let (body, over_tls) = (Body::Http3(body), true);
        Ok(Self { status, version, headers, content_length, over_tls, proxy: None, body })
    }

    /// The next piece of the body.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let (body, driver) = match &mut self.body {
            Body::Hyper(body, driver) => (body, driver),
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

/// The length that was announced, as Go's client tells it.
fn content_length(parts: &Parts, body: &Incoming, is_head: bool) -> Option<u64> {
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let announced = lengths
        .next()
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.trim().parse().ok());
    if parts.version >= Version::HTTP_2 {
        let announced = announced.filter(|_| lengths.next().is_none());
        return announced.or_else(|| (body.is_end_stream() && !is_head).then_some(0));
    }
    let without_body = parts.status.is_informational()
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    match (is_head, without_body) {
        (false, true) => Some(0),
        (false, false) if is_chunked => None,
        (true, _) | (false, false) => announced,
    }
}

/// Whether only the end of the connection tells the end of the body.
fn lasts_until_end(parts: &Parts, body: &Incoming) -> bool {
    body.size_hint().exact().is_none() && !parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// The headers as Go's client presents them, which is what header rules are written for: without
/// those about the transfer, and with the modern form of `Pragma: no-cache`.
fn presentable(mut headers: HeaderMap, version: HttpVersion) -> Result<HeaderMap, Failure> {
    let is_http11 = version == HttpVersion::from(Version::HTTP_11);
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next().filter(|_| is_http11) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") || encodings.next().is_some() {
            let message = format!("The transfer encoding {encoding:?} is not supported");
            return Err(Failure::new(Stage::Response, Reason::Protocol, message));
        }
        headers.remove(header::CONTENT_LENGTH);
    }
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::TRAILER);
    let no_cache = HeaderValue::from_static("no-cache");
    if headers.get(header::PRAGMA) == Some(&no_cache)
        && !headers.contains_key(header::CACHE_CONTROL)
    {
        headers.insert(header::CACHE_CONTROL, no_cache);
    }
    Ok(headers)
}
