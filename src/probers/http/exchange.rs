//! One request and its response on one connection, over whichever version of HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};

#[cfg(feature = "http3")]
use crate::net::http::http3::Http3;
use crate::{
    diagnostics::{Failure, Stage, log::Quoted},
    net::{
        Context,
        http::{
            RequestBody,
            connection::{Connection, Protocol},
            fields::FramedHead,
            http1::{self, Exchange, Head, HeadWatch, Problem},
            http2::{Http2, Http2Error},
            stream_watch::StreamWatch,
            version::HttpVersion,
        },
    },
    probers::http::{measurements::HttpMeasurements, timing::Running},
};

/// A response whose body is still to be read.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) version: HttpVersion,
    pub(super) headers: HeaderMap,
    /// The length of the body as it was announced.
    pub(super) content_length: Option<u64>,
    body: Body,
}

/// What is still to come.
enum Body {
    Http1(Box<Exchange<RequestBody>>),
    Http2(Box<Http2>),
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
    let Connection { protocol, clock } = connection;
    context.enter(Stage::Response);
    match protocol {
        Protocol::Http1(stream) => {
            let watch = HeadWatch::default();
            let running = Running::over_http1(clock.clone(), watch.clone());
            seen.running = Some(running.of(&request));
            let waiting = context.waiting_for(|| seen.describe_wait());
            let sent = http1::send(stream, &clock, &watch, request).await;
            drop(waiting);
            let (head, rest) = sent.map_err(|problem| problem.failure("The request failed"))?;
            seen.note_head(rest.lasts_until_end());
            if let Some(line) = &head.ignored {
                let message = "Ignored a malformed header line of the response";
                context.log.warn(message, &[("line", &Quoted(line))]);
            }
            Ok(Response::over_http1(head, rest))
        }
        Protocol::Http2(stream) => {
            let watch = StreamWatch::of_http2();
            let running = Running::framed(clock.clone(), watch.clone());
            seen.running = Some(running.of(&request));
            let waiting = context.waiting_for(|| seen.describe_wait());
            let sent = Http2::send(stream, clock, watch, request).await;
            drop(waiting);
            let failed = |error| http2_failure(&error, "The request failed");
            let (head, exchange) = sent.map_err(failed)?;
            seen.note_head(false);
            Ok(Response::framed(head, Version::HTTP_2, Body::Http2(exchange)))
        }
        #[cfg(feature = "http3")]
        Protocol::Http3(connection) => {
            let watch = StreamWatch::default();
            let running = Running::framed(clock, watch.clone());
            seen.running = Some(running.of(&request));
            let waiting = context.waiting_for(|| seen.describe_wait());
            let sent = Box::pin(Http3::send(connection, watch, request)).await;
            drop(waiting);
            let (head, exchange) = sent?;
            seen.note_head(false);
            Ok(Response::framed(head, Version::HTTP_3, Body::Http3(exchange)))
        }
    }
}

/// Returns the failure of an exchange over HTTP/2, with the key that switches to HTTP/1.1 where that
/// may help.
fn http2_failure(error: &Http2Error, what: &str) -> Failure {
    let failure = error.failure(what);
    if !error.needs_http1() {
        return failure;
    }
    let message = format!("{failure}; set enable_http2: false in the module");
    Failure::new(failure.stage, failure.reason, message)
}

impl Response {
    /// A response over HTTP/1, whose body is still on its way.
    fn over_http1(head: Head, rest: Exchange<RequestBody>) -> Self {
        let Head { version, status, mut headers, .. } = head;
        note_no_cache(&mut headers);
        let (content_length, body) = (rest.content_length(), Body::Http1(Box::new(rest)));
        Self { status, version, headers, content_length, body }
    }

    fn framed(head: FramedHead, version: Version, body: Body) -> Self {
        let FramedHead { status, mut headers, content_length } = head;
        headers.remove(header::TRAILER);
        note_no_cache(&mut headers);
        let version = version.into();
        Self { status, version, headers, content_length, body }
    }

    /// The next piece of the body.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        match &mut self.body {
            Body::Http1(exchange) => {
                let broken = |problem: Problem| problem.failure("The body broke off");
                exchange.next_piece().await.map_err(broken)
            }
            Body::Http2(exchange) => {
                let broken = |error| http2_failure(&error, "The body broke off");
                exchange.next_piece().await.map_err(broken)
            }
            #[cfg(feature = "http3")]
            Body::Http3(exchange) => exchange.next_piece().await,
        }
    }
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
