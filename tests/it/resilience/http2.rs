//! Hostile HTTP/2 servers.

use super::{Attack, withstand};
use crate::fixtures::{
    hostile::Peer,
    http2::{
        DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, STATUS_200, frame, head, hello,
        interim_head, serving,
    },
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r"
modules:
  plain: {prober: http, timeout: 2s, http: {tls_config: {insecure_skip_verify: true}}}
  patient: {prober: http, timeout: 60s, http: {tls_config: {insecure_skip_verify: true}}}
  upload:
    prober: http
    timeout: 2s
    http: {method: POST, body_file: ENDLESS_FILE, tls_config: {insecure_skip_verify: true}}
";

/// More kinds of frames (RFC 9113, section 6).
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0x42;

/// Encodes a header that is added to the dynamic table.
fn indexed_header(length: u16) -> Vec<u8> {
    header(0x40, length)
}

fn literal_header(length: u16) -> Vec<u8> {
    header(0, length)
}

fn header(kind: u8, length: u16) -> Vec<u8> {
    // A length of more than seven bits continues in groups of seven.
    let rest = length - 127;
    let length =
        [0x7f, 0x80 | u8::try_from(rest & 0x7f).unwrap(), u8::try_from(rest >> 7).unwrap()];
    let value = vec![b'x'; usize::from(rest) + 127];
    [&[kind, 1, b'x'], length.as_slice(), &value].concat()
}

/// Starts a server that reads a request, sends `first`, and then `more` repeatedly.
pub(super) fn saying(first: Vec<u8>, more: Vec<u8>) -> Peer {
    serving(move |mut visit| {
        let (first, more) = (first.clone(), more.clone());
        async move {
            visit.say(hello()).await?;
            visit.http2_request().await?;
            visit.say(first).await?;
            if more.is_empty() {
                return visit.until_gone().await;
            }
            visit.endlessly(more).await
        }
    })
}

fn attack(name: &'static str, module: &'static str, reason: &'static str, peer: Peer) -> Attack {
    Attack { name, module, target: Box::new(peer), scheme: "https://", reason, requests: 1 }
}

#[test]
fn endless_servers_are_cut_off() {
    let nothing = Vec::new;
    let no_window = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let attacks = [
        ("no answer", "plain", saying(nothing(), nothing())),
        ("no body", "plain", saying(head(), nothing())),
        ("half a frame", "plain", saying(head()[..5].to_vec(), nothing())),
        ("nothing but windows", "upload", saying(nothing(), nothing())),
        ("no window at all", "upload", saying(no_window, nothing())),
        ("small data", "plain", saying(head(), frame(DATA, 0, 1, b"x"))),
        ("a farewell", "plain", saying(frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), nothing())),
    ];
    let attacks = attacks.map(|(name, module, peer)| attack(name, module, "timeout", peer));
    withstand(MODULES, 32, &attacks);
}

#[test]
fn frames_that_carry_nothing_are_limited() {
    let nothing = Vec::new;
    let attacks = [
        ("settings", saying(nothing(), frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]))),
        ("acknowledgements", saying(nothing(), frame(SETTINGS, 1, 0, &[]))),
        ("answered pings", saying(nothing(), frame(PING, 1, 0, &[7; 8]))),
        ("pings", saying(nothing(), frame(PING, 0, 0, &[7; 8]))),
        ("unknown frames", saying(nothing(), frame(UNKNOWN, 0, 0, &[0; 100]))),
        ("priorities", saying(nothing(), frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]))),
        ("other streams", saying(nothing(), frame(RST_STREAM, 0, 3, &[0, 0, 0, 1]))),
        ("small windows", saying(nothing(), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]))),
        ("empty data", saying(head(), frame(DATA, 0, 1, &[]))),
        ("padding", saying(head(), frame(DATA, 8, 1, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0]))),
    ];
    let attacks = attacks.map(|(name, peer)| attack(name, "patient", "protocol", peer));
    withstand(MODULES, 32, &attacks);
}

#[test]
fn excessive_frames_are_rejected() {
    let open = |payload: &[u8]| frame(HEADERS, 0, 1, payload);
    let more = frame(CONTINUATION, 0, 1, &[]);
    let header = indexed_header(3000);
    let references = vec![0xbe; 16_000];
    let bomb = [
        open(&[&[STATUS_200], header.as_slice()].concat()),
        frame(CONTINUATION, 0, 1, &references).repeat(20),
        frame(CONTINUATION, END_HEADERS, 1, &references),
    ];
    let large = [
        open(&[&[STATUS_200], literal_header(15_000).as_slice()].concat()),
        frame(CONTINUATION, 0, 1, &literal_header(16_000)).repeat(60),
        frame(CONTINUATION, END_HEADERS, 1, &[]),
    ];
    let promise = frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82, 0x84, 0x86]);
    let attacks = [
        ("empty continuations", "too_large", saying(open(&[STATUS_200]), more)),
        (
            "continuations",
            "too_large",
            saying(open(&[STATUS_200]), frame(CONTINUATION, 0, 1, &header)),
        ),
        ("many headers", "too_large", saying(large.concat(), Vec::new())),
        ("few bytes for many", "too_large", saying(bomb.concat(), Vec::new())),
        (
            "windows",
            "protocol",
            saying(Vec::new(), frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ),
        ("promises", "protocol", saying(Vec::new(), promise)),
        ("resets", "closed", saying(Vec::new(), frame(RST_STREAM, 0, 1, &[0, 0, 0, 1]))),
        ("interim heads", "too_large", saying(Vec::new(), interim_head())),
        ("a large frame", "protocol", saying(vec![0xff; 100], Vec::new())),
        ("another protocol", "protocol", saying(b"HTTP/1.1 200 OK\r\n\r\n".repeat(10), Vec::new())),
        ("an end without a head", "protocol", saying(frame(DATA, END_STREAM, 1, b"x"), Vec::new())),
    ];
    let attacks = attacks.map(|(name, reason, peer)| attack(name, "patient", reason, peer));
    withstand(MODULES, 32, &attacks);
}
