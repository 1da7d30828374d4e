//! The memory that probes may hold together (`limits.body_memory`).

use std::{io::Write as _, net::SocketAddr, thread};

use flate2::{Compression, write::GzEncoder};

use crate::{
    fixtures::{
        hostile::{RUNTIME, Then::Close, greeting},
        http::{Answer, http, raw, redirect},
        websocket::websocket,
    },
    harness::{Exporter, eventually, probe_path, request},
    running::Running,
};

const MODULES: &str = r#"
modules:
  healthy: {prober: tcp, timeout: 20s, tcp: {query_response: [{expect: hello}]}}
  plain: {prober: http, timeout: 20s}
  pattern: {prober: http, timeout: 20s, http: {fail_if_body_matches_regexp: [never]}}
  gzip: {prober: http, timeout: 20s, http: {compression: gzip, fail_if_body_matches_regexp: [never]}}
  brotli: {prober: http, timeout: 20s, http: {compression: br, headers: {Accept-Encoding: br}}}
  json: {prober: http, timeout: 20s, http: {fail_if_body_json_matches_cel: "body == 5.0"}}
  websocket: {prober: websocket, timeout: 20s, websocket: {query_response: [{expect: never}]}}
"#;

fn start(limit: &str) -> Exporter {
    Exporter::start(&format!("limits: {{body_memory: {limit}}}{MODULES}"))
}

fn held(exporter: &Exporter) -> f64 {
    exporter.own_metrics().value("probe_exporter_body_memory_bytes").unwrap()
}

/// Returns a target whose response never ends.
fn answering(answers: impl IntoIterator<Item = Answer>) -> String {
    let server = RUNTIME.block_on(http(answers).start());
    let target = format!("http://{}/", server.address);
    // It serves until the process ends.
    RUNTIME.spawn(async move {
        let _server = server;
        std::future::pending::<()>().await;
    });
    target
}

