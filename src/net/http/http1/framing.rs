//! The end of a response's body: where it is, by the rules of Go's client.

use http::{HeaderMap, Method, StatusCode, header};

use super::head::Head;
use crate::net::http::{content_length::ContentLength, error::ExchangeError};

/// The end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection.
    UntilEnd,
}

impl Framing {
    const NONE: Self = Self::Length(0);
}

/// Returns the end of the body of a response to `method`, and its length as Go's client has it.
///
/// Takes the headers out of the head that Go's client does not present.
pub(super) fn framing(
    head: &mut Head,
    method: &Method,
) -> Result<(Framing, Option<u64>), ExchangeError> {
    let Head { version, status, headers, .. } = head;
    if method == Method::CONNECT && status.is_success() || status.is_informational() {
        // What follows is another protocol.
        return Ok((Framing::NONE, Some(0)));
    }
    // As Go's client does it, version 0.0 counts as 1.1.
    let knows_encodings =
        (version.major, version.minor) >= (1, 1) || version.major + version.minor == 0;
    let is_chunked = knows_encodings && is_chunked(headers)?;
    headers.remove(header::TRANSFER_ENCODING);
    let length = length(headers)?;
    if is_chunked {
        headers.remove(header::TRAILER);
    }
    if method == Method::HEAD {
        return Ok((Framing::NONE, length));
    }
    if matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok((Framing::NONE, Some(0)));
    }
    if is_chunked {
        headers.remove(header::CONTENT_LENGTH);
        return Ok((Framing::Chunked, None));
    }
    Ok((length.map_or(Framing::UntilEnd, Framing::Length), length))
}

/// Returns whether the body is chunked; there is no other encoding.
fn is_chunked(headers: &HeaderMap) -> Result<bool, ExchangeError> {
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(encoding) = encodings.next() else { return Ok(false) };
    if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") && encodings.next().is_none() {
        return Ok(true);
    }
    Err(ExchangeError::line("unsupported transfer encoding", encoding.as_bytes()))
}

/// Returns the length in `Content-Length`, and keeps one such header.
fn length(headers: &mut HeaderMap) -> Result<Option<u64>, ExchangeError> {
    let length = ContentLength::of(headers);
    let Some(first) = headers.get(header::CONTENT_LENGTH) else { return Ok(None) };
    match length {
        ContentLength::Absent | ContentLength::Invalid => {
            let what = "the header Content-Length is not a single number";
            Err(ExchangeError::line(what, first.as_bytes()))
        }
        ContentLength::Number(length) => Ok(Some(length)),
        ContentLength::Repeated(length) => {
            let first = first.clone();
            headers.insert(header::CONTENT_LENGTH, first);
            Ok(Some(length))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::net::http::version::HttpVersion;

    /// Returns the end of the body of a response, and its length.
    fn of(
        method: &Method,
        version: (u8, u8),
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> Option<(Framing, Option<u64>)> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut head = Head {
            version: HttpVersion { major: version.0, minor: version.1 },
            status: StatusCode::from_u16(status).unwrap(),
            reason: bytes::Bytes::new(),
            headers: headers.collect(),
            ignored: None,
        };
        framing(&mut head, method).ok()
    }

    const LENGTH: &str = "content-length";
    const ENCODING: &str = "transfer-encoding";

    #[test]
    fn a_body_ends_where_go_says() {
        let until_end = Some((Framing::UntilEnd, None));
        let chunked = Some((Framing::Chunked, None));
        let length = |length| Some((Framing::Length(length), Some(length)));
        for (version, headers, expected) in [
            ((1, 1), &[][..], until_end),
            ((1, 1), &[(LENGTH, "5")], length(5)),
            ((1, 1), &[(LENGTH, "005")], length(5)),
            ((1, 1), &[(LENGTH, "9223372036854775807")], length(i64::MAX.unsigned_abs())),
            ((1, 1), &[(LENGTH, "9223372036854775808")], None),
            ((1, 1), &[(LENGTH, "+5")], None),
            ((1, 1), &[(LENGTH, "-5")], None),
            ((1, 1), &[(LENGTH, "")], None),
            ((1, 1), &[(LENGTH, "5x")], None),
            ((1, 1), &[(LENGTH, "0x5")], None),
            ((1, 1), &[(LENGTH, "5 5")], None),
            ((1, 1), &[(LENGTH, "5, 5")], length(5)),
            ((1, 1), &[(LENGTH, "5, 6")], None),
            ((1, 1), &[(LENGTH, "5,")], None),
            ((1, 1), &[(LENGTH, "5"), (LENGTH, "5 ")], length(5)),
            ((1, 1), &[(LENGTH, "5"), (LENGTH, "05")], None),
            ((1, 1), &[(LENGTH, "5"), (LENGTH, "")], None),
            ((1, 1), &[(ENCODING, "chunked")], chunked),
            ((1, 1), &[(ENCODING, "Chunked"), (LENGTH, "5")], chunked),
            ((1, 1), &[(ENCODING, "chunked"), (LENGTH, "x")], None),
            ((1, 1), &[(ENCODING, "chunked"), (ENCODING, "chunked")], None),
            ((1, 1), &[(ENCODING, "gzip, chunked")], None),
            ((1, 1), &[(ENCODING, "identity")], None),
            ((1, 1), &[(ENCODING, "")], None),
            ((2, 0), &[(ENCODING, "chunked")], chunked),
            ((0, 0), &[(ENCODING, "chunked")], chunked),
            ((1, 0), &[(ENCODING, "chunked")], until_end),
            ((1, 0), &[(ENCODING, "gzip"), (LENGTH, "5")], length(5)),
            ((0, 9), &[(ENCODING, "chunked")], until_end),
        ] {
            assert_eq!(
                of(&Method::GET, version, 200, headers),
                expected,
                "{version:?} {headers:?}"
            );
        }
    }

    #[test]
    fn some_responses_have_no_body() {
        let (get, head, connect) = (Method::GET, Method::HEAD, Method::CONNECT);
        let five = [(LENGTH, "5")];
        for (method, status, headers, expected) in [
            (&get, 204, &five[..], Some(Some(0))),
            (&get, 304, &[(ENCODING, "chunked")], Some(Some(0))),
            (&get, 204, &[(LENGTH, "x")], None),
            (&get, 101, &[(LENGTH, "x")], Some(Some(0))),
            (&head, 200, &five, Some(Some(5))),
            (&head, 200, &[], Some(None)),
            (&head, 200, &[(LENGTH, "x")], None),
            (&connect, 200, &[(ENCODING, "chunked"), (LENGTH, "x")], Some(Some(0))),
        ] {
            let expected = expected.map(|length| (Framing::NONE, length));
            assert_eq!(of(method, (1, 1), status, headers), expected, "{status} {headers:?}");
        }
        let expected = Some((Framing::Length(5), Some(5)));
        assert_eq!(of(&connect, (1, 1), 502, &five), expected, "the proxy's own words");
    }
}
