//! Field sections of HTTP/2 and HTTP/3: the head of a response, or its trailers.
//!
//! The rules are those of Go's client. Fields about the connection, which both versions forbid, are
//! kept: servers behind an HTTP/1 proxy send them, and browsers ignore them too.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    diagnostics::log::Quoted,
    net::http::{
        content_length::ContentLength,
        error::ExchangeError,
        limits::{MAX_HEAD, MAX_HEADERS},
    },
};

/// A field section while it is decoded.
#[derive(Debug, Default)]
pub(crate) struct FieldSection {
    status: Option<Bytes>,
    headers: HeaderMap,
    size: usize,
}

/// The head of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FramedHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content_length: ContentLength,
}

/// Bytes that each field counts besides its name and value (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// Returns the memory of headers in bytes.
pub(super) fn weight(headers: &HeaderMap) -> usize {
    let texts = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    headers.len() * HEADER + texts.sum::<usize>()
}

/// Memory of a header besides its texts in bytes.
const HEADER: usize = 160;

impl FieldSection {
    /// Adds the size of a field.
    pub(crate) fn count(&mut self, name: &[u8], value: &[u8]) -> Result<(), ExchangeError> {
        self.size += name.len() + value.len() + FIELD_OVERHEAD;
        if self.size > MAX_HEAD {
            return Err(ExchangeError::head_too_large());
        }
        Ok(())
    }

    /// Adds a field.
    pub(crate) fn push(&mut self, name: &[u8], value: Bytes) -> Result<(), ExchangeError> {
        self.count(name, &value)?;
        let malformed = |what: &str| {
            ExchangeError::malformed(format!("malformed header {}: {what}", Quoted(name)))
        };
        match name.split_first() {
            None => return Err(malformed("the name is empty")),
            Some((b':', _)) if !self.headers.is_empty() => {
                return Err(malformed("a pseudo-header must come before all other headers"));
            }
            Some((b':', b"status")) if self.status.is_some() => {
                return Err(malformed("this pseudo-header is repeated"));
            }
            Some((b':', b"status")) => {
                self.status = Some(value);
                return Ok(());
            }
            Some((b':', _)) => {
                return Err(malformed("this pseudo-header is not allowed in a response"));
            }
            Some(_) => {}
        }
        if name.iter().any(u8::is_ascii_uppercase) {
            return Err(malformed("the name is not in lower case"));
        }
        let known = HeaderName::from_lowercase(name)
            .map_err(|_| malformed("the name contains an invalid character"))?;
        let value = HeaderValue::from_maybe_shared(value)
            .map_err(|_| malformed("the value contains a control character"))?;
        if self.headers.len() >= MAX_HEADERS {
            return Err(ExchangeError::too_many_headers(MAX_HEADERS));
        }
        self.headers.append(known, value);
        Ok(())
    }

    /// Returns the size of the fields so far, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the head of a response.
    pub(crate) fn into_head(self) -> Result<FramedHead, ExchangeError> {
        let Self { status, headers, .. } = self;
        let text = status.ok_or_else(|| {
            ExchangeError::malformed("the response has no status (pseudo-header \":status\")")
        })?;
        // As Go's client does it, any number counts, however it is written.
        let number = str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        let status = number.and_then(|number| StatusCode::from_u16(number).ok());
        let status = status.ok_or_else(|| {
            let text = Quoted(&text);
            ExchangeError::malformed(format!("invalid status {text} (pseudo-header \":status\")"))
        })?;
        let content_length = ContentLength::of(&headers);
        Ok(FramedHead { status, headers, content_length })
    }

    /// Returns the trailers of a response.
    pub(crate) fn into_trailers(self) -> Result<HeaderMap, ExchangeError> {
        match self.status {
            None => Ok(self.headers),
            Some(_) => {
                Err(ExchangeError::malformed("the trailers have a pseudo-header \":status\""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Reason;

    fn section(fields: &[(&'static str, &'static str)]) -> Result<FieldSection, ExchangeError> {
        let mut section = FieldSection::default();
        for (name, value) in fields {
            section.push(name.as_bytes(), Bytes::from_static(value.as_bytes()))?;
        }
        Ok(section)
    }

    #[test]
    fn heads_are_taken_as_go_takes_them_or_their_fault_is_named() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: &[(Fields, Result<u16, &str>)] = &[
            (&[(":status", "200")], Ok(200)),
            (&[(":status", "0200")], Ok(200)),
            (&[(":status", "+200")], Ok(200)),
            (&[(":status", "103"), ("link", "a")], Ok(103)),
            (&[(":status", "999"), ("x", "")], Ok(999)),
            (&[(":status", "200"), ("connection", "keep-alive")], Ok(200)),
            (&[(":status", "200"), ("keep-alive", "timeout=5")], Ok(200)),
            (&[(":status", "200"), ("proxy-connection", "close")], Ok(200)),
            (&[(":status", "200"), ("transfer-encoding", "chunked")], Ok(200)),
            (&[(":status", "200"), ("upgrade", "h2,h2c")], Ok(200)),
            (&[(":status", "200"), ("te", "gzip")], Ok(200)),
            (&[(":status", "200"), ("x", "caf\u{e9}\t")], Ok(200)),
            (&[], Err("no status")),
            (&[("x", "y")], Err("no status")),
            (&[(":status", "")], Err("\"\"")),
            (&[(":status", "20")], Err("\"20\"")),
            (&[(":status", "2xx")], Err("\"2xx\"")),
            (
                &[(":status", "200"), (":status", "200")],
                Err("\":status\": this pseudo-header is repeated"),
            ),
            (&[("x", "y"), (":status", "200")], Err("before all other")),
            (&[(":status", "200"), (":path", "/")], Err("\":path\"")),
            (&[(":status", "200"), (":", "/")], Err("\":\"")),
            (
                &[(":status", "200"), ("X-Upper", "y")],
                Err("\"X-Upper\": the name is not in lower case"),
            ),
            (&[(":status", "200"), ("a b", "y")], Err("\"a b\"")),
            (&[(":status", "200"), ("", "y")], Err("\"\": the name is empty")),
            (
                &[(":status", "200"), ("x", "a\nb")],
                Err("\"x\": the value contains a control character"),
            ),
            (&[(":status", "200"), ("x", "a\0b")], Err("\"x\"")),
            (&[(":status", "200"), ("x", "a\x7fb")], Err("\"x\"")),
        ];
        for (fields, expected) in cases {
            let head = section(fields).and_then(FieldSection::into_head);
            match (head, expected) {
                (Ok(head), Ok(status)) => assert_eq!(head.status.as_u16(), *status, "{fields:?}"),
                (Err(error), Err(words)) => {
                    let failure = error.failure("reading");
                    assert!(failure.message.contains(words), "{fields:?}: {failure}");
                    assert_eq!(failure.reason, Reason::Protocol);
                }
                (found, _) => panic!("{fields:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn trailers_have_no_status() {
        assert_eq!(section(&[("grpc-status", "0")]).unwrap().into_trailers().unwrap().len(), 1);
        assert!(section(&[(":status", "200")]).unwrap().into_trailers().is_err());
    }

    #[test]
    fn fields_are_counted_and_measured() {
        let many = vec![("x", "y"); MAX_HEADERS + 1];
        assert_eq!(section(&many).unwrap_err().failure("").reason, Reason::TooLarge);
        let mut section = FieldSection::default();
        let large = Bytes::from(vec![b'x'; MAX_HEAD]);
        let error = section.push(b"x", large).unwrap_err();
        assert_eq!(error.failure("").reason, Reason::TooLarge);
    }
}
