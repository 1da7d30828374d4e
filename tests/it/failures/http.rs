//! Failing web servers.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    formats::check,
    row::{Row, Target, module, row, scripted, served, web},
};
use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, http, ok, raw, redirect, status},
    tcp::tcp,
    tls::{leaf, server},
};

#[test]
fn failing_web_servers_are_reported() {
    check(&rows());
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = checks();
    rows.extend(redirects());
    rows.extend(answers());
    rows.extend(in_plain_text());
    rows.extend(bodies());
    rows.extend(requests());
    rows
}

fn plain(keys: &str) -> String {
    module("http", keys)
}

fn checks() -> Vec<Row> {
    let of = |what, keys: &str, answer, reason, words| {
        row(what, plain(keys), web(answer), (Stage::Check, reason), words)
    };
    let headers = || ok("fine").header("X-One", "1");
    let json = || ok(r#"{"status": "down"}"#).header("Content-Type", "application/json");
    let rule = |kind: &str, rule: &str| format!("{kind}: [{{{rule}}}]");
    vec![
        of("an error of the server", "", status(500), Reason::Status, "500, expected 2xx"),
        of("another status", "valid_status_codes: [204]", ok(""), Reason::Status, "expected 204"),
        of(
            "another version",
            "valid_http_versions: [HTTP/2.0]",
            ok(""),
            Reason::Version,
            "HTTP/1.1",
        ),
        of(
            "an unwanted header",
            &rule("fail_if_header_matches", "header: X-One, regexp: '1'"),
            headers(),
            Reason::Header,
            "X-One matches",
        ),
        of(
            "a header that is not as wanted",
            &rule("fail_if_header_not_matches", "header: X-One, regexp: '2'"),
            headers(),
            Reason::Header,
            "X-One does not match",
        ),
        of(
            "a missing header",
            &rule("fail_if_header_not_matches", "header: X-Two, regexp: '2'"),
            headers(),
            Reason::Header,
            "X-Two is missing",
        ),
        of(
            "an unwanted body",
            "fail_if_body_matches_regexp: [fi.e]",
            ok("fine"),
            Reason::Body,
            "fi.e",
        )
        .with("probe_failed_due_to_regex 1"),
        of(
            "a body that is not as wanted",
            "fail_if_body_not_matches_regexp: [good]",
            ok("fine"),
            Reason::Body,
            "does not match 'good'",
        ),
        of(
            "unwanted JSON",
            "fail_if_body_json_matches_cel: \"body.status == 'down'\"",
            json(),
            Reason::Json,
            "is true for the body",
        ),
        of(
            "JSON that is not as wanted",
            "fail_if_body_json_not_matches_cel: \"body.status == 'up'\"",
            json(),
            Reason::Json,
            "is false for the body",
        ),
        of(
            "a body that is no JSON",
            "fail_if_body_json_not_matches_cel: \"body.status == 'up'\"",
            ok("<html>"),
            Reason::Json,
            "cannot be evaluated",
        ),
        of("no TLS where it must be", "fail_if_not_ssl: true", ok(""), Reason::TlsPresence, "not"),
        row(
            "TLS where it must not be",
            plain("fail_if_ssl: true, tls_config: {insecure_skip_verify: true}"),
            over_tls(ok("")),
            (Stage::Check, Reason::TlsPresence),
            "received over TLS",
        ),
        row(
            "an expression that takes long",
            plain("fail_if_body_json_matches_cel: 'body.all(x, body.all(y, x == y))'"),
            web(ok(format!("[{}1]", "1,".repeat(9_999)))),
            (Stage::Check, Reason::Timeout),
            "evaluating the CEL expressions over the body",
        )
        .soon(),
    ]
}

fn redirects() -> Vec<Row> {
    let leading = |what, location: &str, (stage, reason), words| {
        row(what, plain(""), web(redirect(location)), (stage, reason), words)
    };
    let invalid = (Stage::Response, Reason::InvalidRedirect);
    vec![
        leading(
            "a circle",
            "/again",
            (Stage::Response, Reason::TooManyRedirects),
            "/again was requested 10 times",
        )
        .with("probe_http_redirects 11"),
        leading("a redirect out of HTTP", "ftp://127.0.0.1/", invalid, "has an unsupported scheme"),
        leading("a redirect to no host", "http:///path", invalid, "has no host"),
        leading("a redirect to nonsense", "http://[::1", invalid, "invalid redirect to"),
        leading(
            "a redirect to where nobody listens",
            "http://127.0.0.1:1/",
            (Stage::Connect, Reason::Refused),
            "127.0.0.1:1",
        )
        .with("probe_http_redirects 1"),
        row(
            "a redirect to a denied host",
            plain("").replacen('{', "{policy: {addresses: {deny: [127.0.0.2]}}, ", 1),
            web(redirect("http://127.0.0.2:1/")),
            (Stage::Response, Reason::Denied),
            "a host that a policy of the exporter denies",
        )
        .with("probe_http_redirects 1"),
        row(
            "a redirect that is not followed",
            plain("follow_redirects: false"),
            web(redirect("/next")),
            (Stage::Check, Reason::Status),
            "302",
        ),
    ]
}

fn answers() -> Vec<Row> {
    let of = |what, answer, (stage, reason), words| {
        row(what, plain(""), web(answer), (stage, reason), words)
    };
    let protocol = (Stage::Response, Reason::Protocol);
    let not_http = (Stage::Response, Reason::NotHttp);
    let closed = (Stage::Response, Reason::Closed);
    let timeout = (Stage::Response, Reason::Timeout);
    let large = (Stage::Response, Reason::TooLarge);
    vec![
        of("an end within the head", raw("HTTP/1.1 200 O"), closed, "closed"),
        of(
            "an end within the body",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
            closed,
            "body",
        ),
        of("another protocol", raw("SSH-2.0-OpenSSH_9.2\r\n"), not_http, "SSH-2.0-OpenSSH_9.2"),
        of(
            "a length that is none",
            raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
            protocol,
            "Content-Length is not a single number: \"x\"",
        ),
        of(
            "interim answers without end",
            raw("").repeat("HTTP/1.1 103 Early Hints\r\n\r\n"),
            protocol,
            "interim",
        ),
        of("a head that is too large", ok("").header("X-Long", "a".repeat(2 << 20)), large, "head"),
        row(
            "a reset after the request",
            plain(""),
            scripted("http://", tcp().line().reset()),
            (Stage::Response, Reason::Reset),
            "reset",
        ),
        row(
            "an end before the request",
            plain(""),
            scripted("http://", tcp().close()),
            closed,
            "closed",
        ),
        of("silence", raw("").hang(), timeout, "request sent, no response header (waited ").soon(),
        of(
            "silence within the head",
            raw("HTTP/1.1 200 OK\r\nConte").hang(),
            timeout,
            "response header incomplete: received 22 bytes, the last line is \"Conte\"",
        )
        .soon(),
        of(
            "silence within the body",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").hang(),
            timeout,
            "body incomplete: received 5 of 9 bytes",
        )
        .soon(),
    ]
}

/// Requests in plain text to servers that expect TLS.
fn in_plain_text() -> Vec<Row> {
    let of = |what, answer, words| {
        row(what, plain(""), web(answer), (Stage::Check, Reason::Status), words)
    };
    vec![
        of(
            "TLS is expected by a server in Go",
            raw(
                "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
            ),
            "400, expected 2xx: according to the server, this port uses TLS; probe it with \
             https://",
        ),
        of(
            "TLS is expected by nginx",
            status(400).body("<center>The plain HTTP request was sent to HTTPS port</center>"),
            "this port uses TLS",
        ),
    ]
}

fn bodies() -> Vec<Row> {
    let of = |what, keys: &str, answer, reason, words| {
        row(what, plain(keys), web(answer), (Stage::Response, reason), words)
    };
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let limit = Reason::TooLarge;
    vec![
        of(
            "a body that is too long",
            "body_size_limit: 1KB",
            ok("x".repeat(2000)),
            limit,
            "1024 bytes",
        ),
        of("a bomb", "compression: gzip, body_size_limit: 2KB", ok(&bomb), limit, "2048 bytes"),
        of(
            "no gzip",
            "compression: gzip",
            ok("plain"),
            Reason::Decompression,
            "cannot decompress the body",
        ),
        of(
            "broken gzip",
            "compression: gzip",
            ok(&bomb[..bomb.len() / 2]),
            Reason::Decompression,
            "cannot decompress the body",
        ),
    ]
}

fn requests() -> Vec<Row> {
    let missing = (Stage::Request, Reason::UnusableFile);
    let invalid = (Stage::Request, Reason::InvalidRequest);
    let lines = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(lines.path(), "two\nlines").unwrap();
    let unsent = |what, keys: &str, expected, words| {
        row(what, plain(keys), "http://127.0.0.1:1/", expected, words)
    };
    vec![
        unsent(
            "no file with a body",
            "method: POST, body_file: /nonexistent",
            missing,
            "body_file",
        ),
        unsent(
            "no file with a password",
            "basic_auth: {username: u, password_file: /nonexistent}",
            missing,
            "basic_auth password",
        ),
        row(
            "a header from a file that cannot be sent",
            plain(&format!("http_headers: {{X-One: {{files: ['{}']}}}}", lines.path().display())),
            web(ok("")),
            invalid,
            "X-One contains a control character",
        )
        .keeping(lines),
    ]
}

fn over_tls(answer: Answer) -> Target {
    let context = server(&leaf("127.0.0.1").self_signed()).context();
    let server = RUNTIME.block_on(http([answer]).over_tls(context).start());
    served(format!("https://{}/", server.address), server)
}

/// Like nginx at `return 444`: reads the request and closes the connection.
#[test]
fn a_server_that_closes_without_a_response_gets_one_request() {
    let server = RUNTIME.block_on(http([raw("")]).start());
    let target = format!("http://{}/", server.address);
    let closed = (Stage::Response, Reason::Closed);
    check(&[row("a close without a word", plain(""), target, closed, "closed")]);
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
}
