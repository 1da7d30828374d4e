//! Heads of requests and responses, in the form that HTTP/3 gives them.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use quiche::h3::{self, NameValue as _};

use crate::{
    evidence::{Failure, Reason, Stage},
    net::http::send::MOST_HEADERS,
    probers::http::http3::broken,
};

/// The head of a final response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Http3Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The length of the body as it was announced.
    pub(crate) content_length: Option<u64>,
}

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

impl Http3Head {
    /// The head that these fields make; nothing when it is an interim one.
    pub(super) fn of(fields: &[h3::Header]) -> Result<Option<Self>, Failure> {
        if fields.len() > MOST_HEADERS {
            let message = "The request failed: the response has too many headers";
            return Err(Failure::new(Stage::Response, Reason::TooLarge, message));
        }
        let mut status = None;
        let mut headers = HeaderMap::new();
        for field in fields {
            match field.name() {
                b":status" if status.is_none() && headers.is_empty() => {
                    status = StatusCode::from_bytes(field.value()).ok();
                }
                name => {
                    let malformed = || {
                        let name = String::from_utf8_lossy(name);
                        broken(&format!("The request failed: malformed field {name:?}"))
                    };
                    let value = HeaderValue::from_bytes(field.value()).map_err(|_| malformed())?;
                    let name = HeaderName::from_lowercase(name).map_err(|_| malformed())?;
                    headers.append(name, value);
                }
            }
        }
        let status = status
            .ok_or_else(|| broken("The request failed: the response has no valid status code"))?;
        if status.is_informational() {
            return Ok(None);
        }
        let content_length = content_length(status, &headers);
        Ok(Some(Self { status, headers, content_length }))
    }
}

/// The length that was announced, as Go's client tells it.
fn content_length(status: StatusCode, headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = length.and_then(|length| length.parse().ok());
    announced.or_else(|| (status == StatusCode::NO_CONTENT).then_some(0))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn fields_of(pairs: &[(&str, &str)]) -> Vec<h3::Header> {
        let header =
            |(name, value): &(&str, &str)| h3::Header::new(name.as_bytes(), value.as_bytes());
        pairs.iter().map(header).collect()
    }

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

    #[test]
    fn heads_are_final_interim_or_broken() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: &[(Fields, Option<Option<Option<u64>>>)] = &[
            (&[(":status", "200")], Some(Some(None))),
            (&[(":status", "200"), ("content-length", "7")], Some(Some(Some(7)))),
            (&[(":status", "200"), ("content-length", "x")], Some(Some(None))),
            (&[(":status", "204")], Some(Some(Some(0)))),
            (&[(":status", "103"), ("link", "a")], Some(None)),
            (&[], None),
            (&[(":status", "20")], None),
            (&[(":status", "200"), (":status", "200")], None),
            (&[("x", "y"), (":status", "200")], None),
            (&[(":status", "200"), (":path", "/")], None),
            (&[(":status", "200"), ("X-Upper", "y")], None),
            (&[(":status", "200"), ("x", "a\nb")], None),
        ];
        for (fields, expected) in cases {
            let head = Http3Head::of(&fields_of(fields));
            let found = head.ok().map(|head| head.map(|head| head.content_length));
            assert_eq!(found, *expected, "{fields:?}");
        }
    }

    #[test]
    fn headers_are_counted() {
        let mut many = vec![(":status", "200")];
        many.resize(MOST_HEADERS + 1, ("x", "y"));
        let many = fields_of(&many);
        assert_eq!(Http3Head::of(&many).unwrap_err().reason, Reason::TooLarge);
    }
}
