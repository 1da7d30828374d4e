//! Targets with the zone of an IPv6 address, in every notation.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv6Addr, TcpListener},
    thread,
};

use test_fixtures::{Missing, skip};
use url::form_urlencoded::byte_serialize;

use crate::probing::probe;

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_zone_is_accepted_in_every_notation() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        skip(Missing::Ipv6, "no zones");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || {
                // A tcp probe sends nothing.
                if stream.read(&mut [0; 1000]).is_ok_and(|length| length > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                }
            });
        }
    });
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    for (prober, target) in [
        ("http", "http://[::1%25lo]:PORT/"),
        ("http", "http://[::1%25lo]:PORT/a%2Fb?c=%25"),
        ("http", "http://user:pass@[::1%25lo]:PORT/"),
        ("http", "[::1%25lo]:PORT"),
        ("http", "http://[::1%lo]:PORT/"),
        ("http", "[::1%lo]:PORT"),
        ("tcp", "[::1%lo]:PORT"),
        ("tcp", "[::1%25lo]:PORT"),
        ("tcp", "[::1%1]:PORT"),
    ] {
        let target = target.replace("PORT", &port.to_string());
        let module = format!("{{prober: {prober}, timeout: 60s}}");
        probe(&module, encoded(&target)).await.expect(&["probe_success 1"]);
        // Encoded twice by the scraper.
        probe(&module, encoded(&encoded(&target))).await.expect(&["probe_success 1"]);
    }
}
