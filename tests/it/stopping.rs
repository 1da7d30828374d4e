//! Stopping the exporter: readiness, the shutdown delay, requests that arrive meanwhile, and the age of
//! connections.

use std::{
    io::{self, Read as _, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    harness::{Answer, Exporter, PATIENCE, connect, eventually, probe_path},
    running::Running,
    web_config::{Web, basic, tls_section, users},
};

const MODULES: &str = r"
modules:
  connect: {prober: tcp}
  silent: {prober: tcp, tcp: {query_response: [{expect: never}]}}
";

/// A delay that only a second signal ends.
const LONG: &str = "--web.shutdown-delay=10m";

const REFUSAL: &str = "Stopping: this exporter takes no more probes\n";

/// A connection that is kept alive.
struct Client<S>(S);

impl Client<TcpStream> {
    fn new(address: SocketAddr) -> Self {
        Self(connect(address))
    }
}

impl<S: io::Read + Write> Client<S> {
    fn send(&mut self, path: &str) {
        self.send_as("HTTP/1.1", path, "");
    }

    fn send_as(&mut self, version: &str, path: &str, headers: &str) {
        let head = format!("GET {path} {version}\r\nHost: x\r\n{headers}\r\n");
        self.0.write_all(head.as_bytes()).unwrap();
    }

    /// Reads one response, by its length.
    fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            bytes.extend(byte);
        }
        let mut answer = Answer::parse(&bytes);
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).unwrap();
        answer
    }

    fn get(&mut self, path: &str) -> Answer {
        self.send(path);
        self.answer()
    }

    /// Checks that the connection ends without a reset and without more data.
    #[track_caller]
    fn assert_ends(mut self) {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), "");
    }
}

fn closes(answer: &Answer) -> bool {
    answer.header("connection") == Some("close")
}

/// A target that accepts connections and sends nothing.
fn silent_target() -> (TcpListener, String) {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    (target, path)
}

/// Waits until the stop has begun: the listener is closed.
fn wait_for_the_end_of_the_delay(running: &Running) {
    eventually("connections are refused", || TcpStream::connect(running.address).is_err());
}

/// Waits until connections are accepted, in addition to that of this request.
fn wait_for_connections(running: &Running, count: u16) {
    eventually("all connections are accepted", || {
        let metrics = running.own_metrics();
        metrics.value("probe_exporter_connections").unwrap() > f64::from(count)
    });
}

#[test]
fn everything_is_served_during_the_delay_and_connections_end() {
    let (target, path) = silent_target();
    let mut running = Running::start(MODULES, &[LONG]);
    let address = running.address;
    let mut idle = Client::new(address);
    let ready = idle.get("/-/ready");
    assert_eq!((ready.status, ready.text().as_str(), closes(&ready)), (200, "Ready", false));
    let mut probing = Client::new(address);
    probing.send(&path);
    let (mut peer, _) = target.accept().unwrap();
    running.signal(Signal::TERM);
    running.wait_for("Not ready, serving for the shutdown delay\" delay=10m");

    peer.write_all(b"never\n").unwrap();
    let running_probe = probing.answer();
    running_probe.metrics().expect(&["probe_success 1"]);
    assert!(closes(&running_probe));
    probing.assert_ends();

    let unready = idle.get("/-/ready");
    assert_eq!((unready.status, unready.text().as_str()), (503, "Stopping"));
    assert!(closes(&unready));
    idle.assert_ends();

    let connected = probe_path("connect", &target.local_addr().unwrap().to_string());
    for (path, status) in
        [("/-/healthy", 200), ("/", 200), ("/metrics", 200), (&connected, 200), ("/none", 404)]
    {
        let mut client = Client::new(address);
        let answer = client.get(path);
        assert_eq!((answer.status, closes(&answer)), (status, true), "{path}");
        client.assert_ends();
    }

    let mut kept_alive = Client::new(address);
    kept_alive.send_as("HTTP/1.0", "/-/healthy", "Connection: keep-alive\r\n");
    let answer = kept_alive.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, None), "the default of 1.0");
    kept_alive.assert_ends();

    running.signal(Signal::INT);
    running.wait_for("Received SIGINT again, ending the shutdown delay");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn the_delay_ends_by_itself() {
    let running = Running::start(MODULES, &["--web.shutdown-delay=1ms"]);
    let (code, lines) = running.stop();
    assert_eq!(code, Some(0));
    assert!(lines.iter().any(|line| line.contains("delay=1ms")), "{lines:#?}");
    let (code, lines) = Running::start(MODULES, &[]).stop();
    assert_eq!(code, Some(0));
    assert!(!lines.iter().any(|line| line.contains("delay")), "{lines:#?}");
}

