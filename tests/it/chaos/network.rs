//! Resolvers, interfaces and local ports, in a network namespace.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    net::{TcpListener, UdpSocket},
    os::fd::AsFd as _,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Healthy, MODULES, Outcome, at_once, scrape};
use crate::{
    fixtures::dns::{A, message, record},
    harness::{eventually, probe_path, request},
    namespace::{NAMES, Namespace},
    running::Running,
};

/// Environment variable that is set in the namespace.
const INSIDE: &str = "PROBE_EXPORTER_TEST_CHAOS";

/// The peer is at the other end of an interface.
const PEER: &str = r"
    mount -t tmpfs none /run
    ip netns add peer
    ip link add near type veth peer name far netns peer
    ip addr add 10.66.0.2/24 dev near
    ip link set near up
    ip -n peer addr add 10.66.0.1/24 dev far
    ip -n peer link set far up
";

#[test]
fn trouble_with_the_network_is_told_from_trouble_with_the_target() {
    let setup = &format!("{PEER}{NAMES}echo 'options timeout:1 attempts:3' >> /run/names\n");
    let range = "0 2147483647";
    Namespace { setup, ping_group_range: range, rights: "" }
        .run("chaos::network::inside", &[(INSIDE, "1")]);
}

/// Runs only when the test above starts it in a namespace.
#[test]
fn inside() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let exporter = Running::start(MODULES, &[]);
    resolvers(&exporter);
    interfaces(&exporter);
    ports(&exporter);
}

fn expect(exporter: &Running, (module, target): &(&str, String), expected: &str) {
    let path = format!("{}&debug=true", probe_path(module, target));
    let text = request(exporter.address, "GET", &path, &[]).text();
    assert!(text.contains(expected), "no {expected:?}: {module} {target}: {text}");
}

/// A name server that is dead, silent, slow, and that ignores each second query.
fn resolvers(exporter: &Running) {
    let healthy = Healthy::start(Duration::ZERO);
    let by_name = |module| (module, format!("host.example:{}", healthy.tcp.address.port()));
    expect(exporter, &by_name("tcp"), "reason=\"resolver_failure\",stage=\"resolve\"");
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    expect(exporter, &by_name("short"), "reason=\"timeout\",stage=\"resolve\"");
    let (count, flapping) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
    let is_flapping = Arc::clone(&flapping);
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if is_flapping.load(SeqCst) && count.fetch_add(1, SeqCst).is_multiple_of(2) {
                continue;
            }
            thread::sleep(Duration::from_millis(100));
            let question = &buffer[..length];
            let is_ipv4 = question[12..].windows(3).any(|octets| octets == [0, 0, 1]);
            let answer = message();
            let address = || record("host.example", A, &[127, 0, 0, 1]);
            let answer = if is_ipv4 { answer.answer(address()) } else { answer };
            socket.send_to(&answer.to(question), peer).unwrap();
        }
    });
    expect(exporter, &by_name("tcp"), "probe_success 1");
    flapping.store(true, SeqCst);
    for _ in 0..3 {
        expect(exporter, &by_name("tcp"), "probe_success 1");
    }
}

/// An interface goes down and comes up again.
fn interfaces(exporter: &Running) {
    thread::spawn(|| {
        let peer = File::open("/run/netns/peer").unwrap();
        move_into_link_name_space(peer.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let listener = TcpListener::bind("10.66.0.1:80").unwrap();
        for stream in listener.incoming() {
            stream.unwrap().write_all(b"hello\r\n").unwrap();
        }
    });
    let probes = [("tcp", "10.66.0.1:80".to_owned()), ("icmp", "10.66.0.1".to_owned())];
    let is_up = |probe: &(&str, String)| {
        exporter.probe(probe.0, &probe.1).text().contains("\nprobe_success 1\n")
    };
    for _ in 0..2 {
        for probe in &probes {
            eventually("the peer is reached", || is_up(probe));
        }
        ip("link set near down");
        for probe in &probes {
            expect(exporter, probe, "this host has no route to it");
        }
        ip("link set near up");
    }
}

/// There is one local port for all connections.
fn ports(exporter: &Running) {
    let (address, healthy) = (exporter.address, Healthy::start(Duration::from_millis(20)));
    // Like this test, fixtures need ports.
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40000").unwrap();
    let probes = healthy.probes();
    for port in 20_000..20_030 {
        let probe = &probes[usize::from(port) % probes.len()];
        let outcome = scrape(address, port, probe);
        assert_ne!(outcome, Outcome::Closed);
    }
    let all = at_once(30, |number| {
        let probe = &probes[usize::from(number) % probes.len()];
        scrape(address, 20_100 + number, probe)
    });
    assert!(all.contains(&Outcome::Refused), "{all:?}");
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "32768 60999").unwrap();
    for probe in &probes {
        expect(exporter, probe, "probe_success 1");
    }
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
}
