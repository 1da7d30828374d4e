//! Responses, bodies and checks.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{module, phase};
use crate::{
    fixtures::http::{Answer, http, ok, raw, status},
    probing::{Probed, failed, probe},
};

async fn answered(keys: &str, answer: Answer) -> Probed {
    let server = http([answer]).start().await;
    probe(&module(keys), server.address).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Probes a server and expects an announced and a received length.
async fn expect_lengths(keys: &str, answer: Answer, announced: i64, read: u64) -> Probed {
    let probed = answered(keys, answer).await;
    probed.expect(&[
        &format!("probe_http_content_length {announced}"),
        &format!("probe_http_uncompressed_body_length {read}"),
    ]);
    probed
}

#[tokio::test]
async fn lengths_are_reported_as_in_blackbox_exporter() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Trailer: a\r\n\r\n";
    let any = "valid_status_codes: [200, 204, 304]";
    let head = "method: HEAD";
    for (keys, answer, announced, read) in [
        ("", ok("hello"), 5, 5),
        ("", ok(""), 0, 0),
        ("", raw(chunked), -1, 11),
        ("", raw("HTTP/1.1 200 OK\r\n\r\nuntil the end"), -1, 13),
        ("", raw("HTTP/1.0 200 OK\r\n\r\nold"), -1, 3),
        ("", raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), 3, 3),
        (any, status(204), 0, 0),
        (any, raw("HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nhello"), 0, 0),
        (any, status(304), 0, 0),
        (head, ok("hello"), 5, 0),
        (head, raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 5, 0),
        (head, raw("HTTP/1.1 200 OK\r\n\r\n"), -1, 0),
    ] {
        expect_lengths(keys, answer, announced, read).await.expect(&["probe_success 1"]);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_fails_the_probe_and_keeps_its_head() {
    for (text, announced, reason) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", 100, "closed"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", -1, "closed"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            -1,
            "protocol",
        ),
    ] {
        let probed = expect_lengths("", raw(text), announced, 5).await;
        probed.expect(&["probe_http_status_code 200", &failed("response", reason)]);
    }
}

