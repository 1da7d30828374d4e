//! Odd responses in HTTP/1, each with the result of `blackbox_exporter` 0.28.0.
//!
//! `make parity BLACKBOX=<its binary>` compares them again. Responses that it accepts must be
//! accepted with the same status, lengths and version, from targets, proxies and websocket servers.

use std::{fmt::Write as _, path::Path};

use boring::ssl::SslContext;
use test_fixtures::{Missing, skip};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::module;
use crate::{
    fixtures::{
        hostile::{RUNTIME, Visit, peer},
        http::{Answer, http, ok, raw},
        proxy::proxy,
        tls::{leaf, server},
        websocket::answering,
    },
    harness::Exporter,
    parity::{self, upstream},
    probing::{failed, probe},
};

/// A response, and its result.
struct Odd {
    name: &'static str,
    said: Vec<u8>,
    keys: &'static str,
    verdict: Verdict,
    /// Set if `blackbox_exporter` gives the same result; docs/migration.md explains the others.
    same: bool,
}

#[derive(Clone, Copy)]
enum Verdict {
    /// Accepted, with the announced and the received length.
    Read(i64, u64),
    /// Fails in the header, for this reason.
    Refused(&'static str),
    /// Fails after the header, for this reason.
    Broken(&'static str),
}

use Verdict::{Broken, Read, Refused};

const FIVE: &str = "Content-Length: 5\r\n\r\nhello";

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn odd(name: &'static str, said: impl Into<Vec<u8>>, verdict: Verdict) -> Odd {
    Odd { name, said: said.into(), keys: "", verdict, same: true }
}

impl Odd {
    fn with(self, keys: &'static str) -> Self {
        Self { keys, ..self }
    }

    /// Marks a result that differs from that of `blackbox_exporter`.
    fn only_here(self) -> Self {
        Self { same: false, ..self }
    }
}

fn status_lines() -> Vec<Odd> {
    let line = |line: &str| format!("{line}\r\n{FIVE}");
    let bad = Refused("protocol");
    vec![
        odd("NUL in the reason", line("HTTP/1.1 200 OK\0"), Read(5, 5)),
        odd("a control character in the reason", line("HTTP/1.1 200 O\u{1}K"), Read(5, 5)),
        odd("DEL in the reason", line("HTTP/1.1 200 O\u{7f}K"), Read(5, 5)),
        odd("colours in the reason", line("HTTP/1.1 200 \u{1b}[32mOK"), Read(5, 5)),
        odd("a vertical tab in the reason", line("HTTP/1.1 200 O\u{b}K"), Read(5, 5)),
        odd("a CR in the reason", line("HTTP/1.1 200 O\rK"), Read(5, 5)),
        odd("two blanks", line("HTTP/1.1  200 OK"), Read(5, 5)),
        odd("five blanks", line("HTTP/1.1     200 OK"), Read(5, 5)),
        odd("blanks before the reason", line("HTTP/1.1 200   OK"), Read(5, 5)),
        odd("CR CR LF", line("HTTP/1.1 200 OK\r"), Read(5, 5)),
        odd("CR CR CR LF", line("HTTP/1.1 200 OK\r\r"), Read(5, 5)),
        odd("a long reason", line(&format!("HTTP/1.1 200 {}", "x".repeat(100_000))), Read(5, 5)),
        odd("no reason", line("HTTP/1.1 200"), Read(5, 5)),
        odd("a blank for a reason", line("HTTP/1.1 200 "), Read(5, 5)),
        odd("version 0.9", line("HTTP/0.9 200 OK"), Read(5, 5)),
        odd("version 9.1", line("HTTP/9.1 200 OK"), Read(5, 5)),
        odd("a tab before the code", line("HTTP/1.1\t200 OK"), bad),
        odd("a tab behind the code", line("HTTP/1.1 200\tOK"), bad),
        odd("a code with two digits", line("HTTP/1.1 20 OK"), bad),
        odd("a code with four digits", line("HTTP/1.1 2000 OK"), bad),
        odd("a code that is none", line("HTTP/1.1 2x0 OK"), bad),
        odd("a code and no blank", line("HTTP/1.1 200OK"), bad),
        odd("no code", line("HTTP/1.1 OK"), bad),
        odd("nothing but a version", line("HTTP/1.1"), bad),
        odd("version 2", line("HTTP/2 200 OK"), bad),
        odd("version 1.10", line("HTTP/1.10 200 OK"), bad),
        odd("no version", line("HTTP 200 OK"), bad),
        odd("a blank first", line(" HTTP/1.1 200 OK"), Refused("not_http")),
        odd("a lower-case version", line("http/1.1 200 OK"), Refused("not_http")),
        odd("a mark of byte order", line("\u{feff}HTTP/1.1 200 OK"), Refused("not_http")),
        odd("an empty line first", line("\r\nHTTP/1.1 200 OK"), Read(5, 5)).only_here(),
        odd("a code and CR CR LF", line("HTTP/1.1 200\r"), Read(5, 5)).only_here(),
    ]
}

fn header_lines() -> Vec<Odd> {
    let of = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n{FIVE}");
    let length = |value: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello");
    let rule = "fail_if_header_not_matches: [{header: X-A, regexp: '^one two$'}]";
    let twice = |first, second| length(&format!("{first}\r\nContent-Length: {second}"));
    let bad = Refused("protocol");
    let many = "X-A: y\r\n".repeat(6000);
    vec![
        odd("a folded line", of("X-A: one\r\n\t two"), Read(5, 5)).with(rule),
        odd("a folded line of blanks", of("X-A: one two\r\n "), Read(5, 5)),
        odd("a blank before the colon", of("X-A : one two"), Read(5, 5)),
        odd("a blank within the name", of("X A: one two"), Read(5, 5)),
        odd(
            "a blank behind the name of a length",
            "HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nhello",
            Read(-1, 5),
        ),
        odd(
            "a blank behind the name of an encoding",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : gzip\r\n\r\nhello",
            Read(-1, 5),
        ),
        odd("a folded length", length("\r\n 5"), Read(5, 5)),
        odd("6000 headers", of(many.trim_end()), Read(5, 5)),
        odd("a header of 400 KB", of(&format!("X: {}", "y".repeat(400_000))), Read(5, 5)),
        odd("a name of 70 KB", of(&format!("{}: y", "X".repeat(70_000))), Read(5, 5)),
        odd("a length with zeros", length("0005"), Read(5, 5)),
        odd("the same length twice", twice("5", " 5 "), Read(5, 5)),
        odd("two lengths", twice("5", "6"), bad),
        odd("two spellings of a length", twice("5", "05"), bad),
        odd("a length and none", twice("5", ""), bad),
        odd("an empty length", length(""), bad),
        odd("a length with a plus", length("+5"), bad),
        odd("a hexadecimal length", length("0x5"), bad),
        odd("a length above 63 bits", length("9223372036854775808"), bad),
        odd("a length of 63 bits", length("9223372036854775807"), Broken("closed")),
        odd("a length with a control character", length("5\u{1}"), bad),
        odd("HEAD and a length that is none", length("x"), bad).with("method: HEAD"),
        odd("204 and a length", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", Read(0, 0))
            .with("valid_status_codes: [204]"),
        odd("a length as a list", length("5, 5"), Read(5, 5)).only_here(),
        odd("a line without a colon", of("nothing"), Read(5, 5)).only_here(),
        odd("a control character in a value", of("X-A: a\u{1}b"), Read(5, 5)).only_here(),
        odd("CR CR LF in a header", of("X-A: b\r"), Read(5, 5)).only_here(),
    ]
}

fn transfer_encodings() -> Vec<Odd> {
    let of = |version: &str, headers: &str, body: &str| {
        format!("HTTP/{version} 200 OK\r\nTransfer-Encoding: {headers}\r\n\r\n{body}")
    };
    let chunk = "5\r\nhello\r\n0\r\n\r\n";
    let bad = Refused("protocol");
    vec![
        odd("1.0, chunked, a plain body", of("1.0", "chunked", "hello\n"), Read(-1, 6)),
        odd("1.0, chunked, a chunked body", of("1.0", "chunked", chunk), Read(-1, 15)),
        odd(
            "1.0, chunked and a length",
            of("1.0", "chunked\r\nContent-Length: 5", chunk),
            Read(5, 5),
        ),
        odd("1.0 and gzip", of("1.0", "gzip", "hello"), Read(-1, 5)),
        odd("0.9 and chunked", of("0.9", "chunked", "hello\n"), Read(-1, 6)),
        odd("2.0 and chunked", of("2.0", "chunked", chunk), Read(-1, 5)),
        odd("2.0 and gzip", of("2.0", "gzip", "hello"), bad),
        odd("chunked in capitals", of("1.1", "CHUNKED", chunk), Read(-1, 5)),
        odd("chunked twice", of("1.1", "chunked\r\nTransfer-Encoding: chunked", chunk), bad),
        odd("chunked as a list", of("1.1", "chunked, chunked", chunk), bad),
        odd("identity", of("1.1", "identity", "hello"), bad),
        odd("an empty encoding", of("1.1", "", "hello"), bad),
        odd("a vertical tab before chunked", of("1.1", "\u{b}chunked", chunk), bad),
        odd(
            "chunked and a length that is none",
            of("1.1", "chunked\r\nContent-Length: x", chunk),
            bad,
        ),
    ]
}

fn chunks() -> Vec<Odd> {
    let of = |body: &str| format!("{CHUNKED}{body}");
    let signed = |size: usize| {
        let chunk = format!("{size:x};chunk-signature={:064}\r\n{}\r\n", 0, "x".repeat(size));
        of(&(chunk.repeat(400) + "0\r\n\r\n"))
    };
    let bad = Broken("protocol");
    vec![
        odd("signed chunks", signed(1000), Read(-1, 400_000)),
        odd("blanks behind a size", of("5 \t\r\nhello\r\n0\r\n\r\n"), Read(-1, 5)),
        odd("a folded trailer", of("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"), Read(-1, 5)),
        odd("more behind the last chunk", of("5\r\nhello\r\n0\r\n\r\nmore"), Read(-1, 5)),
        odd("chunks that are hardly data", signed(1), bad),
        odd("a size of 17 digits", of("00000000000000005\r\nhello\r\n0\r\n\r\n"), bad),
        odd("LF behind a size", of("5\nhello\r\n0\r\n\r\n"), bad),
        odd("LF behind the data", of("5\r\nhello\n0\r\n\r\n"), bad),
        odd("a chunk that is too long", of("5\r\nhellooo\r\n0\r\n\r\n"), bad),
        odd("an end within a chunk", of("9\r\nhello"), Broken("closed")),
        odd("an end before the last chunk", of("5\r\nhello\r\n"), Broken("closed")),
        odd("an end within the last chunk", of("5\r\nhello\r\n0\r\n"), Broken("closed")),
        odd("an end within the trailers", of("5\r\nhello\r\n0\r\nX: y\r\n"), Broken("closed")),
        odd("a blank before an extension", of("5 ;a\r\nhello\r\n0\r\n\r\n"), Read(-1, 5))
            .only_here(),
        odd("a trailer without a colon", of("5\r\nhello\r\n0\r\nX\r\n\r\n"), Read(-1, 5))
            .only_here(),
    ]
}

fn interim() -> Vec<Odd> {
    let behind = |interim: &str| format!("{interim}HTTP/1.1 200 OK\r\n{FIVE}");
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    vec![
        odd("forty interim responses", behind(&hints.repeat(40)), Read(5, 5)),
        odd("an interim response of 1.0", behind("HTTP/1.0 100 Continue\n\n"), Read(5, 5)),
        odd("an interim response alone", hints, Refused("closed")),
    ]
}

fn all() -> Vec<Odd> {
    [status_lines(), header_lines(), transfer_encodings(), chunks(), interim()]
        .into_iter()
        .flatten()
        .collect()
}

#[tokio::test]
async fn odd_responses_have_the_recorded_results() {
    for Odd { name, said, keys, verdict, .. } in all() {
        let server = http([raw(said)]).start().await;
        let probed = probe(&module(keys), server.address).await;
        let found = format!("{name}: {}", probed.failure());
        let (success, failure) = match verdict {
            Read(..) => ("1", None),
            Refused(reason) | Broken(reason) => ("0", Some(failed("response", reason))),
        };
        let text = probed.text();
        assert!(text.contains(&format!("\nprobe_success {success}\n")), "{found}");
        if let Some(failure) = failure {
            assert!(text.contains(&failure), "{found}");
        }
        match verdict {
            Read(announced, read) => {
                probed.expect(&[
                    &format!("probe_http_content_length {announced}"),
                    &format!("probe_http_uncompressed_body_length {read}"),
                ]);
            }
            Refused(_) => assert!(text.contains("probe_http_status_code 0"), "{found}"),
            Broken(_) => assert!(text.contains("probe_http_status_code 200"), "{found}"),
        }
    }
}

/// The metrics that must be the same.
const SAMPLES: [&str; 5] = [
    "probe_success ",
    "probe_http_status_code ",
    "probe_http_content_length ",
    "probe_http_uncompressed_body_length ",
    "probe_http_version ",
];

#[test]
fn odd_responses_are_at_parity_with_blackbox_exporter() {
    let Some(binary) = std::env::var_os("BLACKBOX") else {
        skip(Missing::Upstream, "BLACKBOX=<binary of blackbox_exporter 0.28.0> is not set");
        return;
    };
    let all = all();
    let mut modules = "modules:\n".to_owned();
    for (number, odd) in all.iter().enumerate() {
        writeln!(modules, "  m{number}: {}", module(odd.keys)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let theirs = upstream::start(Path::new(&binary), &modules, folder.path());
    let ours = Exporter::start(&modules);
    let mut wrong = String::new();
    for (number, Odd { name, said, same, .. }) in all.into_iter().enumerate() {
        let server = RUNTIME.block_on(http([raw(said.clone()), raw(said)]).start());
        let [theirs, ours] = [theirs.address(), ours.address].map(|exporter| {
            let path = format!("/probe?module=m{number}&target={}", server.address);
            let text = parity::ask(exporter, &path);
            let wanted = |line: &&str| SAMPLES.iter().any(|sample| line.starts_with(sample));
            text.lines().filter(wanted).collect::<Vec<_>>().join(", ")
        });
        if (theirs == ours) != same {
            writeln!(wrong, "{name}: theirs {theirs}, ours {ours}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "not as blackbox_exporter:\n{wrong}");
}

/// Response headers that proxies and websocket servers may send, too.
const HEADS: [(&str, &str, &str); 9] = [
    ("a plain head", "HTTP/1.1 {status}", "X-A: b\r\n"),
    ("two blanks", "HTTP/1.1  {status}", ""),
    ("a control character", "HTTP/1.1 {status}\u{1}", ""),
    ("CR CR LF", "HTTP/1.1 {status}\r", ""),
    ("a folded line", "HTTP/1.1 {status}", "Via: a\r\n b\r\n"),
    ("a blank before the colon", "HTTP/1.0 {status}", "X-A : b\r\n"),
    ("a line without a colon", "HTTP/1.1 {status}", "nothing\r\n"),
    ("an interim response", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 {status}", ""),
    (
        "an interim response of its own",
        "HTTP/1.1 103 Hints\nLink: a\n\nHTTP/1.1 {status}",
        "Y: z\n",
    ),
];

#[tokio::test]
async fn a_tunnel_accepts_odd_response_headers() {
    let own = [
        ("a length", "HTTP/1.1 {status}", "Content-Length: 100\r\n"),
        ("a length that is none", "HTTP/1.1 {status}", "Content-Length: x\r\n"),
        ("chunks", "HTTP/1.1 {status}", "Transfer-Encoding: chunked\r\n"),
        ("a head of 200 KB", "HTTP/1.1 {status}", &format!("X-A: {}\r\n", "b".repeat(200_000))),
    ];
    for (name, line, headers) in HEADS.iter().copied().chain(own) {
        let context = server(&leaf("127.0.0.1").self_signed()).context();
        let target = http([ok("hello")]).over_tls(context).start().await;
        let line = line.replace("{status}", "200 Connection established");
        let proxy = proxy().establishing(format!("{line}\r\n{headers}\r\n")).start().await;
        let keys = format!(
            "proxy_url: 'http://{}', tls_config: {{insecure_skip_verify: true}}",
            proxy.address
        );
        let probed = probe(&module(&keys), format!("https://{}/", target.address)).await;
        assert!(probed.text().contains("\nprobe_success 1\n"), "{name}: {}", probed.failure());
    }
}

#[tokio::test]
async fn a_websocket_accepts_odd_response_headers() {
    for (name, line, headers) in HEADS {
        let line = line.replace("{status}", "101 Switching Protocols");
        let agreed = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        let head = format!("{line}\r\n{headers}{agreed}Sec-WebSocket-Accept: {{accept}}\r\n\r\n");
        let server = answering(&head).start().await;
        let target = format!("ws://{}/", server.address);
        let probed = probe("{prober: websocket}", target).await;
        assert!(probed.text().contains("\nprobe_success 1\n"), "{name}: {}", probed.failure());
    }
}

/// The same applies to HTTP servers, proxies and websocket servers.
#[tokio::test]
async fn responses_in_other_protocols_are_named_and_quoted() {
    for (said, words) in [
        (&b"SSH-2.0-OpenSSH_9.2\r\n"[..], "not HTTP but SSH; it begins with \"SSH-2.0-OpenSSH_9.2"),
        (b"220 mail.example ESMTP\r\n", "not HTTP but SMTP; it begins with \"220 mail.example"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "not HTTP but a TLS alert (protocol version)"),
        (b"ICY 200 OK\r\nicy-name: x\r\n\r\n", "not HTTP but Shoutcast"),
        (b"{\"a\": 1}\n", "not HTTP but JSON"),
        (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80", "not HTTP but HTTP/2"),
        (b"\x01\x02\x03", "not HTTP; it begins with \"\\u{1}\\u{2}\\u{3}\""),
        (&[0; 30], "not HTTP but zero bytes; it begins with \"\\0\\0"),
    ] {
        let answer = || raw(said);
        let server = http([answer()]).start().await;
        let proxy = proxy().answering(said).start().await;
        let (target, through) = (server.address, proxy.address);
        let websocket = Answer::default().send(said);
        let websocket = http([websocket]).start().await;
        for (module, target, stage) in [
            (module(""), format!("http://{target}/"), "response"),
            (
                module(&format!("proxy_url: 'http://{through}'")),
                format!("https://{target}/"),
                "proxy",
            ),
            ("{prober: websocket}".to_owned(), format!("ws://{}/", websocket.address), "response"),
        ] {
            let probed = probe(&module, target).await;
            probed.expect(&[&failed(stage, "not_http")]);
            assert!(probed.failure().contains(words), "{stage}: {}", probed.failure());
        }
    }
}

/// A body that ends with the connection may end without a TLS alert, but not within a record.
#[test]
fn a_close_within_a_tls_record_is_not_the_end_of_a_body() {
    let keys = "tls_config: {insecure_skip_verify: true}";
    for (framing, cut, failure) in [
        ("", false, None),
        ("", true, Some("closed the connection within a TLS record")),
        ("Content-Length: 5\r\n", true, None),
        ("Content-Length: 50\r\n", true, Some("closed the connection within a TLS record")),
        (
            "Content-Length: 50\r\n",
            false,
            Some("the server closed the connection after 5 of 50 bytes of the body"),
        ),
    ] {
        let context = server(&leaf("127.0.0.1").self_signed()).context();
        let target = peer(move |visit| cut_short(visit, context.clone(), framing, cut));
        let url = format!("https://{}/", target.address);
        let probed = RUNTIME.block_on(probe(&module(keys), url));
        match failure {
            None => probed.expect(&["probe_success 1"]),
            Some(words) => {
                assert!(probed.failure().contains(words), "{framing:?}: {}", probed.failure());
                probed.expect(&[&failed("response", "closed")])
            }
        };
        probed.expect(&["probe_http_uncompressed_body_length 5"]);
    }
}

/// Answers over TLS, and sends half of one more record if `cut` is set.
async fn cut_short(
    visit: Visit,
    context: SslContext,
    framing: &'static str,
    cut: bool,
) -> std::io::Result<()> {
    let Visit { stream, seen } = visit.secure(&context).await?;
    let mut visit = Visit { stream, seen };
    let mut request = [0; 4096];
    let _ = visit.stream.read(&mut request).await?;
    visit.say(format!("HTTP/1.1 200 OK\r\n{framing}\r\nhello")).await?;
    let below = visit.stream.get_mut();
    if cut {
        below.write_all(&[23, 3, 3, 1, 0, 1, 2, 3]).await?;
    }
    below.shutdown().await?;
    while below.read(&mut request).await? > 0 {}
    Ok(())
}

#[tokio::test]
async fn a_token_response_may_have_an_odd_header() {
    for (name, line, headers) in HEADS {
        let line = line.replace("{status}", "200 OK");
        let head = format!("{line}\r\n{headers}Content-Type: application/json\r\n\r\n");
        let tokens = http([raw(head + "{\"access_token\": \"t\"}")]).start().await;
        let target = http([ok("hello")]).start().await;
        let keys = format!("oauth2: {{client_id: me, token_url: 'http://{}/'}}", tokens.address);
        let probed = probe(&module(&keys), target.address).await;
        assert!(probed.text().contains("\nprobe_success 1\n"), "{name}: {}", probed.failure());
        assert_eq!(target.asked()[0].header("Authorization"), "Bearer t", "{name}");
    }
}
