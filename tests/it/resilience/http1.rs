//! Hostile HTTP/1 servers.

use std::{net::SocketAddr, time::Duration};

use flate2::{Compress, Compression, FlushCompress, Status};

use super::{Attack, Target, withstand};
use crate::fixtures::{
    hostile::{
        RUNTIME,
        Then::{Close, Reset, Wait},
        greeting,
    },
    http::{Answer, RunningHttpServer, http, ok, raw, redirect},
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r#"
modules:
  plain: {prober: http, timeout: 2s}
  patient: {prober: http, timeout: 60s}
  pattern: {prober: http, timeout: 60s, http: {fail_if_body_matches_regexp: [never]}}
  json: {prober: http, timeout: 60s, http: {fail_if_body_json_matches_cel: "body.a == 1.0"}}
  gzip: {prober: http, timeout: 2s, http: {compression: gzip}}
  deflate: {prober: http, timeout: 2s, http: {compression: deflate}}
  br: {prober: http, timeout: 2s, http: {compression: br}}
  limited: {prober: http, timeout: 60s, http: {compression: gzip, body_size_limit: 10MB}}
"#;

const OK: &str = "HTTP/1.1 200 OK\r\n";

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

impl Target for RunningHttpServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn requests(&self) -> usize {
        self.asked().len()
    }
}

fn attack(
    name: &'static str,
    module: &'static str,
    reason: &'static str,
    answers: impl IntoIterator<Item = Answer>,
) -> Attack {
    let target = Box::new(RUNTIME.block_on(http(answers).start()));
    Attack { name, module, target, scheme: "http://", reason, requests: 1 }
}

/// Returns a response of `first`, and then `more` repeatedly.
fn endless(first: &str, more: &str) -> Answer {
    raw(first).repeat(more.repeat((64 << 10) / more.len()))
}

#[test]
fn endless_servers_are_cut_off() {
    let slow = |text: &str| raw("").trickle(text.repeat(100), Duration::from_millis(100));
    let attacks = [
        ("no answer", raw("").hang()),
        ("half a head", raw(OK).hang()),
        ("a slow head", slow("HTTP/1.1 200 OK\r\nX: abcdefghi")),
        ("a slow body", raw(CHUNKED).trickle("1\r\nx\r\n".repeat(100), Duration::from_millis(100))),
        ("a body of any length", endless(&format!("{OK}\r\n"), "x")),
        ("a long body", endless(&format!("{OK}Content-Length: 10000000000\r\n\r\n"), "x")),
        ("chunks", endless(CHUNKED, "5\r\nhello\r\n")),
        ("small chunks", endless(CHUNKED, "1\r\nx\r\n")),
    ];
    withstand(
        MODULES,
        32,
        &attacks.map(|(name, answer)| attack(name, "plain", "timeout", [answer])),
    );
}

#[test]
fn oversized_headers_are_rejected() {
    let attacks = [
        ("a long header", "too_large", raw(format!("{OK}X: {}", "x".repeat(1 << 20))).hang()),
        ("a header without end", "too_large", endless(&format!("{OK}X: "), "x")),
        (
            "many headers",
            "too_large",
            raw(OK.to_owned() + &"X: abcdefgh\r\n".repeat(80_000)).hang(),
        ),
        ("headers without end", "too_large", endless(OK, "X: y\r\n")),
        ("a reason without end", "too_large", endless("HTTP/1.1 200 ", "x")),
        (
            "interim responses without end",
            "protocol",
            endless("", "HTTP/1.1 102 Processing\r\n\r\n"),
        ),
        ("a size without end", "protocol", endless(CHUNKED, "1")),
        ("a size of zeros", "protocol", endless(CHUNKED, "0")),
        ("an extension without end", "protocol", endless(&format!("{CHUNKED}1;"), "x")),
        ("trailers without end", "protocol", endless(&format!("{CHUNKED}0\r\n"), "X: y\r\n")),
    ];
    withstand(
        MODULES,
        32,
        &attacks.map(|(name, reason, answer)| attack(name, "patient", reason, [answer])),
    );
}

