//! The reasons why there is no response, or no complete one.

use std::{error::Error, io};

use crate::{
    diagnostics::{Failure, Reason, Stage, log::Quoted},
    memory::Exhausted,
    net::http::{limits::MAX_HEAD, not_http},
};

/// An exchange that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExchangeError {
    failure: Failure,
    /// True if the message of the failure is complete: it comes from TLS or QUIC.
    is_complete: bool,
    /// The HTTP/2 error code that the stream was reset with, by either side.
    reset_code: Option<u32>,
    needs_http1: bool,
}

/// The meaning of a general protocol error that resets a stream. nginx sends it when it closes a
/// request, but a server may also send it for a request that it considers malformed.
pub(super) const CLOSED_OR_MALFORMED: &str = "it closed the request (as 'return 444' and timeouts \
                                              of nginx do), or considers it malformed";

/// The HTTP/2 error code `PROTOCOL_ERROR`.
const PROTOCOL_ERROR: u32 = 1;

impl ExchangeError {
    /// Returns an error of reading the response.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self::in_stage(Stage::Response, reason, message)
    }

    fn in_stage(stage: Stage, reason: Reason, message: impl Into<String>) -> Self {
        let failure = Failure::new(stage, reason, message);
        Self { failure, is_complete: false, reset_code: None, needs_http1: false }
    }

    /// The response breaks the protocol.
    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new(Reason::Protocol, message)
    }

    /// A line of the response breaks the protocol.
    pub(super) fn line(what: &str, line: &[u8]) -> Self {
        Self::protocol(format!("{what}: {}", Quoted(line)))
    }

    /// The response is malformed. An HTTP/2 client resets the stream then.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::protocol(message).with_reset_code(PROTOCOL_ERROR)
    }

    /// A part of the response is larger than allowed.
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(Reason::TooLarge, message).with_reset_code(PROTOCOL_ERROR)
    }

    /// The header of the response, or its trailers, are larger than allowed.
    pub(super) fn head_too_large() -> Self {
        let limit = MAX_HEAD >> 10;
        let message =
            format!("the header of the response is larger than {limit} KiB, a fixed limit");
        Self::too_large(message)
    }

    /// The header of the response, or its trailers, have more fields than allowed.
    pub(super) fn too_many_headers(limit: usize) -> Self {
        Self::too_large(format!("the response has more than {limit} headers, a fixed limit"))
    }

    /// The peer answered with something other than HTTP, which begins with `bytes`.
    pub(super) fn not_http(bytes: &[u8]) -> Self {
        Self::new(Reason::NotHttp, not_http::describe(bytes))
    }

    /// The connection ended before the response did.
    pub(super) fn closed(message: impl Into<String>) -> Self {
        Self::new(Reason::Closed, message)
    }

    /// Reading from the connection failed.
    pub(super) fn read(error: &io::Error) -> Self {
        let failure = Failure::io(Stage::Response, "reading the response", error);
        Self { failure, is_complete: false, reset_code: None, needs_http1: false }
    }

    /// The body of the request cannot be read.
    pub(super) fn request_body(error: &(dyn Error + 'static)) -> Self {
        let message = format!("cannot read the body of the request: {error}");
        Self::in_stage(Stage::Request, Reason::UnusableFile, message)
    }

    /// Adds the code that an HTTP/2 stream was reset with.
    pub(super) fn with_reset_code(self, code: u32) -> Self {
        Self { reset_code: Some(code), ..self }
    }

    /// Notes whether the server may answer over HTTP/1.1.
    pub(super) fn with_hint_of_http1(self, needs_http1: bool) -> Self {
        Self { needs_http1, ..self }
    }

    /// Returns the failure of a probe. Its message begins with `doing`, such as "the CONNECT request
    /// failed".
    pub(crate) fn failure(self, doing: &str) -> Failure {
        if self.is_complete {
            return self.failure;
        }
        let Failure { stage, reason, message } = self.failure;
        Failure::new(stage, reason, format!("{doing}: {message}"))
    }

    /// Returns the HTTP/2 error code that the stream was reset with, by either side.
    pub(crate) fn reset_code(&self) -> Option<u32> {
        self.reset_code
    }

    /// Returns whether the server may answer over HTTP/1.1.
    pub(crate) fn needs_http1(&self) -> bool {
        self.needs_http1
    }
}

/// The failure of the exchange that the probe is about.
impl From<ExchangeError> for Failure {
    fn from(error: ExchangeError) -> Self {
        error.failure
    }
}

/// There is no memory for the response.
impl From<Exhausted> for ExchangeError {
    fn from(error: Exhausted) -> Self {
        Self::too_large(error.to_string())
    }
}

/// A failure of TLS or QUIC, whose message is complete.
impl From<Failure> for ExchangeError {
    fn from(failure: Failure) -> Self {
        Self { failure, is_complete: true, reset_code: None, needs_http1: false }
    }
}
