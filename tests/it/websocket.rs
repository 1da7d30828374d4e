//! The websocket prober against servers that follow a script.

use crate::{
    fixtures::{
        http::without_exporter_id,
        tcp::tcp,
        tls::{leaf, pki},
        websocket::{
            BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebsocketServer, answering, frame,
            websocket,
        },
    },
    probing::{Probed, failed, probe},
};

const UPGRADED: &str = "probe_websocket_connection_upgraded 1";
const NO_REGEX: &str = "probe_websocket_failed_due_to_regex 0";
const REGEX: &str = "probe_websocket_failed_due_to_regex 1";

fn module(keys: &str) -> String {
    format!("{{prober: websocket, timeout: 20s, websocket: {{{keys}}}}}")
}

/// Starts a server and probes it with these steps.
async fn talk(server: WebsocketServer, steps: &str) -> Probed {
    let server = server.start().await;
    let module = module(&format!("query_response: [{steps}]"));
    probe(&module, format!("ws://{}/", server.address)).await
}

fn phase(name: &str) -> String {
    format!("probe_websocket_duration_seconds{{phase=\"{name}\"}}")
}

#[tokio::test]
async fn an_upgrade_is_enough_without_a_dialogue() {
    let server = websocket().say(frame(TEXT, "nobody reads this")).start().await;
    let target = format!("ws://{}/chat?room=1%262", server.address).replace('%', "%25");
    probe("{prober: websocket}", target).await.expect(&[
        "probe_success 1",
        UPGRADED,
        NO_REGEX,
        "probe_websocket_status_code 101",
        "probe_ip_protocol 4",
        &phase("resolve"),
        &phase("connect"),
        &phase("processing"),
        &format!("!{}", phase("transfer")),
        "probe_websocket_upgrade_duration_seconds{phase=\"request\"}",
        "!probe_websocket_upgrade_duration_seconds{phase=\"tls\"}",
    ]);
    let came = server.heard().await;
    let head = &came.heads[0];
    let key = head.lines().find(|line| line.starts_with("Sec-Websocket-Key: ")).unwrap();
    let expected = format!(
        "GET /chat?room=1%262 HTTP/1.1\r\nHost: {}\r\nUser-Agent: Blackbox-Exporter/{}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\n{key}\r\nSec-Websocket-Version: 13\r\n\r\n",
        server.address,
        env!("CARGO_PKG_VERSION"),
    );
    assert_eq!(without_exporter_id(head), expected);
    assert_eq!(key.len(), "Sec-Websocket-Key: ".len() + 24);
    assert_eq!(came.frames, [(CLOSE, 1000_u16.to_be_bytes().to_vec())]);
}

#[tokio::test]
async fn the_request_carries_the_configured_headers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from a file\n").unwrap();
    let server = websocket().start().await;
    let headers = format!(
        "headers: {{Host: {{values: [chat.example]}}, origin: {{values: [a, b]}}, \
         user-agent: {{values: ['']}}, X-Secret: {{secrets: [s], files: [{}, /nonexistent]}}}}, \
         http_config: {{basic_auth: {{username: user, password_file: /nonexistent}}}}",
        file.display()
    );
    let probed = probe(&module(&headers), format!("ws://{}/", server.address)).await;
    probed.expect(&["probe_success 1"]);
    let heads = server.heard().await.heads;
    for line in [
        "Host: chat.example",
        "Origin: a",
        "Origin: b",
        "X-Secret: s",
        "X-Secret: from a file",
        "Authorization: Basic dXNlcjo=",
    ] {
        assert!(heads[0].contains(&format!("\r\n{line}\r\n")), "{line} is not in {}", heads[0]);
    }
    assert!(!heads[0].contains("User-Agent"), "{}", heads[0]);
}

#[tokio::test]
async fn an_empty_token_is_not_sent() {
    for (credentials, expected) in
        [("credentials: abc", true), ("credentials_file: /nonexistent", false)]
    {
        let server = websocket().start().await;
        let module = module(&format!("http_config: {{authorization: {{{credentials}}}}}"));
        probe(&module, format!("ws://{}/", server.address)).await.expect(&["probe_success 1"]);
        let heads = server.heard().await.heads;
        assert_eq!(heads[0].contains("\r\nAuthorization: Bearer abc\r\n"), expected);
        assert_eq!(heads[0].contains("Authorization"), expected);
    }
}

