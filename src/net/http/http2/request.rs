//! The beginning of a connection, and the head of its request.

use bytes::{BufMut as _, BytesMut};
use http::{HeaderName, HeaderValue, header, request::Parts, uri};

use super::{
    frames::{
        CONTINUATION, END_HEADERS, END_STREAM, HEADERS, MAX_SENT_PAYLOAD, SETTINGS, STREAM,
        WINDOW_UPDATE, put_frame,
    },
    hpack::{Indexing, encode},
};
use crate::net::http::limits::{MAX_HEAD, READ_AHEAD};

/// The connection preface of a client (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Numbers of settings (RFC 9113, section 6.5.2).
const ENABLE_PUSH: u16 = 2;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// Size of the windows that a connection begins with, in bytes.
pub(super) const DEFAULT_WINDOW: u32 = 65_535;

/// Appends the beginning of a connection and the head of the request, which is all of the request if
/// `ends` says so.
pub(super) fn begin(out: &mut BytesMut, request: &Parts, ends: bool) {
    out.put_slice(PREFACE);
    let settings = [
        (ENABLE_PUSH, 0),
        (INITIAL_WINDOW_SIZE, READ_AHEAD),
        (MAX_HEADER_LIST_SIZE, u32::try_from(MAX_HEAD).unwrap_or(u32::MAX)),
    ];
    let mut payload = BytesMut::new();
    for (number, value) in settings {
        payload.put_u16(number);
        payload.put_u32(value);
    }
    put_frame(out, SETTINGS, 0, 0, &payload);
    put_frame(out, WINDOW_UPDATE, 0, 0, &(READ_AHEAD - DEFAULT_WINDOW).to_be_bytes());
    let block = block(request);
    let mut kind = HEADERS;
    let mut flags = if ends { END_STREAM } else { 0 };
    let mut pieces = block.chunks(MAX_SENT_PAYLOAD).peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            flags |= END_HEADERS;
        }
        put_frame(out, kind, flags, STREAM, piece);
        (kind, flags) = (CONTINUATION, 0);
    }
}

/// Encodes the head of a request. The order is that of Go's client.
fn block(request: &Parts) -> BytesMut {
    let uri = &request.uri;
    let mut block = BytesMut::new();
    let mut put = |name: &str, value: &[u8]| encode(&mut block, name, value, Indexing::Allowed);
    put(":authority", uri.authority().map_or("", uri::Authority::as_str).as_bytes());
    put(":method", request.method.as_str().as_bytes());
    put(":path", uri.path_and_query().map_or("/", uri::PathAndQuery::as_str).as_bytes());
    put(":scheme", uri.scheme_str().unwrap_or("https").as_bytes());
    for (name, value) in &request.headers {
        encode(&mut block, name.as_str(), value.as_bytes(), indexing(name, value));
    }
    block
}

fn indexing(name: &HeaderName, value: &HeaderValue) -> Indexing {
    let is_secret =
        [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(name);
    if is_secret || value.is_sensitive() { Indexing::Never } else { Indexing::Allowed }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::net::http::http2::{
        frame_reader::{FrameReader, Part},
        hpack::{Decoder, HpackError},
    };

    /// The frames of a request's beginning, without the preface.
    fn frames(request: &Parts, ends: bool) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let mut out = BytesMut::new();
        begin(&mut out, request, ends);
        assert!(out.starts_with(PREFACE));
        let mut reader = FrameReader::default();
        reader.buffer.extend_from_slice(&out[PREFACE.len()..]);
        let mut frames = Vec::new();
        while let Some(Part::Whole(header, payload)) = reader.next().unwrap() {
            frames.push((header.kind, header.flags, header.stream, payload.to_vec()));
        }
        frames
    }

    fn fields(block: Vec<u8>) -> Vec<String> {
        let mut fields = Vec::new();
        let decoded = Decoder::default().decode(block.into(), |name, value| {
            let [name, value] =
                [name, value].map(|text| String::from_utf8_lossy(&text).into_owned());
            fields.push(format!("{name}: {value}"));
            Ok::<_, HpackError>(())
        });
        decoded.unwrap();
        fields
    }

    #[test]
    fn a_connection_begins_with_settings_a_window_and_the_request() {
        let request = Request::get("https://h.example:8443/a?b=%2F").header("X-One", "1");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = frames(&parts, true);
        let kinds: Vec<_> =
            found.iter().map(|(kind, flags, stream, _)| (*kind, *flags, *stream)).collect();
        let flags = END_HEADERS | END_STREAM;
        assert_eq!(kinds, [(SETTINGS, 0, 0), (WINDOW_UPDATE, 0, 0), (HEADERS, flags, 1)]);
        let expected = [
            ":authority: h.example:8443",
            ":method: GET",
            ":path: /a?b=%2F",
            ":scheme: https",
            "x-one: 1",
        ];
        assert_eq!(fields(found[2].3.clone()), expected);
    }

    #[test]
    fn a_long_head_takes_several_frames() {
        let request = Request::post("https://h/").header("x", "y".repeat(40_000));
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let found = frames(&parts, false).split_off(2);
        let kinds: Vec<_> = found.iter().map(|(kind, flags, ..)| (*kind, *flags)).collect();
        assert_eq!(kinds, [(HEADERS, 0), (CONTINUATION, 0), (CONTINUATION, END_HEADERS)]);
        let block: Vec<_> = found.into_iter().flat_map(|(.., payload)| payload).collect();
        assert_eq!(fields(block).len(), 5);
    }
}