#[test]
fn a_third_signal_aborts_running_probes() {
    let (target, path) = silent_target();
    let mut running = Running::start(MODULES, &[LONG]);
    let mut scraper = Client::new(running.address);
    scraper.send(&path);
    let _peer = target.accept().unwrap();
    running.signal(Signal::TERM);
    running.wait_for("Not ready");
    running.signal(Signal::TERM);
    running.wait_for("ending the shutdown delay");
    wait_for_the_end_of_the_delay(&running);
    running.signal(Signal::TERM);
    running.wait_for("Received SIGTERM again, aborting running probes");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn probes_are_refused_after_the_delay_and_the_rest_is_served() {
    let (target, path) = silent_target();
    let mut running = Running::start(MODULES, &[]);
    // A probe that runs, and requests whose head is not complete, keep the exporter from its end.
    let mut scraper = Client::new(running.address);
    scraper.send(&path);
    let (mut peer, _) = target.accept().unwrap();
    let formats = ["", "&format=json", "&debug=true", "&format=health", "&format=html"];
    let with_password = probe_path("silent", "http://user:hush@host/");
    let probes = formats.map(|format| format!("{with_password}{format}"));
    let mut begin = |path: &str| {
        let mut client = Client::new(running.address);
        client.0.write_all(format!("GET {path} HTTP/1.1\r\nHost: x").as_bytes()).unwrap();
        client
    };
    let mut refused: Vec<_> = probes.iter().map(|path| begin(path)).collect();
    let [mut bad, mut healthy, mut metrics] =
        ["/probe?module=x", "/-/healthy", "/metrics"].map(&mut begin);
    wait_for_connections(&running, 9);
    running.signal(Signal::TERM);
    running.wait_for("exiting gracefully");
    wait_for_the_end_of_the_delay(&running);

    let end = |client: &mut Client<TcpStream>| {
        client.0.write_all(b"\r\n\r\n").unwrap();
        let answer = client.answer();
        assert!(closes(&answer), "{answer:?}");
        answer
    };
    for (client, format) in refused.iter_mut().zip(formats) {
        let answer = end(client);
        let status = if format == "&format=health" { 429 } else { 503 };
        assert_eq!(answer.status, status, "{format}");
        let headers = ["retry-after", "cache-control"].map(|name| answer.header(name));
        assert_eq!(headers, [Some("1"), Some("no-store")], "{format}");
        if format == "&format=html" {
            assert!(answer.text().contains("Stopping: this exporter takes no more probes"));
        } else {
            assert_eq!(answer.text(), REFUSAL, "{format}");
        }
    }
    assert_eq!((end(&mut bad).status, end(&mut healthy).status), (400, 200));
    let counted = r#"probe_exporter_probes_refused_total{cause="stopping",module="silent"} 5"#;
    end(&mut metrics).metrics().expect(&[counted, "probe_exporter_probes_in_flight 1"]);
    let line = running.wait_for("Probe refused");
    assert!(line.contains("level=WARN") && line.contains("cause=stopping"), "{line}");
    assert!(line.contains("user:xxxxx@host") && !line.contains("hush"), "{line}");
    target.set_nonblocking(true).unwrap();
    let none = target.accept().unwrap_err();
    assert_eq!(none.kind(), io::ErrorKind::WouldBlock, "the target is not connected");

    peer.write_all(b"never\n").unwrap();
    scraper.answer().metrics().expect(&["probe_success 1"]);
    scraper.assert_ends();
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn requests_that_arrive_before_the_stop_are_answered() {
    let mut running = Running::start(MODULES, &[]);
    let mut clients: Vec<_> = (0..60).map(|_| Client::new(running.address)).collect();
    let (used, new) = clients.split_at_mut(40);
    for client in &mut *used {
        assert_eq!(client.get("/-/healthy").status, 200);
    }
    let (busy, idle) = used.split_at_mut(20);
    wait_for_connections(&running, 60);
    let path = probe_path("connect", &running.address.to_string());
    // While it is stopped, it reads nothing: requests and the signal are there when it continues.
    running.signal(Signal::STOP);
    for client in busy.iter_mut().chain(&mut *new) {
        client.send(&path);
    }
    running.signal(Signal::TERM);
    running.signal(Signal::CONT);
    for client in busy.iter_mut().chain(new) {
        let answer = client.answer();
        if answer.status == 200 {
            answer.metrics().expect(&["probe_success *"]);
        } else {
            assert_eq!((answer.status, answer.text().as_str()), (503, REFUSAL));
        }
    }
    for client in idle {
        let mut bytes = Vec::new();
        assert_eq!(client.0.read_to_end(&mut bytes).unwrap(), 0);
    }
    drop(clients);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn a_pipelined_request_does_not_damage_the_response_before_it() {
    let (target, path) = silent_target();
    for delay in ["--web.shutdown-delay=0s", LONG] {
        let mut running = Running::start(MODULES, &[delay]);
        let mut scraper = Client::new(running.address);
        scraper.send(&path);
        let (mut peer, _) = target.accept().unwrap();
        // More than the exporter reads before the response.
        scraper.send(&format!("/{}", "x".repeat(10_000)));
        running.signal(Signal::TERM);
        running.wait_for(if delay == LONG { "Not ready" } else { "exiting gracefully" });
        if delay != LONG {
            wait_for_the_end_of_the_delay(&running);
        }
        peer.write_all(b"never\n").unwrap();
        let answer = scraper.answer();
        answer.metrics().expect(&["probe_success 1"]);
        assert!(closes(&answer));
        scraper.assert_ends();
        if delay == LONG {
            running.signal(Signal::TERM);
        }
        assert_eq!(running.exit_code(), Some(0));
    }
}

#[test]
fn connections_with_tls_end_cleanly() {
    let web = Web::new();
    web.write("web.yml", &(tls_section("") + &users("u", "p")));
    let mut exporter = Exporter::start_with(MODULES, |options| {
        options.web_config_file = Some(web.file());
    });
    let login = format!("Authorization: {}\r\n", basic("u", "p"));
    let connect = || Client(web.client().try_connect(exporter.address).unwrap());
    let mut clients: Vec<_> = (0..8).map(|_| connect()).collect();
    for client in &mut clients {
        client.send_as("HTTP/1.1", "/-/ready", "");
        assert_eq!(client.answer().status, 401);
        client.send_as("HTTP/1.1", "/-/ready", &login);
        assert_eq!(client.answer().text(), "Ready");
    }
    let idle = clients.split_off(4);
    for client in &mut clients {
        client.send_as("HTTP/1.1", "/-/ready", &login);
    }
    exporter.begin_stop();
    for mut client in clients {
        let answer = client.answer();
        assert!(["Ready", "Stopping"].contains(&answer.text().as_str()), "{answer:?}");
        client.assert_ends();
    }
    idle.into_iter().for_each(Client::assert_ends);
    exporter.stop();
}

#[test]
fn readiness_is_below_the_route_prefix() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.route_prefix = probe_exporter::server::RoutePrefix::parse("/x").unwrap();
    });
    assert_eq!(exporter.get("/x/-/ready").text(), "Ready");
    assert_eq!(exporter.get("/-/ready").status, 404);
}

