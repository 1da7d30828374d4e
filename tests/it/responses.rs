//! Reports show what the peer sent: the response, or the last lines of the dialogue.

use std::time::Duration;

use crate::{
    fixtures::{
        dns::{A, dns, message, record},
        grpc::GrpcServer,
        http::{http, ok, raw, redirect, status},
        proxy::proxy,
        tcp::tcp,
        websocket::{TEXT, answering, frame, websocket},
    },
    probing::{failed, probe, probe_and_show},
};

/// Returns the start of a body as an excerpt of it shows it.
fn cut(total: usize) -> String {
    format!("body ({} bytes omitted): {}", total - 1024, "x".repeat(1024))
}

#[tokio::test]
async fn a_failed_http_probe_shows_the_response() {
    let page = "<h1>Down</h1>\r\n\tback at nine\r\n";
    let down = status(503).header("Retry-After", "60").header("Set-Cookie", "sid=1").body(page);
    let server = http([redirect("/next?code=1"), down]).start().await;
    let probed = probe("{prober: http}", server.address).await;
    let transcript = probed.transcript();
    assert_eq!(transcript.len(), 5, "{transcript:#?}");
    assert_eq!(transcript[0], "status_line: HTTP/1.1 302");
    assert_eq!(transcript[1], "headers: location: /next?code=xxxxx\n");
    assert_eq!(transcript[2], "status_line: HTTP/1.1 503 Fixture");
    for line in ["retry-after: 60\n", "set-cookie: sid=<secret>\n", "content-length: 30\n"] {
        assert!(transcript[3].contains(line), "{line} in {transcript:#?}");
    }
    assert_eq!(transcript[4], "body: <h1>Down</h1>\n\tback at nine\n");
}

