//! Timeouts: the message names the awaited event and the last data.

use std::{fs, net::TcpListener};

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, row, scripted, served},
};
use crate::fixtures::{
    hostile::RUNTIME,
    http2,
    tcp::{TcpServer, tcp},
    tls::{leaf, pki},
    websocket::{PING, TEXT, frame, websocket},
};

#[test]
fn timeouts_describe_the_wait() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = dialogues();
    for group in [handshakes, quic, requests, responses, messages, proxies] {
        rows.extend(group());
    }
    rows.into_iter().map(Row::soon).collect()
}

const RESPONSE: (Stage, Reason) = (Stage::Response, Reason::Timeout);

fn dialogues() -> Vec<Row> {
    let talk = |what, steps: &str, script, words| {
        let module = module("tcp", &format!("query_response: [{steps}]"));
        row(what, module, scripted("", script), RESPONSE, words)
    };
    vec![
        talk(
            "a greeting that refuses",
            "{expect: '^220'}, {send: QUIT}",
            tcp().say("554 no service here\r\n"),
            "query_response[0]: received 1 line, but none matched \"^220\"; last line: \
             \"554 no service here\"",
        ),
        talk(
            "a prompt without a line end",
            "{expect: 'login:'}",
            tcp().say("login: "),
            "received 7 bytes without a line end: \"login: \"; expected a line that matches \
             \"login:\"; expect matches complete lines only: use expect_bytes for a prompt",
        ),
        talk(
            "other bytes without a line end",
            "{expect: 'login:'}",
            tcp().say(b"\xff\xfd\x18\xff\xfd\x20"),
            r#"received 6 bytes without a line end: "\xff\xfd\u{18}\xff\xfd ""#,
        ),
        talk(
            "capabilities without the one that is wanted",
            "{expect: '^220', send: 'EHLO x'}, {expect: '^250-STARTTLS'}",
            tcp().say("220 hi\r\n").line().say("250-SIZE\r\n250 CHUNKING\r\n"),
            "query_response[1]: received 2 lines, but none matched \"^250-STARTTLS\"; last line: \
             \"250 CHUNKING\"",
        ),
        talk(
            "silence after a greeting",
            "{expect: '^220', send: 'EHLO x'}, {expect: '^250'}",
            tcp().say("220 hi\r\n").line(),
            "received nothing after \"220 hi\"; expected a line that matches \"^250\"",
        ),
        talk(
            "a line and a half",
            "{expect: '^never'}",
            tcp().say("one\r\ntwo"),
            "matched \"^never\"; last line: \"one\"; then 3 bytes without a line end: \"two\"",
        ),
        talk(
            "too few bytes, and no end",
            "{send: PING}, {expect_bytes: '+PONG'}",
            tcp().line().say("+P"),
            "query_response[1]: waiting for 5 bytes; received 2: \"+P\"",
        ),
        talk(
            "no bytes at all",
            "{send: PING}, {expect_bytes: '+PONG'}",
            tcp().line(),
            "waiting for 5 bytes; received nothing",
        ),
        talk(
            "a long line without end",
            "{expect: x}",
            tcp().say("y".repeat(3000)),
            "received 3000 bytes without a line end: \"yyy",
        ),
        row(
            "silence after STARTTLS",
            module(
                "tcp",
                "query_response: [{expect: '^220', starttls: true}], \
                 tls_config: {insecure_skip_verify: true}",
            ),
            scripted("", tcp().say("220 go ahead\r\n")),
            (Stage::Tls, Reason::Timeout),
            "ClientHello sent, no response",
        ),
    ]
}

fn handshakes() -> Vec<Row> {
    let tls = |what, bytes: &[u8], words| {
        let target = scripted("", tcp().bytes(10).say(bytes));
        row(what, module("tcp", "tls: true"), target, (Stage::Tls, Reason::Timeout), words)
    };
    let begun = [22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3];
    vec![
        tls(
            "a handshake that ends within its first record",
            &begun,
            "no complete ServerHello: received 11 bytes, beginning with \"\\u{16}\\u{3}",
        ),
        tls(
            "fewer bytes than a record's header",
            b"220",
            "received 3 bytes, beginning with \"220\"",
        ),
        row(
            "a ServerHello without a certificate",
            module("tcp", "tls: true, tls_config: {max_version: TLS12}"),
            scripted("", tcp().bytes(10).say(server_hello())),
            (Stage::Tls, Reason::Timeout),
            "ServerHello received, no server certificate: received 47 bytes",
        ),
        row(
            "a name server that keeps silent over TLS",
            module(
                "dns",
                "query_name: x, transport_protocol: tcp, dns_over_tls: true, \
                 tls_config: {insecure_skip_verify: true}",
            ),
            scripted("", tcp()),
            (Stage::Tls, Reason::Timeout),
            "ClientHello sent, no response",
        ),
    ]
}

