//! Secrets in responses, of which reports show the beginning.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};

use super::{Case, case, cases::Web, check, module, planted};
use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, ok, raw, status},
    websocket::answering,
};

/// Returns a probe whose server repeats a token.
fn repeating(what: &'static str, keys: &str, token: &str, answer: Answer) -> Case {
    let keys = format!("authorization: {{credentials: '{token}'}}, fail_if_not_ssl: true{keys}");
    Web::new([answer]).case(what, &keys, false, token)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn secrets_at_the_end_of_an_excerpt_are_redacted() {
    let token = planted("in-a-response/100%");
    let encoded = token.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let half = |text: &str| text.split_at(text.len() / 2).0.to_owned();
    let mut cases = Vec::new();
    for (what, text, derived) in [
        ("a token", &token, half(&token)),
        ("an encoded token", &encoded, encoded.split_at(24).0.to_owned()),
    ] {
        for before in [0, 1010, 1024 - text.len(), 1023, 1024, 1100] {
            let body = "x".repeat(before) + text + &"y".repeat(300);
            let case = repeating(what, "", &token, status(500).body(body));
            cases.push(case.derived(&derived));
        }
        let cut = half(text);
        let broken = raw("HTTP/1.1 200 x\r\nContent-Length: 9000\r\n\r\n").send(&cut);
        cases.push(repeating(what, "", &token, broken).derived(&derived));
        let headers = ok("").header("X-A", "x".repeat(4000)).header("X-B", "x".repeat(40) + text);
        cases.push(repeating(what, "", &token, headers).derived(&derived));
        let compressed = gzip(&format!("{}{text}", "x".repeat(1015)));
        let compressed = ok(compressed).header("Content-Encoding", "gzip");
        let keys = ", compression: gzip";
        cases.push(repeating(what, keys, &token, compressed).derived(&derived));
        let binary = ok([&[0], text.as_bytes()].concat());
        cases.push(repeating(what, "", &token, binary).derived(&derived));
        let reason = raw(format!("HTTP/1.1 500 no {text}\r\n\r\n"));
        cases.push(repeating(what, "", &token, reason).derived(&derived));
    }
    check(&cases);
}

/// The exporter does not decompress what it has not asked for, so it does not find secrets in it.
#[test]
fn compressed_bodies_that_are_not_decompressed_are_not_shown() {
    let token = planted("compressed");
    let answer = ok(gzip(&token)).header("Content-Encoding", "gzip");
    check(&[repeating("a compressed body", "", &token, answer).derived("x1f")]);
}

#[test]
fn secrets_in_escapes_of_json_and_html_are_redacted() {
    let token = planted("in-escapes/<100%>+\u{e9}");
    let unicode = |character: char| format!("\\u{:04x}", u32::from(character));
    let references = |character: char| format!("&#{};", u32::from(character));
    let texts = [
        token.replace('/', "\\/").replace('\u{e9}', "\\u00e9"),
        token.replace('<', "\\u003c").replace('>', "\\u003E"),
        token.replace('<', "&lt;").replace('>', "&gt;").replace('+', "&#43;"),
        token.chars().map(unicode).collect::<Vec<_>>().concat(),
        token.chars().map(references).collect::<Vec<_>>().concat(),
    ];
    let cases = texts.iter().map(|text| {
        let answer = status(500).body(format!("{{\"sent\": \"{text}\"}}"));
        repeating("an escaped token", "", &token, answer).derived(text)
    });
    check(&cases.collect::<Vec<_>>());
}

/// The peer has secrets of its own users, which the exporter knows only by their names.
#[test]
fn secrets_of_the_peer_are_masked_by_their_name() {
    let own = planted("of-the-peer");
    let headers = status(500)
        .header("Set-Cookie", format!("sid={own}; Path=/"))
        .header("X-Api-Key", &own)
        .header("X-Amz-Security-Token", &own)
        .header("Refresh", format!("5; url=/login?code={own}"))
        .body(format!("{{\"access_token\": \"{own}\", \"n\": 1}}"));
    let form = status(500).body(format!(
        "Authorization: Bearer {own}\n<a href='/?session={own}'>\n\
         <input type=hidden name=csrf-token value=\"{own}\">\n\
         {{&quot;access_token&quot;:&quot;{own}&quot;}} <soap:Password Type='x'>{own}</soap:Password>\n\
         ['password' => '{own}'] user%5Bpassword%5D={own}"
    ));
    let upgrade = format!("HTTP/1.1 403 no\r\nSet-Cookie: sid={own}\r\nX-Token: {own}\r\n\r\n");
    let upgrade = RUNTIME.block_on(answering(&upgrade).start());
    let url = format!("ws://{}/", upgrade.address);
    check(&[
        Web::new([headers]).case("headers", "", false, "GET /"),
        Web::new([form]).case("a page", "", false, "GET /"),
        case("the response to an upgrade", module("websocket", ""), url, false, upgrade),
    ]);
}