/// Returns a response with a part of its body.
fn part(headers: &str, body: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 50000000\r\n\r\n");
    raw(head).send(body).hang()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A window of 16 MiB and as many zeros, without the end of the stream.
const BROTLI: &[u8] = &[
    0xcb, 0xff, 0xff, 0x3f, 0xf8, 0x27, 0x00, 0xe2, 0xb1, 0x40, 0x20, 0xf7, 0xfe, 0x8f, 0xff, 0xff,
    0x7f, 0xf0, 0x4f, 0x00, 0xc4, 0x61, 0x11, 0x80, 0xee, 0xfd, 0x9f,
];

const MIB: usize = 1 << 20;

#[test]
fn all_that_a_peer_sends_is_counted_until_the_probe_ends() {
    let exporter = start("64MiB");
    let text = vec![b'x'; 2 * MIB];
    let long = format!("X-Long: {}\r\n", "y".repeat(400_000));
    let many = "X: y\r\n".repeat(6_000);
    let cookie = format!("a={}", "y".repeat(100_000));
    let message = [&[0x81, 127], &1_000_000_u64.to_be_bytes()[..], &text[..900_000]].concat();
    let websocket = RUNTIME.block_on(websocket().say(message).start());
    let cases = [
        ("a body", "pattern", answering([part("", &text)]), 2 * MIB),
        ("a body in gzip", "gzip", answering([part("", &gzip(&text))]), 2 * MIB),
        (
            "a part of a head",
            "plain",
            answering([raw("HTTP/1.1 200 OK\r\n").send(&long).hang()]),
            400_000,
        ),
        ("a long header", "plain", answering([part(&long, b"")]), 400_000),
        ("many headers", "plain", answering([part(&many, b"")]), 600_000),
        (
            "cookies of redirects",
            "plain",
            answering([redirect("/").header("Set-Cookie", cookie), part("", b"")]),
            400_000,
        ),
        ("a message", "websocket", format!("ws://{}/", websocket.address), 900_000),
    ];
    let address = exporter.address;
    for (name, module, target, least) in cases {
        let path = probe_path(module, &target);
        // The client closes the connection at the end of the scope.
        let client = hold(address, &path);
        let least = f64::from(u32::try_from(least - (100 << 10)).unwrap());
        eventually(name, || held(&exporter) > least);
        assert!(held(&exporter) < 33e6, "{name}: {}", held(&exporter));
        drop(client);
        eventually(name, || held(&exporter) < 1.0);
    }
}

/// Sends a request for a probe, and keeps the connection.
fn hold(exporter: SocketAddr, path: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(exporter).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

#[test]
fn probes_without_room_are_refused_and_others_go_on() {
    let exporter = start("4MiB");
    let text = vec![b'x'; 3 * MIB];
    let hoard = answering([part("", &text)]);
    let client = hold(exporter.address, &probe_path("pattern", &hoard));
    eventually("the first probe holds its body", || held(&exporter) > 2.5e6);
    let answer = exporter.get(&probe_path("pattern", &answering([part("", &text)])));
    let refusal = "Overloaded: the bodies of running probes fill limits.body_memory; this says \
                   nothing about the target\n";
    assert_eq!((answer.status, answer.text().as_str()), (503, refusal));
    let healthy = greeting("hello\r\n", Close);
    exporter.probe("healthy", &healthy.address.to_string()).expect(&["probe_success 1"]);
    drop(client);
    eventually("all is given back", || held(&exporter) < 1.0);
}

#[test]
fn a_body_beyond_the_whole_limit_is_too_large() {
    let exporter = start("1MiB");
    let json = format!("[{}1]", "{},".repeat(100_000));
    let json_head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", json.len());
    for (module, answer) in [
        ("pattern", part("", &vec![b'x'; 2 * MIB])),
        ("gzip", part("", &gzip(&vec![b'x'; 2 * MIB]))),
        ("json", raw(json_head).send(&json)),
    ] {
        let text = exporter.debug(module, &answering([answer]));
        assert!(text.contains("reason=\"too_large\""), "{module}: {text}");
        assert!(text.contains("limits.body_memory (1048576 bytes)"), "{module}: {text}");
    }
    eventually("all is given back", || held(&exporter) < 1.0);
}

/// Address space that is left for the exporter in bytes: less than a large body or window needs.
const LEFT: u64 = 4 << 20;

#[test]
fn a_body_without_memory_fails_its_probe_and_not_the_exporter() {
    let exporter = Running::start(&format!("limits: {{body_memory: 0}}{MODULES}"), &[]);
    let probe = |module, target: &str| {
        let path = format!("{}&debug=true", probe_path(module, target));
        request(exporter.address, "GET", &path, &[]).text()
    };
    let small = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let small = answering([raw(small), raw(small), raw(small)]);
    // The threads for decompression and patterns exist from here on.
    for module in ["pattern", "gzip", "brotli"] {
        probe(module, &small);
    }
    exporter.limit_address_space(LEFT);
    let text = vec![b'x'; 32 * MIB];
    let endless = || raw("HTTP/1.1 200 OK\r\n\r\n");
    for (module, answer) in [
        ("brotli", part("", BROTLI)),
        ("pattern", part("", &text)),
        ("pattern", endless().send(&text).hang()),
        ("gzip", part("", &gzip(&text))),
    ] {
        let text = probe(module, &answering([answer]));
        assert!(text.starts_with("Overloaded: "), "{module}: {text}");
        assert!(text.contains("ulimit -v"), "{module}: {text}");
    }
    let healthy = greeting("hello\r\n", Close);
    let text = probe("healthy", &healthy.address.to_string());
    assert!(text.contains("probe_success 1"), "{text}");
}

const CROWD: usize = 60;

#[test]
fn a_crowd_of_hostile_targets_does_not_fill_the_memory() {
    let modules = MODULES.replace("20s", "4s");
    let exporter = Running::start(&format!("limits: {{body_memory: 8MiB}}{modules}"), &[]);
    let address = exporter.address;
    let text = vec![b'x'; 12 * MIB];
    let json = format!("[{}1]", "{},".repeat(500_000));
    let json =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", json.len()), json].concat();
    let message = [&[0x81, 127], &1_000_000_u64.to_be_bytes()[..], &text[..900_000]].concat();
    let many = "X: y\r\n".repeat(6_000);
    let websocket = RUNTIME.block_on(websocket().say(message).start());
    let targets = [
        ("pattern", answering([part("", &text)])),
        ("gzip", answering([part("", &gzip(&text))])),
        ("brotli", answering([part("", BROTLI)])),
        ("plain", answering([part(&many, b"")])),
        ("json", answering([raw(json)])),
        ("websocket", format!("ws://{}/", websocket.address)),
    ];
    let healthy = greeting("hello\r\n", Close);
    let before = exporter.memory();
    let clients: Vec<_> = (0..CROWD)
        .map(|number| {
            let (module, target) = &targets[number % targets.len()];
            hold(address, &probe_path(module, target))
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..20 {
            let path = probe_path("healthy", &healthy.address.to_string());
            let answer = scope.spawn(move || request(address, "GET", &path, &[])).join().unwrap();
            answer.metrics().expect(&["probe_success 1"]);
        }
    });
    eventually("all probes end", || exporter.in_flight() < 1.0);
    drop(clients);
    let grown = exporter.peak_memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB more for {CROWD} hostile targets", grown >> 20);
}
