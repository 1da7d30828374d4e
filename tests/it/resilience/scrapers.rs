//! Hostile scrapers, and scrapers that disconnect.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::{
    fixtures::{
        hostile::{
            RUNTIME,
            Then::{Drip, Wait},
            greeting,
        },
        http::{http, raw},
    },
    harness::{connect, eventually, probe_path, request},
    running::Running,
};

const MODULES: &str = "
modules:
  http: {prober: http, timeout: 60s}
  http_pattern: {prober: http, timeout: 60s, http: {fail_if_body_matches_regexp: [never]}}
  tcp: {prober: tcp, timeout: 60s, tcp: {query_response: [{expect: never}]}}
";

fn begin(exporter: &Running, path: &str) -> TcpStream {
    let mut scraper = connect(exporter.address);
    write!(scraper, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    scraper
}

#[test]
fn abandoned_probes_end_for_every_target() {
    let silent = greeting("", Wait);
    let slow = greeting("", Drip(vec![b'x']));
    let endless = raw("HTTP/1.1 200 OK\r\n\r\n").repeat("x".repeat(64 << 10));
    let endless = RUNTIME.block_on(http([endless.clone(), endless]).start());
    let exporter = Running::start(MODULES, &[]);
    for (module, target) in [
        ("http", silent.address),
        ("http", endless.address),
        ("http_pattern", endless.address),
        ("tcp", silent.address),
        ("tcp", slow.address),
    ] {
        let scraper = begin(&exporter, &probe_path(module, &target.to_string()));
        eventually("the probe runs", || exporter.in_flight() > 0.0);
        drop(scraper);
        eventually("the probe ends", || exporter.in_flight() < 1.0);
    }
}

#[test]
fn scrapers_that_read_no_response_use_little_memory() {
    const SCRAPERS: usize = 6;
    let exporter = Running::start(MODULES, &[]);
    // The first requests load pages of the binary, which are not memory of scrapers.
    for _ in 0..100 {
        exporter.own_metrics();
    }
    let before = exporter.memory();
    let requests = ["\r\n", "\n"]
        .map(|end| format!("GET /metrics HTTP/1.1{end}Host: x{end}{end}").repeat(2000));
    let scrapers: Vec<_> = requests
        .iter()
        .cycle()
        .take(SCRAPERS)
        .map(|requests| {
            let mut scraper = connect(exporter.address);
            scraper.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            // Until the exporter reads no more, or closes the connection.
            while scraper.write_all(requests.as_bytes()).is_ok() {}
            scraper
        })
        .collect();
    assert_eq!(request(exporter.address, "GET", "/-/healthy", &[]).status, 200);
    let each = exporter.peak_memory().saturating_sub(before) / u64::try_from(SCRAPERS).unwrap();
    assert!(each < 512 << 10, "{each} bytes for each");
    drop(scrapers);
}

/// An unfinished request does not delay others, and times out.
#[test]
fn unfinished_requests_are_answered_with_408() {
    let exporter = Running::start(MODULES, &[]);
    let mut scraper = connect(exporter.address);
    write!(scraper, "GET /metrics HTTP/1.1\r\nX: ").unwrap();
    assert_eq!(request(exporter.address, "GET", "/-/healthy", &[]).status, 200);
    let mut answer = Vec::new();
    scraper.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}
