//! Secrets that servers repeat in the forms that servers and frameworks produce by themselves.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Case, case, cases::Web, check, dialogues::over_tcp, module, planted};
use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, raw, redirect, status},
    tcp::tcp,
    websocket::{CLOSE, TEXT, frame, websocket},
};

/// Encodes all but letters, digits and `-`.
fn percent(text: &str) -> String {
    let encode = |mut out: String, byte: u8| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02X}").unwrap(),
        }
        out
    };
    text.bytes().fold(String::new(), encode)
}

/// Writes the content of a string in JSON, as encoders for web pages do.
fn json(text: &str) -> String {
    let written = serde_json::to_string(text).unwrap();
    let written = written.trim_matches('"').replace('<', "\\u003c").replace('&', "\\u0026");
    written.replace('%', "\\u0025").replace('/', "\\/")
}

fn html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('+', "&#43;")
}

/// Returns all forms that one encoder, or two in turn, give; also in lower case.
fn forms(secret: &str) -> Vec<String> {
    let encoders = [percent, json, html];
    let once = encoders.map(|encode| encode(secret));
    let twice = once.iter().flat_map(|text| encoders.map(|encode| encode(text)));
    let lower = once.iter().map(|text| text.to_ascii_lowercase());
    once.iter().cloned().chain(twice).chain(lower).collect()
}

/// Returns a probe that sends a token to a server which gives this answer.
fn repeating(what: &'static str, token: &str, answers: impl IntoIterator<Item = Answer>) -> Case {
    let keys = format!("authorization: {{credentials: '{token}'}}, fail_if_not_ssl: true");
    Web::new(answers).case(what, &keys, false, "GET /")
}

#[test]
fn secrets_are_redacted_however_a_server_encodes_them() {
    let token = planted("echo/<100%41>&\"x\"+y\u{e9}");
    let everywhere = |text: &str| {
        let body = format!("{{\"sent\": \"{text}\"}}");
        let head = format!("HTTP/1.1 500 no {text}\r\nX-Said: {text}\r\n");
        raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    let in_forms =
        forms(&token).into_iter().map(|text| repeating("a form", &token, [everywhere(&text)]));
    let once = percent(&token);
    let in_urls = [once.clone(), percent(&once)].map(|text| {
        let to = redirect(format!("/next?said={text}"));
        repeating("a redirect", &token, [to, everywhere(&text)])
    });
    check(&in_forms.chain(in_urls).collect::<Vec<_>>());
}

#[test]
fn secrets_are_redacted_in_names_and_other_encodings_of_characters() {
    let (name, token) = (planted("name"), planted("char\u{e9}s"));
    let latin1: Vec<u8> = token.chars().map(|it| u8::try_from(it).unwrap()).collect();
    let read_as_latin1: String = token.bytes().map(char::from).collect();
    let utf16: Vec<u8> = token.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = || status(500);
    let cookie = redirect("/").header("Set-Cookie", "s=".to_owned() + &percent(&token));
    // One probe by the server, and three by the command.
    let to_all = [cookie, answer().body(&token)].into_iter().cycle().take(8);
    let password = planted("basic");
    let header =
        format!("headers: {{Authorization: 'Basic {}'}}", STANDARD.encode(format!("u:{password}")));
    check(&[
        Web::new([answer().body(&password)]).case("a decoded header", &header, false, "GET /"),
        repeating("a header name", &name, [answer().header(&format!("X-{name}"), "1")]),
        repeating("ISO 8859-1", &token, [answer().body(latin1)]),
        repeating("read as ISO 8859-1", &token, [answer().body(&read_as_latin1)]),
        repeating("read as ISO 8859-1, in JSON", &token, [answer().body(json(&read_as_latin1))]),
        repeating("UTF-16", &token, [answer().body(utf16)]).derived("x00l"),
        Web::new(to_all).case("a decoded cookie", "", false, "GET /"),
    ]);
}

#[test]
fn secrets_are_redacted_where_a_text_ends_within_them() {
    let token = planted("cut/rest");
    let long = planted("long") + &"0123456789abcdef".repeat(20);
    let broken = |text: &str| raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n{text}"));
    let mut cases: Vec<_> = [planted("cut%2"), planted("cut\\u00"), planted("cut&#4")]
        .iter()
        .map(|text| repeating("a body that ends within an escape", &token, [broken(text)]))
        .collect();
    let head = raw(format!("HTTP/1.1 200 OK\r\nX-Said: {long}")).hang();
    let case = repeating("a header that does not end", &long, [head]).derived("89abcdef");
    cases.push(Case { module: case.module.replace("20s", "700ms"), ..case });
    check(&cases);
}

#[test]
fn secrets_of_dialogues_are_redacted_however_a_peer_encodes_them() {
    let password = planted("dialogue/\"1\" %41");
    let send = format!("{{expect: '^220', send: 'PASS {password}', secret: true}}");
    let mut cases = Vec::new();
    for text in forms(&password).into_iter().step_by(4) {
        let script = tcp().say("220 hello\r\n").line().say(format!("530 {text}\r\n")).close();
        let steps = format!("{send}, {{expect: '^230'}}");
        cases.push(over_tcp("a line", &steps, script, false, ""));
        let server =
            websocket().hear().say(frame(TEXT, text)).say(frame(CLOSE, 1000_u16.to_be_bytes()));
        let server = RUNTIME.block_on(server.start());
        let target = format!("ws://{}/", server.address);
        let steps = format!("{{send: '{password}', secret: true}}, {{expect: '^230'}}");
        let module = module("websocket", &format!("query_response: [{steps}]"));
        cases.push(case("a message", module, target, false, server));
    }
    check(&cases);
}
