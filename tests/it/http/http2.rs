//! HTTP/2 servers that write their own frames: accepted responses, and the failures of
//! others.

use super::module;
use crate::{
    fixtures::{
        hostile::{Peer, RUNTIME},
        http2::{DATA, END_HEADERS, END_STREAM, HEADERS, STATUS_200, frame, head, hello, serving},
    },
    probing::{Probed, failed, probe},
};

/// More types of frames (RFC 9113, section 6).
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// Starts a server that answers a request with these bytes and closes the connection.
fn answering(said: Vec<u8>) -> Peer {
    serving(move |mut visit| {
        let said = said.clone();
        async move {
            visit.say(hello()).await?;
            visit.http2_request().await?;
            visit.say(said).await?;
            // A close with unread data would be a reset, which is another case.
            tokio::io::AsyncWriteExt::shutdown(&mut visit.stream).await?;
            visit.until_gone().await
        }
    })
}

fn asked(keys: &str, said: Vec<u8>) -> Probed {
    let peer = answering(said);
    let keys = format!("tls_config: {{insecure_skip_verify: true}}, {keys}");
    RUNTIME.block_on(probe(&module(&keys), format!("https://{}/", peer.address)))
}

/// Encodes headers with a literal field.
fn with(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let block = [vec![STATUS_200, 0], text(name), text(value)].concat();
    frame(HEADERS, END_HEADERS, 1, &block)
}

fn data(payload: &[u8]) -> Vec<u8> {
    frame(DATA, 0, 1, payload)
}

fn end() -> Vec<u8> {
    frame(DATA, END_STREAM, 1, b"hello")
}

fn reset(code: u8) -> Vec<u8> {
    frame(RST_STREAM, 0, 1, &[0, 0, 0, code])
}

#[test]
fn odd_responses_are_accepted_as_in_browsers() {
    let matching = |name: &str, value: &str| {
        format!("fail_if_header_not_matches: [{{header: {name}, regexp: '^{value}$'}}]")
    };
    for (name, value) in [
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2,h2c"),
        ("te", "gzip"),
    ] {
        let said = [with(name, value), end()].concat();
        asked(&matching(name, value), said).expect(&["probe_success 1", "probe_http_version 2"]);
    }
    for (what, said, length) in [
        ("empty frames", [head(), data(b"").repeat(2000), end()].concat(), 5.0),
        ("small frames", [head(), data(b"line\n").repeat(5000), end()].concat(), 25_005.0),
        ("a large frame", [head(), data(&vec![b'x'; 50_000]), end()].concat(), 50_005.0),
        ("two lengths", [with("content-length", "x"), end()].concat(), 5.0),
        ("a reset after the end", [head(), end(), reset(0)].concat(), 5.0),
    ] {
        let probed = asked("", said);
        probed.expect(&["probe_success 1", "probe_http_status_code 200"]);
        let found = probed.value("probe_http_uncompressed_body_length");
        assert!((found - length).abs() < 0.5, "{what}: {found}");
    }
}

