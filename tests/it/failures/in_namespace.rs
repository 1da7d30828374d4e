//! Runs rows in a [`Namespace`], by starting [`inside`] of this binary there.

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use super::{
    formats::{ARGUMENTS, check_with},
    network, routes,
};
use crate::{
    fixtures::dns::{A, message, record},
    harness::request,
    namespace::{NAMES, Namespace},
    running::Running,
};

/// Environment variable with the kind of namespace.
const NAMESPACE: &str = "PROBE_EXPORTER_TEST_FAILURES_NAMESPACE";

/// Runs only when the other tests start it in a namespace.
#[test]
fn inside() {
    let start = |yaml: &str| Running::start(yaml, ARGUMENTS);
    match env::var(NAMESPACE).as_deref() {
        Ok("routed") => {
            names();
            check_with(&network::routed(), start);
            probes_without_ports_are_refused();
        }
        Ok("refusing") => {
            check_with(&routes::refusing(), start);
            probes_without_queue_are_refused();
        }
        Ok("without_ipv6") => check_with(&routes::without_ipv6(), start),
        Ok("powerless") => {
            check_with(&network::powerless(), start);
            missing_icmp_sockets_are_logged();
        }
        _ => {}
    }
}

/// Starts a name server whose behaviour depends on the name.
fn names() {
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = server.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let name = String::from_utf8_lossy(&question[13..]).into_owned();
            let is_ipv4 = question[12..].windows(3).any(|octets| octets == [0, 0, 1]);
            let answer = match name.get(..3) {
                Some("gon") => message().rcode(3),
                Some("bro") => message().rcode(2),
                Some("fou") if is_ipv4 => message().answer(record("four.test", A, &[127, 0, 0, 1])),
                Some("fou") => message(),
                _ => continue,
            };
            server.send_to(&answer.to(question), peer).unwrap();
        }
    });
}

/// Modules for targets that the exporter lacks something to probe.
const MODULES: &str = "
modules:
  tcp: {prober: tcp}
  icmp: {prober: icmp}
  dns: {prober: dns, dns: {query_name: example}}
";

fn probes_without_ports_are_refused() {
    let exporter = Running::start(MODULES, &[]);
    let target = "127.0.0.7:80";
    let address: SocketAddr = target.parse().unwrap();
    let _listener = TcpListener::bind(address).unwrap();
    let connections = std::iter::from_fn(|| TcpStream::connect(address).ok());
    // All local ports are connected to the target.
    let _connections: Vec<_> = connections.collect();
    assert_refused(&exporter, "tcp", target, "all local ports are in use");
}

fn missing_icmp_sockets_are_logged() {
    for (modules, level) in [(MODULES, "WARN"), ("modules: {tcp: {prober: tcp}}", "INFO")] {
        let (_, lines) = Running::start(modules, ARGUMENTS).stop();
        let start = format!("level={level}");
        let parts = [&*start, "msg=ICMP socket=none", "CAP_NET_RAW"];
        let found = lines.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{lines:?}");
    }
}

/// An interface has a queue that takes no packet.
fn probes_without_queue_are_refused() {
    let exporter = Running::start(MODULES, &[]);
    for module in ["icmp", "dns"] {
        assert_refused(&exporter, module, "10.4.0.2", "a queue or a buffer of this host is full");
    }
}

#[track_caller]
fn assert_refused(exporter: &Running, module: &str, target: &str, words: &str) {
    let answer = exporter.probe(module, target);
    let text = answer.text();
    assert_eq!(answer.status, 503, "{text}");
    assert!(text.starts_with("Overloaded: ") && text.contains(words), "{text}");
    let metrics = request(exporter.address, "GET", "/metrics", &[]).metrics();
    let labels = format!("{{cause=\"out_of_resources\",module=\"{module}\"}}");
    let refused = metrics.value(&format!("probe_exporter_probes_refused_total{labels}"));
    assert_eq!(refused, Some(1.0), "{module}");
}

/// Runs [`inside`] in a network that `setup` creates, with these arguments of setpriv. The only
/// name server there is at 127.0.0.1.
#[track_caller]
pub(super) fn in_namespace(kind: &str, setup: &str, rights: &str) {
    let setup = &format!("{setup}{NAMES}");
    Namespace { setup, ping_group_range: "1 0", rights }
        .run("failures::in_namespace::inside", &[(NAMESPACE, kind)]);
}