/// A `ServerHello` of TLS 1.2 without extensions: its random number, no session, a cipher suite and
/// no compression.
fn server_hello() -> Vec<u8> {
    let head = [22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    [&head[..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat()
}

#[cfg(feature = "http3")]
fn quic() -> Vec<Row> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = served(format!("https://{}/", socket.local_addr().unwrap()), socket);
    let keys = "enable_http3: true, enable_http2: false";
    vec![row(
        "a port that keeps silent over QUIC",
        module("http", keys),
        target,
        (Stage::Connect, Reason::Timeout),
        "QUIC handshake with 127.0.0.1",
    )]
}

#[cfg(not(feature = "http3"))]
fn quic() -> Vec<Row> {
    Vec::new()
}

fn requests() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("body");
    fs::File::create(&path).unwrap().set_len(64 << 20).unwrap();
    let upload = module("http", &format!("method: POST, body_file: '{}'", path.display()));
    vec![
        row(
            "an upload that is not read",
            upload,
            deaf(),
            RESPONSE,
            "sent (the body has 67108864 bytes), but the peer does not read more",
        )
        .keeping(folder),
    ]
}

/// Returns a listener that accepts no connections.
fn deaf() -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    served(format!("http://{}/", listener.local_addr().unwrap()), listener)
}

/// Minimum number of bytes that an HTTP/2 client sends with its request.
const REQUEST: usize = 110;

fn responses() -> Vec<Row> {
    let http = |what, said: &str, words| {
        row(what, module("http", ""), scripted("http://", tcp().line().say(said)), RESPONSE, words)
    };
    let context = pki(leaf("127.0.0.1")).server().alpn(b"\x02h2").context();
    let secure = "tls_config: {insecure_skip_verify: true}";
    let http2 = |what, frames: Vec<u8>, words| {
        // Frames of a stream that is not open yet are a connection error.
        let script = tcp().starttls(context.clone()).say(http2::hello()).bytes(REQUEST).say(frames);
        row(what, module("http", secure), scripted("https://", script), RESPONSE, words)
    };
    vec![
        http(
            "an interim response alone",
            "HTTP/1.1 103 Early Hints\r\n\r\n",
            "request sent, no response header after 1 interim response",
        ),
        http(
            "a header line without end",
            "HTTP/1.1 200 OK\r\nServer: x\r\nX-Long: abc",
            "response header incomplete: received 39 bytes, the last line is \"X-Long: abc\"",
        ),
        http(
            "a body without a length and without end",
            "HTTP/1.1 200 OK\r\n\r\ndata: 1",
            "no end of the body: received 7 bytes, without Content-Length",
        ),
        http2(
            "an HTTP/2 server that keeps silent",
            Vec::new(),
            "request sent, no response header; the last received HTTP/2 frame is SETTINGS",
        ),
        http2(
            "an HTTP/2 response without end",
            http2::head(),
            "no end of the body: received 0 bytes",
        ),
        http2(
            "an interim HTTP/2 response alone",
            http2::interim_head(),
            "no final response header; the last received HTTP/2 frame is HEADERS",
        ),
    ]
}

fn messages() -> Vec<Row> {
    let dns = |what, said: &[u8], words| {
        let module = module("dns", "query_name: x, transport_protocol: tcp");
        row(what, module, scripted("", tcp().bytes(19).say(said)), RESPONSE, words)
    };
    let websocket_of = |what, server: crate::fixtures::websocket::WebsocketServer, words| {
        let server = RUNTIME.block_on(server.start());
        let module =
            module("websocket", "query_response: [{expect: hello, send: x}, {expect: bye}]");
        row(what, module, served(format!("ws://{}/", server.address), server), RESPONSE, words)
    };
    vec![
        dns("an answer over TCP that stays away", b"", "over TCP, no response"),
        dns("half a length over TCP", b"\0", "received 1 byte from"),
        dns(
            "a part of an answer over TCP",
            b"\0\x32abc",
            "received 3 of 50 bytes of the response from",
        ),
        row(
            "a gRPC server without frames",
            module("grpc", ""),
            scripted("", tcp()),
            RESPONSE,
            "request sent, no response header; no HTTP/2 frame received",
        ),
        row(
            "an upgrade that ends within its head",
            module("websocket", ""),
            scripted("ws://", tcp().line().say("HTTP/1.1 101 Switching Protocols\r\nUpgr")),
            RESPONSE,
            "upgrade: response header incomplete: received 38 bytes, the last line is \"Upgr\"",
        ),
        websocket_of(
            "pings in place of a message",
            websocket().say(frame(PING, "x")).say(frame(PING, "y")),
            "query_response[0]: no message received, expected one that matches \"hello\"; \
             received 2 pings",
        ),
        websocket_of(
            "silence after a message",
            websocket().say(frame(TEXT, "hello you")),
            "query_response[1]: no message received after \"hello you\", expected one that \
             matches \"bye\"",
        ),
    ]
}

fn proxies() -> Vec<Row> {
    let of = |what, scheme: &str, script: TcpServer, words| {
        let proxy = RUNTIME.block_on(script.start());
        let module = module("http", &format!("proxy_url: '{scheme}{}'", proxy.address));
        let expected = (Stage::Proxy, Reason::Timeout);
        row(what, module, "https://127.0.0.1:1/", expected, words).keeping(proxy)
    };
    vec![
        of(
            "a proxy that ends within its answer",
            "http://",
            tcp().line().say("HTTP/1.1 200 Conn"),
            "CONNECT 127.0.0.1:1 sent, response header incomplete after 17 bytes",
        ),
        of(
            "SOCKS that does not connect",
            "socks5://",
            tcp().bytes(3).say([5, 0]),
            "no reply to the SOCKS connection request",
        ),
        of(
            "SOCKS that does not judge a password",
            "socks5://u:secret@",
            tcp().bytes(4).say([5, 2]),
            "no reply to the SOCKS username and password",
        ),
    ]
}