#[tokio::test]
async fn odd_headers_are_parsed_as_in_blackbox_exporter() {
    let folded = "fail_if_header_not_matches: [{header: X-A, regexp: '^one two$'}]";
    for (keys, text) in [
        ("", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok".to_owned()),
        ("", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".to_owned()),
        ("", "HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 2\r\n\r\nok".to_owned()),
        ("", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok".to_owned()),
        (folded, "HTTP/1.1 200 OK\r\nX-A: one\r\n  two\r\nContent-Length: 2\r\n\r\nok".to_owned()),
        ("", format!("HTTP/1.1 200 OK\r\n{}Content-Length: 2\r\n\r\nok", "X: y\r\n".repeat(3000))),
        (
            "",
            "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                .to_owned(),
        ),
    ] {
        expect_lengths(keys, raw(text), 2, 2).await.expect(&["probe_success 1"]);
    }
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ] {
        let probed = answered("", raw(text)).await;
        probed.expect(&[&failed("response", "protocol"), "probe_http_status_code 0"]);
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_response() {
    for (version, number, listed) in
        [("1.0", "1", "HTTP/1.0"), ("1.1", "1.1", "HTTP/1.1"), ("2.0", "2", "HTTP/2.0")]
    {
        let answer = raw(format!("HTTP/{version} 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        let keys = format!("valid_http_versions: [{listed}]");
        let number = format!("probe_http_version {number}");
        answered(&keys, answer).await.expect(&["probe_success 1", &number]);
    }
    let probed = answered("valid_http_versions: [HTTP/2.0]", ok("")).await;
    probed.expect(&["probe_success 0", &failed("check", "version")]);
}

#[tokio::test]
async fn w7_patterns_and_expressions_see_the_whole_body() {
    let keys = "fail_if_body_not_matches_regexp: ['good'], \
                fail_if_body_json_not_matches_cel: 'body.status == \"good\"'";
    for (body, regex, cel, reason) in [
        (r#"{"status": "good"}"#, 0, 0, None),
        (r#"{"status": "bad", "other": "good"}"#, 0, 1, Some("json")),
        ("good", 0, 1, Some("json")),
        (r#"{"status": "bad"}"#, 1, 0, Some("body")),
    ] {
        let probed = answered(keys, ok(body)).await;
        probed.expect(&[
            &format!("probe_failed_due_to_regex {regex}"),
            &format!("probe_failed_due_to_cel {cel}"),
        ]);
        match reason {
            None => probed.expect(&["probe_success 1"]),
            Some(reason) => probed.expect(&[&failed("check", reason)]),
        };
    }
    answered("", ok("")).await.expect(&["!probe_failed_due_to_cel"]);
}

#[tokio::test]
async fn a_wrong_status_skips_later_checks() {
    let keys = "fail_if_body_not_matches_regexp: [never], \
                fail_if_header_matches: [{header: X, regexp: a}], \
                fail_if_body_json_matches_cel: 'true'";
    let probed = answered(keys, status(500).body("hello")).await;
    probed.expect(&[
        &failed("check", "status"),
        "probe_failed_due_to_regex 0",
        "probe_failed_due_to_cel 0",
        "probe_http_uncompressed_body_length 5",
    ]);
}

#[tokio::test]
async fn a_large_body_is_matched_whole() {
    let body = [vec![b'x'; 200_000], b"the end".to_vec()].concat();
    let keys = "fail_if_body_not_matches_regexp: ['the end$'], fail_if_body_matches_regexp: [y]";
    answered(keys, ok(body)).await.expect(&["probe_success 1"]);
}

#[tokio::test]
async fn headers_are_matched_as_in_blackbox_exporter() {
    let wanted =
        |name: &str| format!("fail_if_header_not_matches: [{{header: {name}, regexp: '.'}}]");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (name, answer, there) in [
        ("content-TYPE", ok("").header("Content-Type", "text/plain"), true),
        ("Content-Length", ok(""), true),
        ("Transfer-Encoding", raw(chunked), false),
        ("Cache-Control", ok("").header("Pragma", "no-cache"), true),
        ("X-None", ok(""), false),
    ] {
        let probed = answered(&wanted(name), answer).await;
        let regex = format!("probe_failed_due_to_regex {}", u8::from(!there));
        probed.expect(&[&regex, &format!("probe_success {}", u8::from(there))]);
    }
}

/// As in upstream, a missing header fails both kinds of rules, unless they allow it.
#[tokio::test]
async fn w17_a_missing_header_fails_both_kinds_of_rules() {
    for key in ["fail_if_header_matches", "fail_if_header_not_matches"] {
        let rule = |more: &str| format!("{key}: [{{header: X-None, regexp: never{more}}}]");
        let probed = answered(&rule(""), ok("")).await;
        probed.expect(&[&failed("check", "header"), "probe_failed_due_to_regex 1"]);
        let probed = answered(&rule(", allow_missing: true"), ok("")).await;
        probed.expect(&["probe_success 1", "probe_failed_due_to_regex 0"]);
    }
}

#[tokio::test]
async fn a_limit_holds_after_decompression() {
    let exact = "body_size_limit: 5B";
    expect_lengths(exact, ok("hello"), 5, 5).await.expect(&["probe_success 1"]);
    let keys = "body_size_limit: 4B, fail_if_body_not_matches_regexp: [hell]";
    let probed = expect_lengths(keys, ok("hello"), 5, 4).await;
    probed.expect(&[&failed("response", "too_large"), "probe_failed_due_to_regex 1"]);
    let packed = gzip(&vec![0; 100_000]);
    let announced = i64::try_from(packed.len()).unwrap();
    let keys = "compression: gzip, body_size_limit: 64KB";
    let probed = expect_lengths(keys, ok(packed), announced, 65_536).await;
    probed.expect(&[&failed("response", "too_large")]);
}

#[tokio::test]
async fn a_body_is_decompressed_as_configured() {
    let keys = "compression: gzip, fail_if_body_not_matches_regexp: ['^hello$']";
    answered(keys, ok(gzip(b"hello"))).await.expect(&["probe_success 1"]);
    for (answer, regex) in [
        // Patterns are not matched if decompression cannot start.
        (ok("hello"), 0),
        (status(204), 0),
        (ok(&gzip(b"hello")[..20]), 1),
    ] {
        let probed = answered(keys, answer).await;
        let regex = format!("probe_failed_due_to_regex {regex}");
        probed.expect(&[&failed("response", "decompression"), &regex]);
    }
}

#[tokio::test]
async fn last_modified_is_exported_if_it_is_a_valid_date() {
    const TIME: &str = "probe_http_last_modified_timestamp_seconds";
    let changed = |text: &str| ok("").header("Last-Modified", text);
    let probed = answered("", changed("Wed, 21 Oct 2015 07:28:00 GMT")).await;
    probed.expect(&[&format!("{TIME} 1.44541248e+09")]);
    answered("", changed("lately")).await.expect(&[&format!("!{TIME}"), &phase("transfer")]);
}

#[tokio::test]
async fn plain_http_fails_fail_if_not_ssl() {
    answered("fail_if_ssl: true", ok("")).await.expect(&["probe_success 1"]);
    let probed = answered("fail_if_not_ssl: true", ok("")).await;
    probed.expect(&[&failed("check", "tls_presence"), "probe_http_status_code 200"]);
}
