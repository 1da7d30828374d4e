//! The reasons why an exchange over HTTP/2 fails, in words.

use std::{fmt, io};

use crate::{
    diagnostics::{Call, Cause, Failure, Reason, Stage, log::Quoted},
    net::http::{fields::BadSection, not_http},
};

/// An exchange that failed.
#[derive(Debug, Clone)]
pub(crate) struct Http2Error {
    reason: Reason,
    text: String,
    /// The failure of a layer below or of the request's body, which says it all.
    whole: Option<Failure>,
    /// The code that the stream was reset with, by either side.
    reset: Option<ErrorCode>,
    needs_http1: bool,
}

/// An error code of `RST_STREAM` and GOAWAY (RFC 9113, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErrorCode(pub(crate) u32);

impl ErrorCode {
    pub(crate) const NO_ERROR: Self = Self(0);
    pub(crate) const PROTOCOL_ERROR: Self = Self(1);
    pub(crate) const FLOW_CONTROL_ERROR: Self = Self(3);
    pub(crate) const REFUSED_STREAM: Self = Self(7);
    pub(crate) const CANCEL: Self = Self(8);
    pub(crate) const ENHANCE_YOUR_CALM: Self = Self(0xb);
    pub(crate) const INADEQUATE_SECURITY: Self = Self(0xc);
    const HTTP_1_1_REQUIRED: Self = Self(0xd);

    /// Returns the name, the reason that it stands for, and its meaning where a server says it.
    fn describe(self) -> (&'static str, Reason, &'static str) {
        match self.0 {
            0x0 => ("NO_ERROR", Reason::Closed, "it is shutting down in good order"),
            0x1 => (
                "PROTOCOL_ERROR",
                Reason::Protocol,
                "it takes something in the request or its frames for a protocol error",
            ),
            0x2 => ("INTERNAL_ERROR", Reason::Closed, "an error inside the server"),
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
            0xa => ("CONNECT_ERROR", Reason::Closed, "the connection behind it failed"),
            0xb => {
                ("ENHANCE_YOUR_CALM", Reason::Closed, "it limits the load that a client may cause")
            }
            0xc => (
                "INADEQUATE_SECURITY",
                Reason::TlsIncompatible,
                "the TLS version or cipher does not meet its requirements",
            ),
            0xd => (
                "HTTP_1_1_REQUIRED",
                Reason::Protocol,
                "it answers this request over HTTP/1.1 only",
            ),
            _ => ("unknown error code", Reason::Protocol, "the code has no known meaning"),
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
        write!(formatter, "; it adds {}", Quoted(&self.debug_data))
    }
}

impl Http2Error {
    fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into(), whole: None, reset: None, needs_http1: false }
    }

    /// The server broke the protocol, and the connection cannot be used any more.
    pub(super) fn broken(what: impl fmt::Display) -> Self {
        Self::new(Reason::Protocol, format!("the server breaks HTTP/2: {what}"))
    }

    /// The response is malformed, which a client answers with a reset of its stream.
    pub(super) fn malformed(reason: Reason, what: impl Into<String>) -> Self {
        Self { reset: Some(ErrorCode::PROTOCOL_ERROR), ..Self::new(reason, what) }
    }

    /// The server began with something else than frames.
    pub(super) fn not_http2(beginning: &[u8]) -> Self {
        const STATUS_LINE: &[u8] = b"HTTP/";
        let compared = beginning.len().min(STATUS_LINE.len());
        if beginning.get(..compared) == STATUS_LINE.get(..compared) {
            let error = Self::new(Reason::Protocol, "the server answers in HTTP/1, not in HTTP/2");
            return Self { needs_http1: true, ..error };
        }
        let what = not_http::describe(beginning);
        Self::new(Reason::NotHttp, format!("the server does not speak HTTP/2: {what}"))
    }

    /// The server reset the stream; `before` says what had not come by then.
    pub(super) fn reset(code: ErrorCode, before: &str, go_away: Option<&GoAway>) -> Self {
        let (_, reason, meaning) = code.describe();
        // Its meaning of a connection, of which a server says it too, is not that of a stream.
        let meaning = if code == ErrorCode::NO_ERROR { "it gives no reason" } else { meaning };
        let mut text = format!(
            "the server ended the stream before {before}, by RST_STREAM with {code}: {meaning}"
        );
        if let Some(go_away) = go_away {
            text = format!("{text}; before that it sent {go_away}");
        }
        let needs_http1 = code == ErrorCode::HTTP_1_1_REQUIRED;
        Self { reset: Some(code), needs_http1, ..Self::new(reason, text) }
    }

    /// The server ended the connection by a GOAWAY that says that the request was not processed.
    pub(super) fn not_processed(go_away: &GoAway) -> Self {
        let (_, reason, _) = go_away.code.describe();
        let text = format!("the server did not process the request; it sent {go_away}");
        let needs_http1 = go_away.code == ErrorCode::HTTP_1_1_REQUIRED;
        Self { needs_http1, ..Self::new(reason, text) }
    }

    /// The server closed the connection; `before` says what had not come by then.
    pub(super) fn closed(before: &str, go_away: Option<&GoAway>) -> Self {
        let text = format!("the server closed the connection before {before}");
        match go_away {
            None => Self::new(Reason::Closed, text),
            Some(go_away) => {
                let (_, reason, _) = go_away.code.describe();
                Self::new(reason, format!("{text}, after {go_away}"))
            }
        }
    }

    /// The body was announced to be longer than it is.
    pub(super) fn missing(bytes: u64) -> Self {
        let text = format!("the response ends {bytes} bytes before the length in Content-Length");
        Self::new(Reason::Closed, text)
    }

    /// A system call or the TLS layer failed.
    pub(super) fn io(error: &io::Error, before: &str, go_away: Option<&GoAway>) -> Self {
        let mut text = format!("the connection failed before {before}: {error}");
        if let Some(go_away) = go_away {
            text = format!("{text}; before that the server sent {go_away}");
        }
        let whole = Failure::behind(error).cloned();
        Self { whole, ..Self::new(Cause::of(Call::Exchange, error).reason, text) }
    }

    /// The body of the request cannot be read.
    pub(super) fn request_body(error: &io::Error) -> Self {
        let text = format!("The request failed: its body cannot be read: {error}");
        let whole = Failure::new(Stage::Request, Reason::UnusableFile, text.clone());
        Self { whole: Some(whole), ..Self::new(Reason::UnusableFile, text) }
    }

    /// Returns the failure, whose message begins with `what`.
    pub(crate) fn failure(&self, what: &str) -> Failure {
        self.whole.clone().unwrap_or_else(|| {
            Failure::new(Stage::Response, self.reason, format!("{what}: {}", self.text))
        })
    }

    /// Returns the code that the stream was reset with, by either side.
    pub(crate) fn reset_code(&self) -> Option<ErrorCode> {
        self.reset
    }

    /// Returns whether the server may answer over HTTP/1.1.
    pub(crate) fn needs_http1(&self) -> bool {
        self.needs_http1
    }
}