#[tokio::test]
async fn a_dialogue_sends_and_expects_messages() {
    let fragments = [frame(0x01, "one "), frame(PING, "?"), frame(CONTINUATION, "message")];
    let server = websocket()
        .say(frame(TEXT, "welcome user 7"))
        .hear()
        .say(fragments.concat())
        .hear()
        .hear()
        .say(frame(BINARY, [0, 0xff]))
        .start()
        .await;
    let steps = r#"{expect: "user (?P<id>\\d+)", send: "hello ${id} $$"},
        {expect: "^one message$", send: !!binary /wA=}, {expect: "^\\x00"}, {send: bye}"#;
    let module = module(&format!("query_response: [{steps}]"));
    let probed = probe(&module, format!("ws://{}/", server.address)).await;
    probed.expect(&["probe_success 1", NO_REGEX, &phase("transfer")]);
    let heard = server.heard().await;
    let expected = [
        (TEXT, b"hello 7 $".to_vec()),
        (PONG, b"?".to_vec()),
        (TEXT, vec![0xff, 0]),
        (TEXT, b"bye".to_vec()),
        (CLOSE, 1000_u16.to_be_bytes().to_vec()),
    ];
    assert_eq!(heard.frames, expected);
}

#[tokio::test]
async fn expect_applies_to_the_next_message_only() {
    let two = || websocket().say([frame(TEXT, "first"), frame(TEXT, "second")].concat());
    talk(two(), "{expect: first}, {expect: second}").await.expect(&["probe_success 1"]);
    let probed = talk(two(), "{expect: second}").await;
    probed.expect(&["probe_success 0", UPGRADED, REGEX, &failed("check", "dialogue")]);
    assert_eq!(
        probed.failure(),
        "query_response[0]: the message \"first\" does not match \"second\""
    );
}

#[tokio::test]
async fn refusals_and_redirects_report_their_status() {
    for (head, status) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 5\r\n\r\nsorry", 401),
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 302),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", 200),
        ("HTTP/1.0 404 Not Found\r\n\r\n", 404),
    ] {
        let probed = talk(answering(head), "{expect: never}").await;
        probed.expect(&[
            "probe_success 0",
            "probe_websocket_connection_upgraded 0",
            &format!("probe_websocket_status_code {status}"),
            NO_REGEX,
            &failed("check", "status"),
            &phase("processing"),
            &format!("!{}", phase("transfer")),
        ]);
    }
}

#[tokio::test]
async fn an_interim_response_is_not_a_rejection() {
    let upgrade = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 OK\r\n\
        upgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n";
    talk(answering(upgrade), "").await.expect(&["probe_success 1", UPGRADED]);
}

