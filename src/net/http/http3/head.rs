//! Heads of requests and responses, in the form that HTTP/3 gives them.

use bytes::Bytes;
use http::request::Parts;
use quiche::h3::{self, NameValue as _};

use crate::net::http::{error::ExchangeError, fields::FieldSection};

/// A request as fields, those first that stand for its first line.
pub(super) fn fields(request: &Parts) -> Vec<h3::Header> {
    let uri = &request.uri;
    let text = |part: Option<&str>| part.unwrap_or_default().as_bytes().to_vec();
    let first = [
        (":method", request.method.as_str().as_bytes().to_vec()),
        (":scheme", text(uri.scheme_str())),
        (":authority", text(uri.authority().map(http::uri::Authority::as_str))),
        (":path", text(uri.path_and_query().map(http::uri::PathAndQuery::as_str))),
    ];
    let first = first.iter().map(|(name, value)| h3::Header::new(name.as_bytes(), value));
    let others = request.headers.iter();
    let others =
        others.map(|(name, value)| h3::Header::new(name.as_str().as_bytes(), value.as_bytes()));
    first.chain(others).collect()
}

/// Returns the section that these fields make.
pub(super) fn section(fields: &[h3::Header]) -> Result<FieldSection, ExchangeError> {
    let mut section = FieldSection::default();
    for field in fields {
        section.push(field.name(), Bytes::copy_from_slice(field.value()))?;
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_request_begins_with_what_its_first_line_would_say() {
        let request = Request::post("https://h.example:8443/a?b=%2F").header("X-One", "1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = fields(&parts);
        let found: Vec<_> = found.iter().map(|field| (field.name(), field.value())).collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", b"h.example:8443"),
            (b":path", b"/a?b=%2F"),
            (b"x-one", b"1"),
        ];
        assert_eq!(found, expected);
    }
}
