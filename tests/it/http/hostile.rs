//! Hostile and defective servers: each probe fails within limits and sends one request.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{module, phase, short_module};
use crate::{
    fixtures::{
        http::{Answer, http, ok, raw},
        tcp::tcp,
    },
    probing::{Probed, failed, probe},
};

/// Probes a server with this response, and checks that it received one request.
async fn once(module: &str, answer: Answer) -> Probed {
    let server = http([answer]).start().await;
    let probed = probe(module, server.address).await;
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "one request per hop: {asked:?}, {}", probed.failure());
    probed
}

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

#[tokio::test]
async fn a_close_without_a_response_is_not_retried() {
    let probed = once(&module(""), raw("")).await;
    probed.expect(&[
        &failed("response", "closed"),
        "probe_http_status_code 0",
        "probe_http_content_length 0",
        "probe_http_version 0",
    ]);
    once(&module(""), raw("HTTP/1.1 200 O")).await.expect(&[&failed("response", "closed")]);
}

#[tokio::test]
async fn a_reset_has_its_own_reason() {
    let server = tcp().line().reset().start().await;
    let probed = probe(&module(""), server.address).await;
    probed.expect(&["probe_success 0", &failed("response", "reset")]);
}

#[tokio::test]
async fn a_silent_server_causes_a_timeout() {
    let timeout = failed("response", "timeout");
    for (keys, answer, code, regex) in [
        ("", raw("").hang(), 0, 0),
        ("", raw("HTTP/1.1 200 OK\r\nConte").hang(), 0, 0),
        ("", raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").hang(), 200, 0),
        (
            "fail_if_body_not_matches_regexp: [hello]",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").hang(),
            200,
            1,
        ),
    ] {
        let probed = once(&short_module(keys), answer).await;
        probed.expect(&[
            &timeout,
            &format!("probe_http_status_code {code}"),
            &format!("probe_failed_due_to_regex {regex}"),
            &phase("processing"),
        ]);
        let read = if code == 200 { 5.0 } else { 0.0 };
        assert!((probed.value("probe_http_uncompressed_body_length") - read).abs() < 0.5);
    }
}

#[tokio::test]
async fn an_endless_body_is_counted_until_the_deadline() {
    let probed =
        once(&short_module(""), raw(format!("{HEAD}\r\n")).repeat("x".repeat(65_536))).await;
    probed.expect(&[&failed("response", "timeout"), "probe_http_status_code 200"]);
    assert!(probed.value("probe_http_uncompressed_body_length") > 0.0);
    assert!(probed.value(&phase("transfer")) > 0.1);
}

#[tokio::test]
async fn a_decompression_bomb_ends_at_the_body_size_limit() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    // A gigabyte in consecutive members.
    let bomb = encoder.finish().unwrap().repeat(1024);
    let keys = "compression: gzip, body_size_limit: 2MB, fail_if_body_matches_regexp: [x]";
    let probed = once(&module(keys), ok(&bomb)).await;
    probed.expect(&[
        &failed("response", "too_large"),
        "probe_http_uncompressed_body_length 2.097152e+06",
        "probe_failed_due_to_regex 1",
    ]);
}

#[tokio::test]
async fn the_size_of_a_response_header_is_limited() {
    let long = format!("X-Long: {}\r\n", "a".repeat(1 << 20));
    let large = "X-Large: a little more of it\r\n".repeat(40_000);
    let many = "A: b\r\n".repeat(100_000);
    for head in [long, large, many] {
        let probed = once(&module(""), raw(format!("{HEAD}{head}\r\n"))).await;
        probed.expect(&[&failed("response", "too_large"), "probe_http_status_code 0"]);
    }
    let probed = once(&module(""), raw(HEAD).repeat("X-Endless: header\r\n".repeat(1000))).await;
    probed.expect(&[&failed("response", "too_large")]);
}

#[tokio::test]
async fn the_number_of_interim_responses_is_limited() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n".repeat(100);
    let probed = once(&module(""), raw("").repeat(interim)).await;
    probed.expect(&["probe_success 0", &failed("response", "protocol")]);
    assert!(probed.failure().contains("interim"), "{}", probed.failure());
}
