//! Errors of an exchange over HTTP/2.

use std::{fmt, io};

use crate::{
    diagnostics::{Call, Cause, Failure, Reason, log::Quoted},
    net::http::{
        error::{CLOSED_OR_MALFORMED, ExchangeError},
        not_http,
    },
};

/// An error code of `RST_STREAM` and GOAWAY (RFC 9113, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorCode(pub(crate) u32);

impl ErrorCode {
    pub(crate) const NO_ERROR: Self = Self(0);
    const PROTOCOL_ERROR: Self = Self(1);
    pub(crate) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(crate) const REFUSED_STREAM: Self = Self(7);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const ENHANCE_YOUR_CALM: Self = Self(0xb);
    pub(crate) const INADEQUATE_SECURITY: Self = Self(0xc);
    const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// Returns the name, the reason that it stands for, and its meaning where a server says it.
    fn describe(self) -> (&'static str, Reason, &'static str) {
        match self.0 {
            0x0 => ("NO_ERROR", Reason::Closed, "graceful shutdown"),
            0x1 => {
                ("PROTOCOL_ERROR", Reason::Protocol, "it detected a protocol error in the request")
            }
            0x2 => ("INTERNAL_ERROR", Reason::Closed, "internal error of the server"),
            0x3 => (
                "FLOW_CONTROL_ERROR",
                Reason::Protocol,
                "it received more than its flow-control window allows",
            ),
            0x4 => {
                ("SETTINGS_TIMEOUT", Reason::Closed, "its SETTINGS were not acknowledged in time")
            }
            0x5 => (
                "STREAM_CLOSED",
                Reason::Protocol,
                "it received a frame for a stream that it had closed",
            ),
            0x6 => ("FRAME_SIZE_ERROR", Reason::Protocol, "it received a frame of an invalid size"),
            0x7 => ("REFUSED_STREAM", Reason::Closed, "it did not process the request"),
            0x8 => ("CANCEL", Reason::Closed, "it cancelled the response"),
            0x9 => (
                "COMPRESSION_ERROR",
                Reason::Protocol,
                "it could not decode the headers of the request",
            ),
            0xa => ("CONNECT_ERROR", Reason::Closed, "the connection of a CONNECT request failed"),
            0xb => ("ENHANCE_YOUR_CALM", Reason::Closed, "the client causes too much load"),
            0xc => (
                "INADEQUATE_SECURITY",
                Reason::TlsIncompatible,
                "the TLS version or cipher does not meet its requirements",
            ),
            0xd => (
                "HTTP_1_1_REQUIRED",
                Reason::Protocol,
                "it supports only HTTP/1.1 for this request",
            ),
            _ => ("unknown error code", Reason::Protocol, "not a defined error code"),
        }
    }

    /// Returns the reason that the code stands for when it resets a stream, and its meaning.
    fn describe_reset(self) -> (Reason, &'static str) {
        match self {
            // For a connection it means a graceful shutdown, for a stream it means nothing.
            Self::NO_ERROR => (Reason::Closed, "no reason given"),
            // The requests of the exporter are well-formed.
            Self::PROTOCOL_ERROR => (Reason::Closed, CLOSED_OR_MALFORMED),
            _ => {
                let (_, reason, meaning) = self.describe();
                (reason, meaning)
            }
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(code) = self;
        write!(formatter, "{} ({code:#x})", self.describe().0)
    }
}

/// The last GOAWAY of a server.
#[derive(Debug, Clone)]
pub(super) struct GoAway {
    pub(super) code: ErrorCode,
    /// The highest number of a stream that the server may have processed.
    pub(super) last_stream: u32,
    /// A text for people.
    pub(super) debug_data: Vec<u8>,
}

impl fmt::Display for GoAway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, _, meaning) = self.code.describe();
        write!(formatter, "GOAWAY with {}: {meaning}", self.code)?;
        if self.debug_data.is_empty() {
            return Ok(());
        }
        write!(formatter, "; message: {}", Quoted(&self.debug_data))
    }
}

/// The server broke the protocol, and the connection cannot be used any more.
pub(super) fn broken(what: impl fmt::Display) -> ExchangeError {
    ExchangeError::protocol(format!("the server violates HTTP/2: {what}"))
}

/// The server began with something other than frames.
pub(super) fn not_http2(beginning: &[u8]) -> ExchangeError {
    const STATUS_LINE: &[u8] = b"HTTP/";
    let compared = beginning.len().min(STATUS_LINE.len());
    if beginning.get(..compared) == STATUS_LINE.get(..compared) {
        return ExchangeError::protocol("the server responded with HTTP/1 instead of HTTP/2")
            .with_hint_of_http1(true);
    }
    let what = not_http::describe(beginning);
    ExchangeError::new(Reason::NotHttp, format!("the server does not use HTTP/2: {what}"))
}

/// The server reset the stream; `before` names what had not arrived by then.
pub(super) fn reset(code: ErrorCode, before: &str, go_away: Option<&GoAway>) -> ExchangeError {
    let (mut reason, meaning) = code.describe_reset();
    let mut text =
        format!("the server reset the stream before {before}: RST_STREAM with {code}: {meaning}");
    if let Some(go_away) = go_away {
        text = format!("{text}; before that it sent {go_away}");
        if go_away.code == ErrorCode::PROTOCOL_ERROR {
            reason = Reason::Protocol;
        }
    }
    ExchangeError::new(reason, text)
        .with_reset_code(code.0)
        .with_hint_of_http1(code == ErrorCode::HTTP_1_1_REQUIRED)
}

