//! Errors of an exchange over HTTP/3.

use crate::{
    diagnostics::Reason,
    net::{
        http::error::{CLOSED_OR_MALFORMED, ExchangeError},
        quic::{AppError, Application},
    },
};

/// HTTP/3 for a QUIC connection. The error code of a connection that ends well is `H3_NO_ERROR`.
pub(crate) const APPLICATION: Application = Application { no_error: 0x100, describe };

/// The error code `H3_GENERAL_PROTOCOL_ERROR`. For a malformed request there is `H3_MESSAGE_ERROR`.
const GENERAL_PROTOCOL_ERROR: u64 = 0x101;

/// Describes an error code of HTTP/3 (RFC 9114, section 8.1, and RFC 9204, section 6), as the peer
/// sends it.
fn describe(code: u64) -> AppError {
    let (name, reason, meaning) = match code {
        0x100 => ("H3_NO_ERROR", Reason::Closed, "no error"),
        GENERAL_PROTOCOL_ERROR => {
            ("H3_GENERAL_PROTOCOL_ERROR", Reason::Protocol, "it detected a protocol error")
        }
        0x102 => ("H3_INTERNAL_ERROR", Reason::Closed, "internal error of the server"),
        0x103 => (
            "H3_STREAM_CREATION_ERROR",
            Reason::Protocol,
            "it does not accept a stream that was opened",
        ),
        0x104 => (
            "H3_CLOSED_CRITICAL_STREAM",
            Reason::Protocol,
            "a stream that the connection needs was closed",
        ),
        0x105 => ("H3_FRAME_UNEXPECTED", Reason::Protocol, "it received an unexpected frame"),
        0x106 => ("H3_FRAME_ERROR", Reason::Protocol, "it received a malformed frame"),
        0x107 => ("H3_EXCESSIVE_LOAD", Reason::Closed, "the client causes too much load"),
        0x108 => ("H3_ID_ERROR", Reason::Protocol, "it received an invalid identifier"),
        0x109 => ("H3_SETTINGS_ERROR", Reason::Protocol, "it received malformed SETTINGS"),
        0x10a => ("H3_MISSING_SETTINGS", Reason::Protocol, "it received no SETTINGS"),
        0x10b => ("H3_REQUEST_REJECTED", Reason::Closed, "it did not process the request"),
        0x10c => ("H3_REQUEST_CANCELLED", Reason::Closed, "it cancelled the response"),
        0x10d => {
            ("H3_REQUEST_INCOMPLETE", Reason::Protocol, "the request ended before it was complete")
        }
        0x10e => ("H3_MESSAGE_ERROR", Reason::Protocol, "it considers the request malformed"),
        0x10f => ("H3_CONNECT_ERROR", Reason::Closed, "the connection of a CONNECT request failed"),
        0x110 => (
            "H3_VERSION_FALLBACK",
            Reason::Protocol,
            "it supports only HTTP/1.1 for this request; set enable_http3: false in the module",
        ),
        0x200 => (
            "QPACK_DECOMPRESSION_FAILED",
            Reason::Protocol,
            "it could not decode the headers of the request",
        ),
        0x201 => ("QPACK_ENCODER_STREAM_ERROR", Reason::Protocol, "an error in header compression"),
        0x202 => ("QPACK_DECODER_STREAM_ERROR", Reason::Protocol, "an error in header compression"),
        _ => ("unknown error code", Reason::Protocol, "not a defined error code"),
    };
    AppError { name, reason, meaning }
}

/// The peer reset the stream; `before` names what had not arrived by then.
pub(super) fn reset(code: u64, before: &str) -> ExchangeError {
    let AppError { name, mut reason, mut meaning } = describe(code);
    if code == GENERAL_PROTOCOL_ERROR {
        (reason, meaning) = (Reason::Closed, CLOSED_OR_MALFORMED);
    }
    let text =
        format!("the server reset the stream before {before}: {name} ({code:#x}): {meaning}");
    ExchangeError::new(reason, text)
}

/// The peer broke the protocol.
pub(super) fn broken(what: &str) -> ExchangeError {
    ExchangeError::protocol(format!("the server violates HTTP/3: {what}"))
}

/// The QUIC library returned an error.
pub(super) fn of_quic(error: quiche::Error) -> ExchangeError {
    ExchangeError::protocol(format!("QUIC: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_has_its_name_and_reason() {
        for (code, name, reason) in [
            (0x100, "H3_NO_ERROR (0x100)", Reason::Closed),
            (0x101, "H3_GENERAL_PROTOCOL_ERROR (0x101)", Reason::Closed),
            (0x102, "H3_INTERNAL_ERROR (0x102)", Reason::Closed),
            (0x107, "H3_EXCESSIVE_LOAD (0x107)", Reason::Closed),
            (0x10b, "H3_REQUEST_REJECTED (0x10b)", Reason::Closed),
            (0x10c, "H3_REQUEST_CANCELLED (0x10c)", Reason::Closed),
            (0x110, "enable_http3: false", Reason::Protocol),
            (0x200, "QPACK_DECOMPRESSION_FAILED (0x200)", Reason::Protocol),
            (0x4242, "unknown error code (0x4242)", Reason::Protocol),
        ] {
            let failure = reset(code, "its head").failure("the request failed");
            assert_eq!(failure.reason, reason, "{failure}");
            assert!(failure.message.contains(name), "{failure}");
        }
        assert_eq!(describe(GENERAL_PROTOCOL_ERROR).reason, Reason::Protocol, "of a connection");
    }
}
