//! Excerpts of the head of a response, for the report of a probe.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::{
    diagnostics::{Part, PartKind},
    net::{
        Context,
        http::{exchange::Response, version::HttpVersion},
        redact_text::mask_values,
    },
    settings::{
        redact,
        secret::{HIDDEN, is_secret_name},
    },
};

/// Maximum number of headers in an excerpt.
const MAX_HEADERS: usize = 100;

impl Response {
    /// Records the head in the transcript of the probe.
    pub(crate) fn record_head(&self, context: &Context) {
        let line = (self.version, self.status, &*self.reason_phrase);
        record(context, line, &self.headers);
    }
}

/// Records the head of a response with this status line.
pub(crate) fn record(
    context: &Context,
    (version, status, phrase): (HttpVersion, StatusCode, &[u8]),
    headers: &HeaderMap,
) {
    let mut line = format!("{version} {}", status.as_str());
    if !phrase.is_empty() {
        line = format!("{line} {}", String::from_utf8_lossy(phrase));
    }
    context.transcript.add(Part::of(PartKind::StatusLine, line.as_bytes()));
    context.transcript.add(excerpt(PartKind::Headers, headers));
}

/// Returns an excerpt of headers or trailers. Values that are secret by the name of their header are
/// masked.
pub(crate) fn excerpt(kind: PartKind, headers: &HeaderMap) -> Part {
    let mut text = String::new();
    let mut total = 0;
    for (number, (name, value)) in headers.iter().enumerate() {
        let name_length = name.as_str().len() + ": \n".len();
        if number >= MAX_HEADERS || text.len() >= kind.needed() {
            total += name_length + value.len();
            continue;
        }
        let (start, rest) = value.as_bytes().split_at(value.len().min(kind.needed()));
        let value = shown(name, start);
        total += name_length + value.len() + rest.len();
        text.extend([name.as_str(), ": ", &value, "\n"]);
    }
    Part::new(kind, text.as_bytes(), u64::try_from(total).unwrap_or(u64::MAX))
}

/// Returns the value of a header without secrets.
fn shown<'v>(name: &HeaderName, value: &'v [u8]) -> Cow<'v, str> {
    let text = String::from_utf8_lossy(value);
    if name == header::SET_COOKIE {
        let (cookie, attributes) = text.split_at(text.find(';').unwrap_or(text.len()));
        let name = cookie.split_once('=').map_or("", |(name, _)| name);
        return Cow::Owned(format!("{name}={HIDDEN}{attributes}"));
    }
    if is_secret_name(name.as_str()) {
        return Cow::Borrowed(HIDDEN);
    }
    let text = binary(name, value).map_or(text, Cow::Owned);
    let mut masked = redact::url(&text).into_owned();
    mask_values(&mut masked);
    Cow::Owned(masked)
}

/// Returns the details of a gRPC status, which servers send in base64 beside the message, with bytes
/// that are not printable escaped.
fn binary(name: &HeaderName, value: &[u8]) -> Option<String> {
    let encoded = value.trim_ascii_end();
    let encoded = encoded
        .split(|byte| *byte == b'=')
        .next()
        .filter(|_| name.as_str() == "grpc-status-details-bin")?;
    // The end may be missing.
    let whole = encoded.len() - encoded.len() % 4;
    let bytes =
        BASE64.decode(encoded).or_else(|_| BASE64.decode(encoded.get(..whole).unwrap_or_default()));
    Some(bytes.ok()?.escape_ascii().to_string())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(headers: &[(&'static str, &'static str)]) -> String {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut part = excerpt(PartKind::Headers, &headers.collect());
        part.finish(|_| ());
        part.text
    }

    #[test]
    fn values_of_secret_headers_are_masked() {
        let shown = of(&[
            ("content-type", "text/html"),
            ("set-cookie", "sid=hunter2; Path=/; HttpOnly"),
            ("x-api-key", "hunter2"),
            ("location", "https://u:hunter2@h/next?code=hunter2&a=b"),
            ("x-debug", "token=hunter2"),
            ("x-user", "{\"access_token\":\"hunter2\"}"),
            ("grpc-status-details-bin", "CBASB2h1bnRlcjI"),
            ("x-bin", "bm90"),
            ("www-authenticate", "Digest realm=\"r\", nonce=\"abc\""),
        ]);
        let expected = "content-type: text/html\nset-cookie: sid=<secret>; Path=/; HttpOnly\n\
                        x-api-key: <secret>\nlocation: https://u:xxxxx@h/next?code=<secret>&a=b\n\
                        x-debug: token=<secret>\nx-user: {\"access_token\":\"<secret>\"}\n\
                        grpc-status-details-bin: \\x08\\x10\\x12\\x07hunter2\nx-bin: bm90\n\
                        www-authenticate: Digest realm=\"r\", nonce=\"abc\"\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_number_and_the_length_of_headers_are_limited() {
        let name = |number| HeaderName::from_bytes(format!("x-{number:03}").as_bytes()).unwrap();
        let many = (0..200).map(|number| (name(number), HeaderValue::from_static("a")));
        let mut part = excerpt(PartKind::Headers, &many.collect());
        part.finish(|_| ());
        assert_eq!((part.text.lines().count(), part.omitted), (100, 900));
        let long = HeaderValue::from_bytes(&[b'x'; 10_000]).unwrap();
        let mut part = excerpt(PartKind::Headers, &[(name(1), long)].into_iter().collect());
        part.finish(|_| ());
        assert_eq!((part.text.len(), part.omitted), (4096, 10_008 - 4096));
    }
}