/// Bodies are kept in different ways, depending on their length, framing, compression and checks.
#[tokio::test]
async fn the_start_of_every_body_is_shown() {
    let long = [b'x'; 3000];
    let patterns = "fail_if_body_not_matches_regexp: [never]";
    let chunked =
        "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    for (keys, answer, expected) in [
        ("", status(500).body(long), cut(3000)),
        ("fail_if_not_ssl: true", ok("short"), "body: short".to_owned()),
        ("fail_if_not_ssl: true", ok(long), cut(3000)),
        (patterns, ok(long), cut(3000)),
        (patterns, ok(""), "body: ".to_owned()),
        ("", raw(chunked), "body: abcd".to_owned()),
        ("", status(500).body(b"\x00\x01\xff"), r"body (binary): \x00\x01\xff".to_owned()),
        ("", status(500).body(b"caf\xe9"), "body (not UTF-8): caf\u{fffd}".to_owned()),
    ] {
        let server = http([answer]).start().await;
        let probed = probe(&format!("{{prober: http, http: {{{keys}}}}}"), server.address).await;
        assert_eq!(probed.transcript().last(), Some(&expected), "{keys}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_shown_as_far_as_it_came() {
    let patterns = "fail_if_body_not_matches_regexp: [never]";
    let head = "HTTP/1.1 200 Fine\r\nContent-Length: 9000\r\n\r\n";
    for keys in ["", patterns] {
        for (answer, reason) in [
            (raw(head).send("half of"), "closed"),
            (raw(head).send("half ").wait(Duration::from_millis(50)).send("of").hang(), "timeout"),
        ] {
            let server = http([answer]).start().await;
            let module = format!("{{prober: http, timeout: 1s, http: {{{keys}}}}}");
            let probed = probe(&module, server.address).await;
            probed.expect(&[&failed("response", reason)]);
            let transcript = probed.transcript();
            assert_eq!(transcript.len(), 3, "{keys}, {reason}: {transcript:#?}");
            assert_eq!(transcript[0], "status_line: HTTP/1.1 200 Fine");
            assert!(["body: half of", "body: half "].contains(&&*transcript[2]), "{transcript:#?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_that_cannot_be_followed_is_shown() {
    let server = http([redirect("ftp://elsewhere/")]).start().await;
    let probed = probe("{prober: http}", server.address).await;
    let transcript = probed.transcript();
    assert!(transcript[1].contains("location: ftp://elsewhere/\n"), "{transcript:#?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_the_tunnel_is_shown() {
    let answer = "HTTP/1.1 403 Blocked\r\nX-Why: policy\r\n\r\n";
    let proxy = proxy().answering(answer).start().await;
    let module = format!("{{prober: http, http: {{proxy_url: 'http://{}'}}}}", proxy.address);
    let transcript = probe(&module, "https://127.0.0.1:1/").await.transcript();
    assert_eq!(transcript, ["status_line: HTTP/1.1 403 Blocked", "headers: x-why: policy\n"]);
}

#[tokio::test]
async fn a_success_is_shown_only_on_request() {
    let server = http([redirect("/a"), ok("fine"), redirect("/a"), ok("fine")]).start().await;
    let probed = probe("{prober: http}", server.address).await;
    assert_eq!(probed.expect(&["probe_success 1"]).transcript(), [""; 0]);
    let probed = probe_and_show("{prober: http}", server.address).await;
    let transcript = probed.expect(&["probe_success 1"]).transcript();
    assert_eq!(transcript.len(), 5, "{transcript:#?}");
    assert_eq!(transcript[4], "body: fine");
}

#[tokio::test]
async fn a_module_can_disable_it() {
    let server = http([redirect("/a"), status(500).body("no")]).start().await;
    let module = "{prober: http, show_response: false}";
    let probed = probe_and_show(module, server.address).await;
    assert_eq!(probed.expect(&["probe_success 0"]).transcript(), [""; 0]);
    let server = tcp().say("220 hello\n").close().start().await;
    let module = "{prober: tcp, show_response: false, tcp: {query_response: [{expect: x}]}}";
    assert_eq!(probe_and_show(module, server.address).await.transcript(), [""; 0]);
}

/// The page would show what the target led to.
#[tokio::test]
async fn a_denied_probe_shows_no_response() {
    let server = http([redirect("http://127.0.0.2:1/")]).start().await;
    let module = "{prober: http, policy: {addresses: {deny: [127.0.0.2]}}}";
    let probed = probe_and_show(module, server.address).await;
    assert_eq!(probed.expect(&[&failed("response", "denied")]).transcript(), [""; 0]);
}

#[tokio::test]
async fn a_dialogue_shows_its_last_lines() {
    let steps = "query_response: [{expect: ^220, send: EHLO me}, {send: PASS x, secret: true}, {expect: ^250}]";
    let module = |timeout: &str| format!("{{prober: tcp, timeout: {timeout}, tcp: {{{steps}}}}}");
    let script = || tcp().say("220 hello\r\n").line().line();
    let expected =
        ["received: 220 hello", "sent: EHLO me", "sent: <secret>", "received: 500 \u{1b}[31mno"];
    for (script, rest, timeout) in [
        (script().say("500 \u{1b}[31mno\r\n").close(), None, "20s"),
        (script().say("500 \u{1b}[31mno\r\nmore").bytes(100), Some("received: more"), "500ms"),
    ] {
        let server = script.start().await;
        let probed = probe(&module(timeout), server.address).await;
        let all: Vec<_> = expected.into_iter().chain(rest).collect();
        assert_eq!(probed.transcript(), all);
    }
    let many = |count: u32| (0..count).map(|number| format!("line {number}\n")).collect::<Vec<_>>();
    let server = tcp().say(many(100).concat()).close().start().await;
    let probed = probe("{prober: tcp, tcp: {query_response: [{expect: x}]}}", server.address).await;
    let transcript = probed.transcript();
    assert_eq!((transcript.len(), &*transcript[19]), (20, "received: line 99"), "{transcript:#?}");
    // The log has no room for so many.
    let server = tcp().say(many(2000).concat()).close().start().await;
    let probed = probe("{prober: tcp, tcp: {query_response: [{expect: x}]}}", server.address).await;
    assert_eq!(probed.transcript(), ["received: line 1999"]);
}

#[tokio::test]
async fn a_dns_response_is_decoded() {
    let reply = message().rcode(3).answer(record("host.example", A, &[127, 0, 0, 1]));
    let server = dns().reply(reply).start().await;
    let module = "{prober: dns, dns: {query_name: host.example, query_type: A}}";
    let transcript = probe(module, server.address).await.transcript();
    let [answer] = transcript.as_slice() else { panic!("{transcript:#?}") };
    let expected = "answer: response code NXDOMAIN, flags qr";
    assert!(answer.starts_with(expected), "{answer}");
    assert!(answer.ends_with("answer:\nhost.example.\t300\tIN\tA\t127.0.0.1\n"), "{answer}");
    let server = dns().garbage(b"\x00\xff\x01").start().await;
    let transcript = probe(module, server.address).await.transcript();
    assert!(transcript.iter().all(|part| part.starts_with("received (binary)")), "{transcript:?}");
}

#[tokio::test]
async fn a_websocket_shows_the_response_to_the_upgrade_or_the_messages() {
    let server = answering("HTTP/1.1 426 Upgrade it\r\nServer: s\r\n\r\n").start().await;
    let probed = probe("{prober: websocket}", format!("ws://{}/", server.address)).await;
    let expected = ["status_line: HTTP/1.1 426 Upgrade it", "headers: server: s\n"];
    assert_eq!(probed.transcript(), expected);
    let server = websocket().hear().say(frame(TEXT, "no")).start().await;
    let module = "{prober: websocket, websocket: {query_response: [{send: hi}, {expect: yes}]}}";
    let probed = probe(module, format!("ws://{}/", server.address)).await;
    assert_eq!(probed.transcript(), ["sent: hi", "received: no"]);
}

#[tokio::test]
async fn a_grpc_call_shows_headers_and_trailers() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let module = "{prober: grpc, grpc: {service: '2'}}";
    let transcript = probe(module, server.address).await.transcript();
    assert_eq!(transcript[0], "status_line: HTTP/2.0 200", "{transcript:#?}");
    assert!(transcript[1].contains("content-type: application/grpc"), "{transcript:#?}");
    assert!(transcript.last().unwrap().contains("grpc-status: 0"), "{transcript:#?}");
}

/// A header that is wrong in a response that broke off is a consequence.
#[tokio::test]
async fn a_body_that_broke_off_is_the_cause_rather_than_a_header() {
    let keys = "fail_if_header_not_matches: [{header: X-Complete, regexp: 'yes'}], \
                fail_if_body_not_matches_regexp: [fine], fail_if_not_ssl: true";
    let module = format!("{{prober: http, http: {{{keys}}}}}");
    let head = |status: u16| format!("HTTP/1.1 {status} x\r\nContent-Length: 99\r\n\r\n");
    let server = http([raw(head(200)).send("half")]).start().await;
    let probed = probe(&module, server.address).await;
    probed.expect(&[
        &failed("response", "closed"),
        "probe_failed_due_to_regex 1",
        "probe_check_failed{check=\"fail_if_header_not_matches[0]\"} 1",
    ]);
    let reason = "the body is incomplete or cannot be read";
    let skipped = format!("fail_if_body_not_matches_regexp[0]: {reason}");
    assert_eq!(probed.skipped_checks(), [skipped]);
    // An invalid status stays the cause.
    let server = http([raw(head(500)).send("half")]).start().await;
    probe(&module, server.address).await.expect(&[&failed("check", "status")]);
}

#[tokio::test]
async fn checks_that_were_not_evaluated_are_listed_with_the_reason() {
    let server = tcp().say("220 hello\n").line().close().start().await;
    let steps = "{expect: ^220, send: x}, {name: second, expect: ^250}, {expect: ^221}";
    let module = format!("{{prober: tcp, tcp: {{query_response: [{steps}]}}}}");
    let probed = probe(&module, server.address).await;
    assert_eq!(probed.skipped_checks(), ["query_response[2]: an earlier check failed"]);
    let expressions = "fail_if_body_json_matches_cel: {name: healthy, cel: body.down == true}";
    let module = format!("{{prober: http, http: {{valid_status_codes: [204], {expressions}}}}}");
    let server = http([ok("{}")]).start().await;
    let probed = probe(&module, server.address).await;
    assert_eq!(probed.skipped_checks(), ["healthy: an earlier check failed"]);
    let server = tcp().close().start().await;
    let probed = probe(&module, server.address).await;
    let all =
        ["valid_status_codes", "healthy"].map(|name| format!("{name}: the probe failed before"));
    assert_eq!(probed.skipped_checks(), all);
    let rules =
        "valid_rcodes: [NXDOMAIN], validate_answer_rrs: {fail_if_not_matches_regexp: [x, y]}";
    let module = format!("{{prober: dns, dns: {{query_name: h.example, {rules}}}}}");
    let server = dns().garbage(b"x").start().await;
    let probed = probe(&module.replace("{prober", "{timeout: 300ms, prober"), server.address).await;
    let rule = "validate_answer_rrs.fail_if_not_matches_regexp";
    let all = ["valid_rcodes".to_owned(), format!("{rule}[0]"), format!("{rule}[1]")];
    assert_eq!(probed.skipped_checks(), all.map(|name| format!("{name}: the probe failed before")));
}
