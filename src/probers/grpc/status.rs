//! The gRPC status of a call, and the mapping of HTTP statuses and HTTP/2 errors to gRPC codes.

use std::fmt;

use http::{HeaderMap, StatusCode};

use crate::{diagnostics::log::Quoted, net::http::http2::ErrorCode};

/// A gRPC status code. Servers can send any number; the codes 0 to 16 are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    pub(super) const OK: Self = Self(0);
    pub(super) const CANCELLED: Self = Self(1);
    pub(super) const UNKNOWN: Self = Self(2);
    pub(super) const DEADLINE_EXCEEDED: Self = Self(4);
    pub(super) const PERMISSION_DENIED: Self = Self(7);
    pub(super) const RESOURCE_EXHAUSTED: Self = Self(8);
    pub(super) const UNIMPLEMENTED: Self = Self(12);
    pub(super) const INTERNAL: Self = Self(13);
    pub(super) const UNAVAILABLE: Self = Self(14);
    pub(super) const UNAUTHENTICATED: Self = Self(16);
}

/// The names of the codes, indexed by code.
const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        let name = usize::try_from(*number).ok().and_then(|index| NAMES.get(index));
        write!(formatter, "{number} ({})", name.unwrap_or(&"unknown code"))
    }
}

/// The values of `grpc-status` and `grpc-message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: Code,
    /// Human-readable message. May be empty.
    pub(super) message: String,
}

impl Status {
    /// Parses the status in trailers, or in a head that contains them.
    pub(super) fn of(trailers: &HeaderMap) -> Result<Self, String> {
        let status = trailers.get("grpc-status").ok_or("grpc-status is missing")?;
        let number = status.to_str().ok().and_then(|text| text.parse::<i32>().ok());
        let number = number
            .ok_or_else(|| format!("grpc-status is not a number: {}", Quoted(status.as_bytes())))?;
        let message = trailers.get("grpc-message").map(|text| percent_decoded(text.as_bytes()));
        // As in upstream, a negative number is read as an unsigned one.
        Ok(Self { code: Code(number.cast_unsigned()), message: message.unwrap_or_default() })
    }
}

/// Decodes percent encoding. Invalid sequences are kept, so that the message is never lost.
fn percent_decoded(text: &[u8]) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (*first, digit(tail.first()), digit(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            (byte, ..) => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Returns the gRPC code for the HTTP status of a response that is not gRPC.
pub(super) fn code_of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::INTERNAL,
        401 => Code::UNAUTHENTICATED,
        403 => Code::PERMISSION_DENIED,
        404 => Code::UNIMPLEMENTED,
        429 | 502..=504 => Code::UNAVAILABLE,
        _ => Code::UNKNOWN,
    }
}

/// Returns the gRPC code of a call without a response: the code for the HTTP/2 error of its stream,
/// or `UNAVAILABLE`.
pub(super) fn code_of_failed_call(reset_code: Option<u32>) -> Code {
    reset_code.map_or(Code::UNAVAILABLE, |code| code_of_reset(ErrorCode(code)))
}

fn code_of_reset(code: ErrorCode) -> Code {
    match code {
        ErrorCode::REFUSED_STREAM => Code::UNAVAILABLE,
        ErrorCode::CANCEL => Code::CANCELLED,
        ErrorCode::FLOW_CONTROL_ERROR | ErrorCode::ENHANCE_YOUR_CALM => Code::RESOURCE_EXHAUSTED,
        ErrorCode::INADEQUATE_SECURITY => Code::PERMISSION_DENIED,
        _ => Code::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn status(pairs: &[(&'static str, &'static str)]) -> Result<Status, String> {
        let headers = pairs.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        Status::of(&headers.collect())
    }

    #[test]
    fn statuses_have_a_number_and_an_optional_message() {
        let parsed = status(&[("grpc-status", "5"), ("grpc-message", "no%20such %zz %c3%a4%")]);
        assert_eq!(parsed, Ok(Status { code: Code(5), message: "no such %zz ä%".to_owned() }));
        assert_eq!(status(&[("grpc-status", "0")]).unwrap().code, Code::OK);
        assert_eq!(status(&[("grpc-status", "77")]).unwrap().code, Code(77));
        assert_eq!(status(&[("grpc-status", "-1")]).unwrap().code, Code(u32::MAX));
        for wrong in [&[][..], &[("grpc-status", "")], &[("grpc-status", "OK")]] {
            assert!(status(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn messages_with_invalid_utf8_are_kept() {
        assert_eq!(percent_decoded(b"%ff%E4x%4"), "\u{fffd}\u{fffd}x%4");
    }

    #[test]
    fn codes_have_names() {
        assert_eq!(Code(5).to_string(), "5 (NOT_FOUND)");
        assert_eq!(Code(99).to_string(), "99 (unknown code)");
        assert_eq!(Code::UNAUTHENTICATED.to_string(), "16 (UNAUTHENTICATED)");
    }

    #[test]
    fn http_statuses_and_http2_errors_map_to_codes() {
        for (status, code) in
            [(200, 2), (301, 2), (400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (500, 2)]
        {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(code_of_http(status), Code(code), "{status}");
        }
        for (reason, code) in [
            (ErrorCode::REFUSED_STREAM, 14),
            (ErrorCode::CANCEL, 1),
            (ErrorCode::ENHANCE_YOUR_CALM, 8),
            (ErrorCode::INADEQUATE_SECURITY, 7),
            (ErrorCode(1), 13),
        ] {
            assert_eq!(code_of_reset(reason), Code(code), "{reason}");
        }
    }
}