impl From<BadSection> for Http2Error {
    fn from(bad: BadSection) -> Self {
        Self::malformed(bad.reason, bad.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let reset = Http2Error::reset(ErrorCode(code), "its head", None);
            let failure = reset.failure("The request failed");
            assert_eq!(failure.reason, reason, "{code}");
            assert!(failure.message.contains(name), "{failure}");
            let debug_data = b"too \"many\"\n".to_vec();
            let go_away = GoAway { code: ErrorCode(code), last_stream: 0, debug_data };
            for error in
                [Http2Error::not_processed(&go_away), Http2Error::closed("x", Some(&go_away))]
            {
                let failure = error.failure("The request failed");
                assert_eq!(failure.reason, reason, "{code}");
                assert!(failure.message.contains(name), "{failure}");
                assert!(failure.message.ends_with(r#"it adds "too \"many\"\n""#), "{failure}");
            }
            assert_eq!(reset.needs_http1(), code == 0xd);
        }
    }

    #[test]
    fn a_failure_from_below_stands_as_it_is() {
        let below = Failure::new(Stage::Tls, Reason::TlsProtocol, "an alert");
        let error = Http2Error::io(&io::Error::other(below.clone()), "its head", None);
        assert_eq!(error.failure("The request failed"), below);
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = Http2Error::io(&reset, "its head", None).failure("The request failed");
        assert_eq!((failure.stage, failure.reason), (Stage::Response, Reason::Reset));
    }
}