/// The server ended the connection by a GOAWAY that says that the request was not processed.
pub(super) fn not_processed(go_away: &GoAway) -> ExchangeError {
    let (_, reason, _) = go_away.code.describe();
    let text = format!("the server did not process the request; it sent {go_away}");
    ExchangeError::new(reason, text)
        .with_hint_of_http1(go_away.code == ErrorCode::HTTP_1_1_REQUIRED)
}

/// The server closed the connection; `before` names what had not arrived by then.
pub(super) fn closed(before: &str, go_away: Option<&GoAway>) -> ExchangeError {
    let text = format!("the server closed the connection before {before}");
    match go_away {
        None => ExchangeError::closed(text),
        Some(go_away) => {
            let (_, reason, _) = go_away.code.describe();
            ExchangeError::new(reason, format!("{text}, after {go_away}"))
        }
    }
}

/// The body is shorter than `Content-Length` by so many bytes.
pub(super) fn missing(bytes: u64) -> ExchangeError {
    let text = format!("the body is {bytes} bytes shorter than its Content-Length");
    ExchangeError::closed(text)
}

/// A system call or the TLS layer failed.
pub(super) fn io(error: &io::Error, before: &str, go_away: Option<&GoAway>) -> ExchangeError {
    if let Some(failure) = Failure::contained_in(error) {
        return failure.clone().into();
    }
    let mut text = format!("the connection failed before {before}: {error}");
    if let Some(go_away) = go_away {
        text = format!("{text}; before that the server sent {go_away}");
    }
    ExchangeError::new(Cause::of(Call::Exchange, error).reason, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Stage;

    #[test]
    fn each_error_code_has_its_name_and_reason() {
        use Reason::{Closed, Protocol, TlsIncompatible};
        for (code, name, reason) in [
            (0x0, "NO_ERROR (0x0)", Closed),
            (0x1, "PROTOCOL_ERROR (0x1)", Protocol),
            (0x2, "INTERNAL_ERROR (0x2)", Closed),
            (0x3, "FLOW_CONTROL_ERROR (0x3)", Protocol),
            (0x4, "SETTINGS_TIMEOUT (0x4)", Closed),
            (0x5, "STREAM_CLOSED (0x5)", Protocol),
            (0x6, "FRAME_SIZE_ERROR (0x6)", Protocol),
            (0x7, "REFUSED_STREAM (0x7)", Closed),
            (0x8, "CANCEL (0x8)", Closed),
            (0x9, "COMPRESSION_ERROR (0x9)", Protocol),
            (0xa, "CONNECT_ERROR (0xa)", Closed),
            (0xb, "ENHANCE_YOUR_CALM (0xb)", Closed),
            (0xc, "INADEQUATE_SECURITY (0xc)", TlsIncompatible),
            (0xd, "HTTP_1_1_REQUIRED (0xd)", Protocol),
            (0xe, "unknown error code (0xe)", Protocol),
            (u32::MAX, "unknown error code (0xffffffff)", Protocol),
        ] {
            let reset = reset(ErrorCode(code), "its head", None);
            let failure = reset.clone().failure("the request failed");
            // nginx resets the stream with this code after `return 444`.
            let of_stream = if code == 0x1 { Closed } else { reason };
            assert_eq!(failure.reason, of_stream, "{code}");
            assert!(failure.message.contains(name), "{failure}");
            let debug_data = b"too \"many\"\n".to_vec();
            let go_away = GoAway { code: ErrorCode(code), last_stream: 0, debug_data };
            for error in [not_processed(&go_away), closed("x", Some(&go_away))] {
                let failure = error.failure("the request failed");
                assert_eq!(failure.reason, reason, "{code}");
                assert!(failure.message.contains(name), "{failure}");
                assert!(failure.message.ends_with(r#"message: "too \"many\"\n""#), "{failure}");
            }
            assert_eq!(reset.needs_http1(), code == 0xd);
        }
    }

    #[test]
    fn a_reset_after_a_protocol_error_of_the_connection_is_one() {
        let after = |code| {
            let go_away = GoAway { code: ErrorCode(code), last_stream: 1, debug_data: Vec::new() };
            let reset = reset(ErrorCode::PROTOCOL_ERROR, "its head", Some(&go_away));
            reset.failure("the request failed").reason
        };
        assert_eq!((after(0x1), after(0x0)), (Reason::Protocol, Reason::Closed));
    }

    #[test]
    fn a_failure_from_below_stands_as_it_is() {
        let below = Failure::new(Stage::Tls, Reason::TlsProtocol, "an alert");
        let error = io(&io::Error::other(below.clone()), "its head", None);
        assert_eq!(error.failure("the request failed"), below);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = io(&reset, "its head", None).failure("the request failed");
        assert_eq!((failure.stage, failure.reason), (Stage::Response, Reason::Reset));
    }
}
