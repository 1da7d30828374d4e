//! More connections than the exporter has file descriptors for.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use socket2::{Domain, Socket, Type};

use crate::{
    harness::{Answer, PATIENCE, connect, eventually, probe_path, request},
    running::{BINARY, lines_of},
};

/// Probes are not limited, so that connections are.
const MODULES: &str = r"
limits: {in_flight: 0}
modules:
  silent: {prober: tcp, timeout: 90s, tcp: {query_response: [{expect: never}]}}
";

/// The number of probes is limited as by default.
const LIMITED: &str = r"
modules:
  silent: {prober: tcp, timeout: 1s, tcp: {query_response: [{expect: never}]}}
";

/// Number of file descriptors of the exporter: enough for 50 connections.
const DESCRIPTORS: usize = 200;

/// An exporter with few file descriptors.
pub(crate) struct Small {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Small {
    fn start() -> Self {
        Self::start_with(DESCRIPTORS, MODULES)
    }

    pub(crate) fn start_with(descriptors: usize, yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("blackbox.yml"), yaml).unwrap();
        let script =
            format!("ulimit -n {descriptors} && exec {BINARY} --web.listen-address=127.0.0.1:0");
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = lines_of(child.stderr.take().unwrap());
        let line = loop {
            let line = log.recv_timeout(PATIENCE).unwrap();
            if line.contains("TLS is disabled") {
                break line;
            }
        };
        let start = line.find("127.0.0.1:").unwrap();
        let address = line[start..].parse().unwrap();
        // Lines that follow are discarded.
        std::thread::spawn(move || log.iter().for_each(drop));
        Self { address, child, _folder: folder }
    }

    /// Requests that succeed on new connections.
    fn serves(&self) {
        for path in ["/metrics", "/-/healthy", "/"] {
            assert_eq!(request(self.address, "GET", path, &[]).status, 200, "{path}");
        }
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A connection from a loopback address of one's own.
fn connect_from(last: u8, address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::from([127, 0, 0, last]), 0).into()).unwrap();
    socket.connect_timeout(&address.into(), PATIENCE).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

const REQUEST: &[u8] = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a request and reads the response. Returns false if the connection is closed.
fn is_served(mut stream: &TcpStream) -> bool {
    let mut response = [0; 4096];
    let sent = stream.write_all(REQUEST).and_then(|()| stream.read(&mut response));
    sent.is_ok_and(|length| response[..length].starts_with(b"HTTP/1.1 200 "))
}

#[test]
fn idle_connections_give_way_to_new_ones() {
    idle_connections_give_way(&Small::start());
    idle_connections_give_way(&Small::start_with(DESCRIPTORS, LIMITED));
}

fn idle_connections_give_way(exporter: &Small) {
    for bytes in [REQUEST, b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nG"] {
        let open = |_| {
            let mut stream = connect(exporter.address);
            stream.write_all(bytes).unwrap();
            stream
        };
        let idle: Vec<_> = (0..300).map(open).collect();
        exporter.serves();
        eventually("descriptors are free", || exporter.descriptors() < DESCRIPTORS / 2);
        let closed = "probe_exporter_connections_dropped_total{cause=\"idle\"}";
        let metrics = request(exporter.address, "GET", "/metrics", &[]).metrics();
        assert!(metrics.value(closed).unwrap() >= 200.0);
        drop(idle);
    }
}

#[test]
fn the_oldest_connection_of_the_busiest_client_is_closed() {
    oldest_connection_is_closed(&Small::start());
    oldest_connection_is_closed(&Small::start_with(DESCRIPTORS, LIMITED));
}

fn oldest_connection_is_closed(exporter: &Small) {
    let scraper = connect_from(2, exporter.address);
    assert!(is_served(&scraper));
    let crowd: Vec<_> = (0..100).map(|_| connect_from(1, exporter.address)).collect();
    assert!(is_served(crowd.last().unwrap()), "the youngest one is kept");
    assert!(is_served(&scraper), "another client is not affected");
    assert!(!is_served(&crowd[0]));
}

#[test]
fn a_client_with_many_running_requests_leaves_room_for_others() {
    let exporter = Small::start();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    let probe = |_| {
        let mut stream = connect_from(1, exporter.address);
        // The exporter may have closed it.
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok();
        stream
    };
    let mut probes: Vec<_> = (0..100).map(probe).collect();
    let value = |name: &str| {
        let mut scraper = connect_from(2, exporter.address);
        scraper
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut bytes = Vec::new();
        scraper.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes).metrics().value(name).unwrap()
    };
    let refused = "probe_exporter_connections_dropped_total{cause=\"client_limit\"}";
    eventually("connections are refused", || {
        // Connections whose requests are not yet served were closed.
        probes.extend((0..10).map(probe));
        value(refused) > 0.0
    });
    eventually("the others run", || value("probe_exporter_probes_in_flight") > 10.0);
    drop(probes);
}

#[test]
fn every_scrape_of_a_burst_gets_a_response() {
    let exporter = Small::start_with(DESCRIPTORS, LIMITED);
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    // Six times as many as the exporter can have connections.
    let scrape = |_| {
        let mut stream = connect(exporter.address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream
    };
    let scrapes: Vec<_> = (0..300).map(scrape).collect();
    exporter.serves();
    let mut probed = 0;
    for mut scrape in scrapes {
        let mut bytes = Vec::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            let mut piece = [0; 4096];
            let length = scrape.read(&mut piece).unwrap();
            assert!(length > 0, "closed without a response");
            bytes.extend_from_slice(&piece[..length]);
        }
        let answer = Answer::parse(&bytes);
        let is_refused = answer.text().starts_with("Overloaded: ");
        assert_eq!(answer.status, if is_refused { 503 } else { 200 }, "{}", answer.text());
        probed += usize::from(!is_refused);
    }
    // A third of the descriptors beside those of the process.
    assert!(probed >= 24, "{probed}");
}

#[test]
fn several_clients_with_running_requests_leave_room_for_others() {
    let exporter = Small::start();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let path = probe_path("silent", &target.local_addr().unwrap().to_string());
    let mut probes = Vec::new();
    let metrics = || {
        let mut scraper = connect_from(99, exporter.address);
        scraper
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut bytes = Vec::new();
        scraper.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes).metrics()
    };
    // Before, four clients could take all connections, and the next one was never served.
    eventually("connections of all clients are refused", || {
        for client in 1..=8 {
            for _ in 0..20 {
                let mut stream = connect_from(client, exporter.address);
                // The exporter may have closed it.
                write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok();
                probes.push(stream);
            }
        }
        let metrics = metrics();
        let value = |name| metrics.value(name).unwrap();
        value("probe_exporter_connections_dropped_total{cause=\"client_limit\"}") > 200.0
            && value("probe_exporter_probes_in_flight") > 40.0
    });
    assert!(is_served(&connect_from(9, exporter.address)), "a client without a connection");
}