#[tokio::test]
async fn an_invalid_upgrade_response_fails() {
    let upgrade = |lines: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n");
    let good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";
    for (name, lines) in [
        ("no headers", String::new()),
        ("a wrong key", good.replace("{accept}", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("another protocol", good.replace("websocket\r", "h2c\r")),
        ("no upgrade", good.replace("Connection: Upgrade", "Connection: close")),
        ("a subprotocol", format!("{good}Sec-WebSocket-Protocol: chat\r\n")),
        ("an extension", format!("{good}Sec-WebSocket-Extensions: permessage-deflate\r\n")),
    ] {
        eprintln!("{name}");
        talk(answering(&upgrade(&lines)), "").await.expect(&[
            "probe_success 0",
            "probe_websocket_connection_upgraded 0",
            "probe_websocket_status_code 101",
            &failed("response", "protocol"),
        ]);
    }
    let chat = format!("{good}Sec-WebSocket-Protocol: chat\r\n");
    let server = answering(&upgrade(&chat)).start().await;
    let asking = module("headers: {Sec-WebSocket-Protocol: {values: ['talk, chat']}}");
    let probed = probe(&asking, format!("ws://{}/", server.address)).await;
    probed.expect(&["probe_success 1", UPGRADED]);
}

#[tokio::test]
async fn frames_that_break_the_protocol_fail_the_dialogue() {
    let mut masked = frame(TEXT, "hello");
    masked[1] |= 0x80;
    masked.splice(2..2, [0; 4]);
    let farewell = [&1001_u16.to_be_bytes()[..], b"going away"].concat();
    for (name, said, reason) in [
        ("a masked frame", masked, "protocol"),
        ("a large ping", frame(PING, [b'x'; 126]), "protocol"),
        ("a fragmented ping", frame(PING & 0x7f, "x"), "protocol"),
        ("reserved bits", frame(TEXT | 0x40, "hello"), "protocol"),
        ("an unknown kind", frame(0x83, "hello"), "protocol"),
        ("nothing to go on with", frame(CONTINUATION, "hello"), "protocol"),
        ("text that is none", frame(TEXT, [0xff]), "protocol"),
        ("too much", [&[TEXT, 127][..], &(1_u64 << 40).to_be_bytes()].concat(), "too_large"),
        ("a farewell", frame(CLOSE, farewell), "closed"),
    ] {
        eprintln!("{name}");
        let probed = talk(websocket().say(said), "{expect: hello}").await;
        probed.expect(&["probe_success 0", UPGRADED, REGEX, &failed("response", reason)]);
    }
    let ended = talk(websocket().close(), "{expect: hello}").await;
    ended.expect(&["probe_success 0", UPGRADED, REGEX, &failed("response", "closed")]);
}

#[tokio::test]
async fn the_certificate_is_shown_over_tls() {
    let pki = pki(leaf("127.0.0.1"));
    let context = pki.server().alpn(b"\x02h2\x08http/1.1").context();
    let server = websocket().say(frame(TEXT, "hello")).start_over(Some(context)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pki.root.pem()).unwrap();
    let trusting = module(&format!(
        "http_config: {{tls_config: {{ca_file: {}}}}}, query_response: [{{expect: hello}}]",
        ca.display()
    ));
    let target = format!("wss://{}/", server.address);
    probe(&trusting, &target).await.expect(&[
        "probe_success 1",
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "probe_ssl_verify_info{result=\"ok\"} 1",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_websocket_upgrade_duration_seconds{phase=\"tls\"}",
    ]);
    probe("{prober: websocket}", &target).await.expect(&[
        "probe_success 0",
        "probe_websocket_status_code 0",
        "probe_ssl_earliest_cert_expiry",
        &failed("tls", "certificate_unknown_authority"),
        &phase("processing"),
    ]);
    let bare = trusting.replace("{prober", "{extra_metrics: false, prober");
    probe(&bare, &target).await.expect(&[
        "probe_success 1",
        "!probe_ssl_earliest_cert_expiry",
        "!probe_tls_version_info{version=\"TLS 1.3\"}",
        "!probe_websocket_upgrade_duration_seconds{phase=\"tls\"}",
    ]);
}

#[tokio::test]
async fn targets_must_be_websocket_urls() {
    let invalid = failed("target", "invalid_target");
    let none = "!probe_websocket_status_code 0";
    let zero = "probe_websocket_status_code 0";
    for (target, samples) in [
        ("127.0.0.1:8080", [none, "!probe_ip_protocol", &invalid]),
        ("http://127.0.0.1/", [zero, "probe_ip_protocol 4", &invalid]),
        ("ws://user@127.0.0.1/", [zero, "probe_ip_protocol 4", &invalid]),
        ("127.0.0.1", [zero, "probe_ip_protocol 0", &invalid]),
        ("ws://127.0.0.1:1/", [zero, "probe_ip_protocol 4", &failed("connect", "refused")]),
        ("ws://absent.invalid/", [zero, "probe_ip_protocol 0", &failed("resolve", "no_such_name")]),
    ] {
        eprintln!("{target}");
        probe("{prober: websocket}", target).await.expect(&samples).expect(&["probe_success 0"]);
    }
    let refused = probe("{prober: websocket}", "ws://127.0.0.1:1/").await;
    refused.expect(&[&phase("processing"), &format!("!{}", phase("connect"))]);
    let files = module("http_config: {tls_config: {ca_file: /nonexistent}}");
    let probed = probe(&files, "ws://127.0.0.1:1/").await;
    probed.expect(&[zero, "!probe_ip_protocol", &failed("tls", "unusable_file")]);
}

#[tokio::test]
async fn servers_with_another_protocol_have_distinct_reasons() {
    for (server, reason) in [
        (tcp().say("SSH-2.0-x\r\n"), "not_http"),
        (tcp().close(), "closed"),
        (tcp().line().reset(), "reset"),
    ] {
        let server = server.start().await;
        let probed = probe("{prober: websocket}", format!("ws://{}/", server.address)).await;
        probed.expect(&["probe_websocket_status_code 0", &failed("response", reason)]);
    }
}

#[tokio::test]
async fn w1_websocket_ends_at_its_deadline() {
    let silent = websocket().start().await;
    let one_second = |keys: &str| module(keys).replace("20s", "1s");
    let target = format!("ws://{}/", silent.address);
    let probed = probe(&one_second("query_response: [{expect: hello}]"), target).await;
    probed.expect(&[
        "probe_success 0",
        UPGRADED,
        REGEX,
        &failed("response", "timeout"),
        &phase("transfer"),
    ]);
    assert!(probed.value("probe_duration_seconds") < 10.0);
    let mute = tcp().start().await;
    let probed = probe(&one_second(""), format!("ws://{}/", mute.address)).await;
    probed.expect(&["probe_websocket_status_code 0", &failed("response", "timeout")]);
}

#[tokio::test]
async fn the_phases_are_within_the_duration() {
    let server = websocket().hear().say(frame(TEXT, "pong")).start().await;
    let module = module("query_response: [{send: ping}, {expect: pong}]");
    let probed = probe(&module, format!("ws://{}/", server.address)).await;
    probed.expect(&["probe_success 1"]);
    let phases = ["resolve", "connect", "processing", "transfer"];
    let waited: f64 = phases.iter().map(|name| probed.value(&phase(name))).sum();
    let sum = waited + probed.value("probe_overhead_seconds");
    let duration = probed.value("probe_duration_seconds");
    assert!((sum - duration).abs() < 1e-6, "{sum} is not {duration}");
    assert!(probed.value(&phase("transfer")) > 0.0);
}
