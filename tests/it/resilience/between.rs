//! Hostile proxies and token servers.

use std::{fmt::Write as _, thread, time::Duration};

use super::{Attack, Target, withstand};
use crate::{
    fixtures::{
        hostile::{
            Peer, RUNTIME,
            Then::{Drip, Repeat, Reset, Wait},
            greeting,
        },
        http::{Answer, http, raw},
    },
    harness::{eventually, probe_path, request},
    running::Running,
};

/// A proxy or token server, and the expected result.
struct Case {
    name: &'static str,
    scheme: &'static str,
    reason: &'static str,
    /// The number of received HTTP requests.
    requests: usize,
    target: Box<dyn Target>,
}

/// Returns a case with a server that answers requests.
fn answering(name: &'static str, reason: &'static str, answer: Answer) -> Case {
    let target = Box::new(RUNTIME.block_on(http([answer]).start()));
    Case { name, scheme: "http", reason, requests: 1, target }
}

/// Returns a case with a peer that ignores requests.
fn speaking(name: &'static str, scheme: &'static str, reason: &'static str, peer: Peer) -> Case {
    Case { name, scheme, reason, requests: 0, target: Box::new(peer) }
}

/// Returns a response of `first`, and then `more` repeatedly.
fn endless(first: &str, more: &str) -> Answer {
    raw(first).repeat(more.repeat((64 << 10) / more.len()))
}

fn slow(first: &str, more: &str) -> Answer {
    raw(first).trickle(more.repeat(100), Duration::from_millis(100))
}

/// Probes each case with a module of its own; the peer is the target, too. Cases that must fail
/// before the timeout have a long one.
fn try_all(cases: Vec<Case>, keys: &str) {
    let mut modules = "modules:\n".to_owned();
    let mut attacks = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        let Case { name, scheme, reason, requests, target } = case;
        let timeout = if reason.contains("timeout") { "2s" } else { "60s" };
        let url = format!("{scheme}://{}", target.address());
        let keys = keys.replace("URL", &url);
        writeln!(modules, "  m{number}: {{prober: http, timeout: {timeout}, http: {{{keys}}}}}")
            .unwrap();
        let module = format!("m{number}").leak();
        attacks.push(Attack { name, module, target, scheme: "https://", reason, requests });
    }
    withstand(&modules, 32, &attacks);
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

#[test]
fn hostile_proxies_are_bounded() {
    let denied = "HTTP/1.1 403 Forbidden\r\n\r\n";
    let long_name = b"\x05\x00\x05\x00\x00\x03\xff".to_vec();
    let cases = vec![
        answering("no word", "timeout", raw("").hang()),
        answering("half a head", "timeout", raw(OK).hang()),
        answering("a slow head", "timeout", slow(OK, "X: y\r\n")),
        answering("a header without end", "too_large", endless(&format!("{OK}X: "), "x")),
        answering("headers without end", "too_large", endless(OK, "X: y\r\n")),
        answering(
            "interim responses without end",
            "protocol",
            endless("", "HTTP/1.1 102 Processing\r\n\r\n"),
        ),
        answering("a refusal without end", "proxy_denied", endless(denied, "x")),
        answering("a close", "closed", raw("")),
        speaking("no word of TLS", "https", "timeout", greeting("", Wait)),
        speaking("no word of SOCKS", "socks5", "timeout", greeting("", Wait)),
        speaking("slow SOCKS", "socks5", "timeout", greeting(long_name, Drip(vec![0]))),
        speaking("zeros", "socks5", "protocol", greeting("", Repeat(vec![0; 1 << 16]))),
        speaking("a reset", "socks5", "reset|closed", greeting("", Reset)),
    ];
    try_all(cases, "proxy_url: 'URL'");
}

#[test]
fn hostile_token_servers_are_bounded() {
    let body = format!("{OK}\r\n");
    let cases = vec![
        answering("no word", "timeout", raw("").hang()),
        answering("half a head", "timeout", raw(OK).hang()),
        answering("a slow head", "timeout", slow(OK, "X: y\r\n")),
        answering("a slow body", "timeout", slow(&body, " ")),
        answering("a header without end", "too_large", endless(&format!("{OK}X: "), "x")),
        answering("headers without end", "too_large", endless(OK, "X: y\r\n")),
        answering("a body without end", "too_large", endless(&body, "x")),
        answering("a close", "closed", raw("")),
        speaking("no word of TLS", "https", "timeout", greeting("", Wait)),
    ];
    try_all(cases, "oauth2: {client_id: me, token_url: 'URL/'}");
}

#[test]
fn probes_without_an_answer_leave_nothing_behind() {
    let silent = greeting("", Wait);
    let address = silent.address;
    let keys = [
        format!("proxy_url: 'http://{address}'"),
        format!("proxy_url: 'https://{address}'"),
        format!("proxy_url: 'socks5://{address}'"),
        format!("oauth2: {{client_id: me, token_url: 'http://{address}/'}}"),
        format!("oauth2: {{client_id: me, token_url: 'https://{address}/'}}"),
    ];
    let mut modules = "modules:\n".to_owned();
    for (number, keys) in keys.iter().enumerate() {
        writeln!(modules, "  m{number}: {{prober: http, timeout: 50ms, http: {{{keys}}}}}")
            .unwrap();
    }
    let exporter = Running::start(&modules, &["--history.limit=10"]);
    let at = exporter.address;
    let probe_all = |times: usize| {
        thread::scope(|scope| {
            for number in 0..keys.len() {
                scope.spawn(move || {
                    for _ in 0..times {
                        let path = probe_path(&format!("m{number}"), "https://127.0.0.1:1/");
                        let answer = request(at, "GET", &path, &[]);
                        super::expect_no_success(&answer);
                    }
                });
            }
        });
        eventually("no probe runs", || exporter.in_flight() < 1.0);
    };
    probe_all(20);
    let (descriptors, memory) = (exporter.descriptors(), exporter.memory());
    probe_all(100);
    eventually("the descriptors are given back", || exporter.descriptors() <= descriptors);
    let more = exporter.memory().saturating_sub(memory);
    assert!(more < 8 << 20, "keeps {more} bytes more");
}
