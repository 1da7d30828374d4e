//! Hostile DNS servers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{net::UdpSocket, task::JoinHandle};

use super::{Attack, Target, withstand};
use crate::fixtures::{
    dns::{DnsServer, RunningDnsServer, dns, message},
    hostile::{
        RUNTIME,
        Then::{Close, Drip, Repeat, Reset, Wait},
        greeting,
    },
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r"
modules:
  udp: {prober: dns, timeout: 2s, dns: {query_name: example}}
  patient_udp: {prober: dns, timeout: 60s, dns: {query_name: example}}
  tcp: {prober: dns, timeout: 2s, dns: {query_name: example, transport_protocol: tcp}}
  patient_tcp: {prober: dns, timeout: 60s, dns: {query_name: example, transport_protocol: tcp}}
";

impl Target for RunningDnsServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn requests(&self) -> usize {
        self.questions().len()
    }
}

/// A server that answers one query repeatedly with every message ID except the right one.
struct Flood {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Flood {
    fn start() -> Self {
        let socket = RUNTIME.block_on(UdpSocket::bind("127.0.0.1:0")).unwrap();
        let address = socket.local_addr().unwrap();
        let questions = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&questions);
        let task = RUNTIME.spawn(async move {
            let mut question = [0; 512];
            let (length, client) = socket.recv_from(&mut question).await.unwrap();
            asked.fetch_add(1, Ordering::Relaxed);
            let question = &mut question[..length];
            for identifier in (0..=u16::MAX).cycle() {
                if question[..2] != identifier.to_be_bytes() {
                    let answer = [&identifier.to_be_bytes(), &question[2..]].concat();
                    // The client may have closed its socket.
                    socket.send_to(&answer, client).await.ok();
                }
                if identifier % 64 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        });
        Self { address, questions, task }
    }
}

impl Target for Flood {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn requests(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn attack(
    name: &'static str,
    module: &'static str,
    reason: &'static str,
    requests: usize,
    target: impl Target + 'static,
) -> Attack {
    Attack { name, module, target: Box::new(target), scheme: "", reason, requests }
}

fn serving(server: DnsServer) -> RunningDnsServer {
    RUNTIME.block_on(server.start())
}

/// Returns a message with these counts, and these octets after its header.
fn octets(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
    let counts: Vec<u8> = counts.iter().flat_map(|count| [0, *count]).collect();
    [&[0x81, 0x80], counts.as_slice(), rest].concat()
}

#[test]
fn malformed_responses_are_rejected() {
    let own_end = octets([1, 1, 0, 0], b"\xc0\x0c\x00\x01\x00\x01");
    let circle = octets([1, 1, 0, 0], b"\x01a\xc0\x10\x01b\xc0\x0c\x00\x01\x00\x01");
    let labels = octets([0, 1, 0, 0], &[0x3f; 400]);
    let records = octets([0, 255, 0, 0], b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\xff\xff");
    let garbage = [
        ("noise", vec![0xa5; 300]),
        ("nothing but an identifier", Vec::new()),
        ("half a header", vec![0x81, 0x80, 0]),
        ("a name that is its own end", own_end),
        ("names in a circle", circle),
        ("a name without end", labels),
        ("a record longer than the message", records),
    ];
    let attacks: Vec<_> = garbage
        .into_iter()
        .flat_map(|(name, octets)| {
            ["patient_udp", "patient_tcp"]
                .map(|module| attack(name, module, "protocol", 1, serving(dns().garbage(&octets))))
        })
        .collect();
    withstand(MODULES, 16, &attacks);
}

#[test]
fn endless_servers_are_cut_off() {
    let announced = greeting(b"\xff\xff", Drip(vec![0]));
    let attacks = [
        attack("no answer", "udp", "timeout", 1, serving(dns())),
        attack("no answer", "tcp", "timeout", 1, serving(dns())),
        attack("other identifiers", "udp", "timeout", 1, Flood::start()),
        attack(
            "another source",
            "udp",
            "timeout",
            1,
            serving(dns().other_source().reply(message())),
        ),
        attack("a slow answer", "tcp", "timeout", 0, announced),
        attack("half a length", "tcp", "timeout", 0, greeting(b"\xff", Wait)),
        attack("half an answer", "patient_tcp", "closed", 1, serving(dns().half())),
        attack(
            "an answer without end",
            "patient_tcp",
            "protocol",
            0,
            greeting("", Repeat(vec![0xff])),
        ),
        attack("a close", "patient_tcp", "closed", 0, greeting("", Close)),
        attack("a reset", "patient_tcp", "reset", 0, greeting("", Reset)),
    ];
    withstand(MODULES, 16, &attacks);
}