#[test]
fn an_old_connection_ends_with_its_next_response_and_not_before() {
    const AGE: Duration = Duration::from_millis(300);
    let exporter = Exporter::start_with(MODULES, |options| options.max_connection_age = Some(AGE));
    let before = Instant::now();
    let (mut busy, mut idle) = (Client::new(exporter.address), Client::new(exporter.address));
    let mut answers = 0;
    while !closes(&busy.get("/-/healthy")) {
        answers += 1;
        assert!(before.elapsed() < PATIENCE, "still open after {answers} responses");
    }
    let age = before.elapsed();
    assert!(age >= AGE.mul_f64(0.9), "{age:?} after {answers} responses");
    busy.assert_ends();
    std::thread::sleep(AGE.mul_f64(1.2).saturating_sub(before.elapsed()));
    assert!(closes(&idle.get("/-/healthy")));
    idle.assert_ends();
    // The response to a pipelined request is not sent; the first one is whole.
    let mut pipelining = Client::new(exporter.address);
    std::thread::sleep(AGE.mul_f64(1.2));
    pipelining.send("/-/healthy");
    pipelining.send(&format!("/{}", "x".repeat(10_000)));
    assert!(closes(&pipelining.answer()));
    pipelining.assert_ends();
}

#[test]
fn connections_have_no_age_by_default() {
    let exporter = Exporter::start(MODULES);
    let mut client = Client::new(exporter.address);
    assert!((0..100).all(|_| client.get("/-/healthy").header("connection").is_none()));
}
