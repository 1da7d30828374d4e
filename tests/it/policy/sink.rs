//! Peers that count what reaches them, and a name server whose answers change.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

use probe_exporter::{
    config::Config,
    net::resolve::Resolver,
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};

use crate::{
    fixtures::dns::{A, message, record},
    harness::eventually,
};

/// A port that counts TCP connections and UDP datagrams, and answers none of them.
pub(super) struct Sink {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<Source>>>,
    markers: Mutex<Vec<Source>>,
}

/// The protocol and the port of a client.
type Source = (&'static str, u16);

impl Sink {
    /// Opens a port of all addresses of this host, which count as one.
    pub(super) fn open() -> Self {
        let (listener, socket) = loop {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            if let Ok(socket) = UdpSocket::bind(address) {
                break (listener, socket);
            }
        };
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let [of_tcp, of_udp] = [Arc::clone(&seen), Arc::clone(&seen)];
        thread::spawn(move || {
            while let Ok((_stream, peer)) = listener.accept() {
                of_tcp.lock().unwrap().push(("tcp", peer.port()));
            }
        });
        thread::spawn(move || {
            while let Ok((_, peer)) = socket.recv_from(&mut [0; 64]) {
                of_udp.lock().unwrap().push(("udp", peer.port()));
            }
        });
        Self { port, seen, markers: Mutex::default() }
    }

    /// Returns the number of connections and datagrams so far. What was sent before has arrived: over
    /// the loopback interface, sending is receiving, and a marker follows it.
    pub(super) fn hits(&self) -> usize {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(b"marker", (Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let new = [("tcp", stream.local_addr()), ("udp", socket.local_addr())];
        let new = new.map(|(protocol, address)| (protocol, address.unwrap().port()));
        let mut markers = self.markers.lock().unwrap();
        markers.extend(new);
        eventually("the markers arrive", || {
            let seen = self.seen.lock().unwrap();
            new.iter().all(|marker| seen.contains(marker))
        });
        // Both queues are in order, so all that came before the markers is there.
        self.seen.lock().unwrap().iter().filter(|source| !markers.contains(source)).count()
    }
}

/// A name server that answers with these addresses in turn, the last one again and again, and has no
/// IPv6 address.
pub(super) struct Names {
    address: SocketAddr,
    asked: Arc<Mutex<usize>>,
}

impl Names {
    pub(super) fn start(addresses: &[&str]) -> Self {
        let addresses: Vec<Ipv4Addr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            let mut next = 0;
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                *count.lock().unwrap() += 1;
                let name = buffer[12..].iter().position(|octet| *octet == 0).unwrap();
                let question = &buffer[..length.min(12 + name + 5)];
                let mut answer = message();
                if question[12 + name + 1..][..2] == A.to_be_bytes()
                    && let Some(address) = addresses.get(next).or(addresses.last())
                {
                    next += 1;
                    answer = answer.answer(record(&owner(&question[12..]), A, &address.octets()));
                }
                socket.send_to(&answer.to(question), peer).unwrap();
            }
        });
        Self { address, asked }
    }

    /// Returns the number of queries so far.
    pub(super) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }

    /// Probes `target` with the module `m` of this configuration.
    pub(super) async fn probe(&self, yaml: &str, target: &str, query: &str) -> ProbeReport {
        let config = Config::parse(yaml, "").unwrap_or_else(|error| panic!("{error}\nin {yaml}"));
        let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let query = format!("module=m&target={target}{query}");
        let request = RawRequest { query: &query, scrape_timeout: Some("2") };
        let request = ProbeRequest::parse(request, &config, 0.5).unwrap();
        probe::run(request, Arc::new(Resolver::of_servers([self.address]))).await
    }
}

/// Decodes a domain name.
fn owner(mut octets: &[u8]) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = octets.split_first().filter(|(length, _)| **length > 0) {
        let (label, rest) = rest.split_at(usize::from(*length));
        text.push_str(&String::from_utf8_lossy(label));
        text.push('.');
        octets = rest;
    }
    text
}

/// Returns the peers that a probe connected to.
pub(super) fn peers(report: &ProbeReport) -> Vec<String> {
    report.hops.iter().filter_map(|hop| hop.address.clone()).collect()
}

/// Returns true if the host has an address of this family on the loopback interface.
pub(super) fn has_loopback(address: IpAddr) -> bool {
    TcpListener::bind((address, 0)).is_ok()
}