#[test]
fn servers_with_useless_responses_fail_immediately() {
    let short = raw(format!("{OK}Content-Length: 9\r\n\r\nhello"));
    let asked = [
        ("closes without a word", "closed", raw("")),
        ("closes in the head", "closed", raw(format!("{OK}X: y"))),
        ("closes in the body", "closed", short),
    ];
    let unasked = [
        ("closes at once", "closed", greeting("", Close)),
        ("resets at once", "reset", greeting("", Reset)),
        ("speaks another protocol", "not_http", greeting("220 mail.example ESMTP\r\n", Wait)),
        ("speaks before it is asked", "not_http", greeting([0; 64], Wait)),
    ];
    let asked = asked.map(|(name, reason, answer)| attack(name, "patient", reason, [answer]));
    let unasked = unasked.map(|(name, reason, peer)| Attack {
        name,
        module: "patient",
        target: Box::new(peer),
        scheme: "http://",
        reason,
        requests: 0,
    });
    withstand(MODULES, 16, &asked.into_iter().chain(unasked).collect::<Vec<_>>());
}

#[test]
fn endless_redirects_are_followed_ten_times() {
    let cookies = (0..11).map(|number| {
        let cookie = |index| format!("c{number}x{index}={}", "x".repeat(4000));
        (0..100).fold(redirect("/"), |answer, index| answer.header("Set-Cookie", cookie(index)))
    });
    let long = (0..11).map(|number| redirect(format!("/{number}{}", "x".repeat(30_000))));
    let attacks = [
        attack("a loop", "patient", "too_many_redirects", [redirect("/")]),
        attack("a loop with cookies", "patient", "too_many_redirects", cookies),
        attack("a loop over long URLs", "patient", "too_many_redirects", long),
    ];
    withstand(MODULES, 48, &attacks.map(|attack| Attack { requests: 11, ..attack }));
}

#[test]
fn compressed_bombs_are_cut_off() {
    let attacks = [
        attack("gzip", "gzip", "timeout|too_large", [ok(gzip_bomb()).hang()]),
        attack("deflate", "deflate", "timeout|too_large", [ok(deflate_bomb()).hang()]),
        attack("brotli", "br", "timeout|too_large", [ok(brotli_bomb()).hang()]),
        attack("a limited body", "limited", "too_large", [ok(gzip_bomb()).hang()]),
    ];
    withstand(MODULES, 64, &attacks);
}

#[test]
fn the_part_of_a_body_that_checks_buffer_is_limited() {
    let body = |more| endless(&format!("{OK}\r\n"), more);
    let attacks = [
        attack("a pattern", "pattern", "too_large", [body("x")]),
        attack("an expression", "json", "too_large", [body("[0,")]),
    ];
    withstand(MODULES, 256, &attacks);
}

/// Returns ten gigabytes of zeros in upstream's format of `Content-Encoding: deflate`.
fn deflate_bomb() -> Vec<u8> {
    let mut compress = Compress::new(Compression::best(), false);
    let zeros = vec![0; 1 << 20];
    let mut pieces = [const { Vec::new() }; 2];
    for piece in &mut pieces {
        piece.reserve(1 << 16);
        let status = compress.compress_vec(&zeros, piece, FlushCompress::Full).unwrap();
        assert_eq!(status, Status::Ok);
    }
    // After a full flush, nothing refers to earlier data, so the second piece can be repeated.
    let [first, second] = pieces;
    [first, second.repeat(10 << 10)].concat()
}

fn gzip_bomb() -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], deflate_bomb().as_slice()].concat()
}

/// 16 MiB of zeros each: the first meta-block of a stream, and one that can be repeated.
const BROTLI_ZEROS: [&[u8]; 2] = [
    b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\xc4\x61\x11\x80\xee\xfd\x9f\x01",
    b"\xfc\xff\xff\x83\x7f\x02\x20\x0e\x0b\x00\x74\xef\xff\xf8\xff\xff\x07\xff\x04\x40\x1c\x16\x00\xe8\xde\xff\x19",
];

fn brotli_bomb() -> Vec<u8> {
    let [first, second] = BROTLI_ZEROS;
    [first, &second.repeat(640)].concat()
}