#[test]
fn an_incomplete_response_is_a_failure() {
    let go_away = |last: u8, code: u8, debug: &[u8]| {
        let payload = [&[0, 0, 0, last, 0, 0, 0, code], debug].concat();
        frame(GOAWAY, 0, 0, &payload)
    };
    for (what, said, code, reason, words) in [
        (
            "a reset without an error",
            [head(), data(b"hel"), reset(0)].concat(),
            200,
            "closed",
            "NO_ERROR",
        ),
        (
            "one at the full length",
            [with("content-length", "3"), data(b"hel"), reset(0)].concat(),
            200,
            "closed",
            "RST_STREAM",
        ),
        (
            "one after the head",
            [head(), reset(0)].concat(),
            200,
            "closed",
            "before the end of the response",
        ),
        ("one before the head", reset(0), 0, "closed", "before the header of the response"),
        // As after `return 444`.
        ("one of nginx", reset(1), 0, "closed", "PROTOCOL_ERROR (0x1): it closed the request"),
        (
            "one after an error of the connection",
            [go_away(1, 1, b""), reset(1)].concat(),
            0,
            "protocol",
            "GOAWAY with PROTOCOL_ERROR",
        ),
        (
            "an error of the server",
            [head(), reset(2)].concat(),
            200,
            "closed",
            "INTERNAL_ERROR (0x2)",
        ),
        (
            "a close within the body",
            [head(), data(b"hel")].concat(),
            200,
            "closed",
            "closed the connection",
        ),
        (
            "less than announced",
            [with("content-length", "50"), end()].concat(),
            200,
            "closed",
            "45 bytes",
        ),
        (
            "more than announced",
            [with("content-length", "3"), end()].concat(),
            200,
            "protocol",
            "longer",
        ),
        ("a request left out", go_away(0, 0, b""), 0, "closed", "did not process"),
        (
            "a limit",
            go_away(0, 11, b"too_many\n"),
            0,
            "closed",
            r#"ENHANCE_YOUR_CALM (0xb): the client causes too much load; message: "too_many\n""#,
        ),
        ("HTTP/1.1 alone", reset(13), 0, "protocol", "enable_http2: false"),
        (
            "an answer in HTTP/1",
            b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            0,
            "protocol",
            "responded with HTTP/1",
        ),
        (
            "a name in upper case",
            [with("X-Upper", "v"), end()].concat(),
            0,
            "protocol",
            "\"X-Upper\"",
        ),
        ("a line break", [with("x", "a\nb"), end()].concat(), 0, "protocol", "\"x\""),
        ("a weak cipher", reset(12), 0, "tls_incompatible", "INADEQUATE_SECURITY"),
    ] {
        let probed = asked("", said);
        let code = format!("probe_http_status_code {code}");
        probed.expect(&["probe_success 0", &failed("response", reason), &code]);
        assert!(probed.failure().contains(words), "{what}: {}", probed.failure());
    }
}

#[test]
fn a_secret_that_a_server_repeats_is_redacted() {
    let said = frame(GOAWAY, 0, 0, &[&[0; 8][..], b"no access for hunter2-token"].concat());
    let keys = "authorization: {credentials: hunter2-token}";
    let probed = asked(keys, said);
    assert!(probed.failure().contains("no access for <secret>"), "{}", probed.failure());
    assert!(!probed.text().contains("hunter2"), "{}", probed.text());
}

/// Probes a health service that sends this after the headers of a gRPC response.
fn called(said: &[u8]) -> Probed {
    let head = [&[STATUS_200, 0x0f, 0x10, 16][..], b"application/grpc"].concat();
    let peer = answering([&frame(HEADERS, 0, 1, &head), said].concat());
    let module = "{prober: grpc, grpc: {tls: true, tls_config: {insecure_skip_verify: true}}}";
    RUNTIME.block_on(probe(module, peer.address))
}

#[test]
fn a_call_succeeds_only_with_trailers() {
    const CONTINUATION: u8 = 9;
    const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
    let more = |block: &[u8]| frame(CONTINUATION, END_HEADERS, 1, block);
    let trailers = |flags| {
        let block = [&[0, 11][..], b"grpc-status", &[1, b'0']].concat();
        frame(HEADERS, END_HEADERS | flags, 1, &block)
    };
    let pieces = || SERVING.chunks(1).flat_map(data).collect::<Vec<_>>();
    for said in [
        [more(b""), data(SERVING), trailers(END_STREAM)].concat(),
        [more(b""), pieces(), data(b"").repeat(500), trailers(END_STREAM)].concat(),
        // Content-Length is ignored, as in other gRPC clients: messages have a length.
        [more(b"\0\x0econtent-length\x0250"), data(SERVING), trailers(END_STREAM)].concat(),
        [more(b"\0\x0aconnection\x05close"), data(SERVING), trailers(END_STREAM)].concat(),
    ] {
        called(&said).expect(&["probe_success 1", "probe_grpc_status_code 0"]);
    }
    for (said, code, reason) in [
        ([more(b""), data(SERVING), reset(0)].concat(), 13, "closed"),
        ([more(b""), data(SERVING), reset(8)].concat(), 1, "closed"),
        ([more(b""), data(SERVING)].concat(), 14, "closed"),
        ([more(b""), data(SERVING), trailers(0)].concat(), 13, "protocol"),
        ([more(b""), data(SERVING), frame(DATA, END_STREAM, 1, b"")].concat(), 13, "protocol"),
        ([more(b""), data(&SERVING[..5]), trailers(END_STREAM)].concat(), 13, "protocol"),
    ] {
        let code = format!("probe_grpc_status_code {code}");
        called(&said).expect(&["probe_success 0", &failed("response", reason), &code]);
    }
}
