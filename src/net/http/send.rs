//! Sends one request over a connection, and waits for the head of the response.

use std::{error::Error, io};

use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    evidence::{Call, Cause, Failure, Reason, Stage},
    net::http::{driver::Driver, http2::Framed},
};

/// What bytes go through: TCP, or TLS over it.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for S {}

/// The head of a response, trailers included, may have this many bytes.
///
/// Unlike upstream, which takes 10 MiB.
pub(crate) const LARGEST_HEAD: usize = 512 << 10;

/// And this many headers, for which room is made before they come.
pub(crate) const MOST_HEADERS: usize = 4096;

/// How much of a body is read ahead. Go's client has 4 MiB for HTTP/2, on each connection.
pub(crate) const READ_AHEAD: u32 = 1 << 20;

/// The response, and what moves its body along.
pub(crate) type Answered = hyper::Result<(Response<Incoming>, Driver)>;

/// Sends a request over HTTP/2.
pub(crate) async fn send_http2<S, B>(stream: Framed<S>, request: Request<B>) -> Answered
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let mut driver = Driver::default();
    let (mut sender, connection) = http2::Builder::new(driver.spawner())
        .initial_stream_window_size(READ_AHEAD)
        .initial_connection_window_size(READ_AHEAD)
        .max_header_list_size(u32::try_from(LARGEST_HEAD).unwrap_or(u32::MAX))
        .handshake(TokioIo::new(stream))
        .await?;
    driver.spawn(connection.map(drop));
    let response = driver.run(sender.send_request(request)).await?;
    Ok((response, driver))
}

/// Why there is no response, or no whole one.
pub(crate) fn failure_of(error: &hyper::Error, what: &str) -> Failure {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut io_error = None;
    // Before the request was written, what went wrong is behind the word that it was cancelled.
    let mut innermost = error;
    let mut text = String::new();
    while let Some(error) = cause {
        innermost = error.downcast_ref().unwrap_or(innermost);
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let behind = error.get_ref().and_then(|behind| behind.downcast_ref::<Failure>());
            if let Some(failure) = behind {
                return failure.clone();
            }
            io_error = Some(error);
        }
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let (stage, reason) = if innermost.is_user() {
        (Stage::Request, Reason::UnusableFile)
    } else if innermost.is_parse() && text.contains("too large") {
        // The method that tells this is there for servers alone.
        (Stage::Response, Reason::TooLarge)
    } else if innermost.is_incomplete_message()
        || innermost.is_closed()
        || innermost.is_canceled() && io_error.is_none()
    {
        // Nobody cancels but the connection, when it has ended before the request was sent.
        (Stage::Response, Reason::Closed)
    } else if let Some(error) = io_error {
        // So HTTP/2 tells of a connection that the peer has closed in good order.
        let is_closed = error.kind() == io::ErrorKind::BrokenPipe;
        let reason =
            if is_closed { Reason::Closed } else { Cause::of(Call::Exchange, error).reason };
        (Stage::Response, reason)
    } else {
        (Stage::Response, Reason::Protocol)
    };
    Failure::new(stage, reason, format!("{what}{text}"))
}
