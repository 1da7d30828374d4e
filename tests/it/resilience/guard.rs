//! Clients without a valid login or handshake, and their effect on others.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{connect, eventually, probe_path, request},
    running::Running,
    web_config::{Web, basic, tls_section},
};

const MODULES: &str = "modules: {connect: {prober: tcp}}";

fn start(web: &Web, text: &str) -> Running {
    web.write("web.yml", text);
    Running::start(MODULES, &[&format!("--web.config.file={}", web.file().display())])
}

/// The bcrypt cost that the documentation recommends.
const COSTLY: u32 = 10;

#[test]
fn password_guessing_does_not_delay_scrapes() {
    const GUESSERS: u32 = 30;
    let web = Web::new();
    let hash = bcrypt::hash("secret", COSTLY).unwrap();
    let exporter = start(&web, &format!("basic_auth_users: {{prometheus: {hash}}}\n"));
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("connect", &target.local_addr().unwrap().to_string());
    let login = basic("prometheus", "secret");
    let scrape = || {
        let begun = Instant::now();
        let answer = request(exporter.address, "GET", &path, &[("Authorization", &login)]);
        answer.metrics().expect(&["probe_success 1"]);
        begun.elapsed()
    };
    let with_password = scrape();
    let mut guessers: Vec<_> = (0..GUESSERS)
        .map(|index| {
            let mut guesser = connect(exporter.address);
            // A check of an unknown user takes as long as that of a known one.
            let user = if index % 2 == 0 { "prometheus" } else { "eve" };
            let guess = basic(user, &format!("guess {index}"));
            let head = "Host: x\r\nConnection: close";
            write!(guesser, "GET / HTTP/1.1\r\n{head}\r\nAuthorization: {guess}\r\n\r\n").unwrap();
            guesser
        })
        .collect();
    // The last guess is answered when all have been checked.
    let slowest = (0..10).map(|_| scrape()).max().unwrap();
    let mut waiting = 0;
    for guesser in &mut guessers {
        guesser.set_nonblocking(true).unwrap();
        waiting += usize::from(guesser.peek(&mut [0]).is_err());
        guesser.set_nonblocking(false).unwrap();
    }
    assert!(waiting > 0, "there was nothing to wait for");
    // A scrape that waited for all guesses would take as many times as long.
    let bound = with_password * (GUESSERS / 2) + Duration::from_secs(1);
    assert!(slowest < bound, "{slowest:?} {with_password:?}");
    for mut guesser in guessers {
        let mut answer = String::new();
        guesser.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
}

#[test]
fn unfinished_handshakes_use_little_memory_and_are_closed() {
    const STRANGERS: usize = 200;
    let web = Web::new();
    let exporter = start(&web, &tls_section(""));
    let scrape = || web.client().get(exporter.address, "/-/healthy").unwrap().status;
    for _ in 0..20 {
        assert_eq!(scrape(), 200);
    }
    let before = exporter.memory();
    // The headers of a record of 16 kB and of a ClientHello of that length.
    let begun = [22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    let mut strangers: Vec<_> = (0..STRANGERS)
        .map(|index| {
            let mut stranger = connect(exporter.address);
            let said = [&[][..], &begun[..1], &begun[..]][index % 3];
            stranger.write_all(said).unwrap();
            stranger
        })
        .collect();
    assert_eq!(scrape(), 200);
    let each = exporter.peak_memory().saturating_sub(before) / u64::try_from(STRANGERS).unwrap();
    assert!(each < 64 << 10, "{each} bytes for each");
    let descriptors = exporter.descriptors();
    for stranger in &mut strangers {
        let mut answer = Vec::new();
        // An alert, an end or a reset: the connection is closed.
        stranger.read_to_end(&mut answer).ok();
        assert!(answer.len() < 100, "{answer:?}");
    }
    eventually("their sockets are closed", || {
        exporter.descriptors() + STRANGERS <= descriptors + 5
    });
    assert_eq!(scrape(), 200);
}

#[test]
fn many_concurrent_handshakes_all_succeed() {
    let web = &Web::new();
    let exporter = start(web, &tls_section(""));
    let address = exporter.address;
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(move || {
                let answer = web.client().get(address, "/-/healthy").unwrap();
                assert_eq!(answer.status, 200);
            });
        }
    });
}
