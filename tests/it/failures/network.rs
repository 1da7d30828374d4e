//! Failures that need a network namespace: names, routers, permissions and exhausted ports.

use std::os::unix::net::UnixListener;

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    in_namespace::in_namespace,
    row::{Row, module, row, served},
};
use crate::icmp::NETWORK;

/// The name server is at 127.0.0.1, and this host has few ports. It has many addresses, because a
/// router limits the rate of ICMP errors to each, whatever is configured.
const ROUTED: &str = r#"
    for number in 11 12 13 14 15; do
        ip addr add 10.66.0.$number/24 dev near
    done
    ip -n router route add blackhole 10.98.0.0/24
    ip -n router route add prohibit 10.99.0.0/24
    sysctl -q net.ipv4.ip_local_port_range="40000 40099"
"#;

#[test]
fn unresolvable_names_and_unreachable_networks_are_reported() {
    in_namespace("routed", &format!("{NETWORK}{ROUTED}"), "");
}

#[test]
fn missing_permissions_are_reported() {
    let nobody = "--reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --ambient-caps=-all";
    in_namespace("powerless", "mount -t tmpfs none /run", nobody);
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = routed();
    rows.extend(powerless());
    rows
}

pub(super) fn routed() -> Vec<Row> {
    let mut rows = names_that_lead_nowhere();
    rows.extend(connections());
    rows.extend(echoes());
    rows
}

fn names_that_lead_nowhere() -> Vec<Row> {
    let tcp = || module("tcp", "");
    let only_six = "preferred_ip_protocol: ip6, ip_protocol_fallback: false";
    vec![
        row(
            "no such name",
            tcp(),
            "gone.test:80",
            (Stage::Resolve, Reason::NoSuchName),
            "lookup gone.test on 127.0.0.1:53: no such host",
        ),
        row(
            "a resolver that fails",
            tcp(),
            "broken.test:80",
            (Stage::Resolve, Reason::ResolverFailure),
            "lookup broken.test on 127.0.0.1:53: the server returned SERVFAIL",
        ),
        row(
            "a resolver that keeps silent",
            module("http", ""),
            "http://silent.test/",
            (Stage::Resolve, Reason::Timeout),
            "lookup silent.test on 127.0.0.1:53: no response for ",
        )
        .soon(),
        row(
            "a name of the other family",
            module("tcp", only_six),
            "four.test:80",
            (Stage::Resolve, Reason::NoSuitableAddress),
            "four.test",
        ),
        row(
            "no such name of a proxy",
            module("http", "proxy_url: 'http://gone.test:3128'"),
            "http://127.0.0.1/",
            (Stage::Proxy, Reason::NoSuchName),
            "gone.test",
        ),
    ]
}

fn connections() -> Vec<Row> {
    let tcp = || module("tcp", "");
    let (connect, unreachable) = (Stage::Connect, Reason::Unreachable);
    vec![
        row(
            "no route of a router",
            module("tcp", "source_ip_address: 10.66.0.11"),
            "10.88.0.1:80",
            (connect, unreachable),
            "connecting to 10.88.0.1:80: 10.66.0.1 reports: the network is unreachable",
        ),
        row(
            "no route to a web server",
            module("http", ""),
            "http://10.88.0.1/",
            (connect, unreachable),
            "10.66.0.1 reports: the network is unreachable",
        ),
        row(
            "a router that prohibits a connection",
            module("tcp", "source_ip_address: 10.66.0.15"),
            "10.99.0.1:80",
            (connect, unreachable),
            "10.66.0.1 reports: communication is administratively prohibited",
        ),
        row(
            "nothing but silence to a connection",
            tcp(),
            "10.98.0.1:80",
            (connect, Reason::Timeout),
            "no TCP handshake with 10.98.0.1:80: SYN sent, no response (waited ",
        )
        .soon(),
        row(
            "nothing but silence to a request",
            module("http", ""),
            "http://10.98.0.1/",
            (connect, Reason::Timeout),
            "no TCP handshake with 10.98.0.1:80",
        )
        .soon(),
        row(
            "no route to a name server",
            module("dns", "query_name: example, source_ip_address: 10.66.0.12"),
            "10.88.0.1",
            (Stage::Response, unreachable),
            "10.66.0.1 reports: the network is unreachable",
        ),
    ]
}

fn echoes() -> Vec<Row> {
    let icmp = |keys: &str| module("icmp", keys);
    let large = "payload_size: 1450, dont_fragment: true";
    let (response, unreachable) = (Stage::Response, Reason::Unreachable);
    vec![
        row(
            "an echo that comes from nowhere",
            icmp(""),
            "10.98.0.1",
            (response, Reason::Timeout),
            "no echo reply from 10.98.0.1 (waited ",
        )
        .soon(),
        row(
            "no route of an echo",
            icmp("source_ip_address: 10.66.0.13"),
            "10.88.0.1",
            (response, unreachable),
            "10.66.0.1 reports: the network is unreachable",
        ),
        row(
            "a router that prohibits",
            icmp("source_ip_address: 10.66.0.14"),
            "10.99.0.1",
            (response, unreachable),
            "10.66.0.1 reports: communication is administratively prohibited",
        ),
        row(
            "a short life",
            icmp("ttl: 1"),
            "10.77.0.2",
            (response, Reason::TimeExceeded),
            "10.66.0.1 reports: the TTL or hop limit was exceeded",
        ),
        row(
            "a short life in IPv6",
            icmp("ttl: 1"),
            "fd77::2",
            (response, Reason::TimeExceeded),
            "fd66::1 reports: the TTL or hop limit was exceeded",
        ),
        row(
            "a packet that the path does not carry",
            icmp(large),
            "10.77.0.2",
            (response, Reason::MessageTooLong),
            "the path MTU is 1400",
        ),
        row(
            "a packet that the link does not carry",
            icmp("payload_size: 1473, dont_fragment: true"),
            "10.77.0.2",
            (Stage::Request, Reason::MessageTooLong),
            "too long",
        ),
    ]
}

pub(super) fn powerless() -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut nothing = std::fs::metadata(&path).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut nothing, 0);
    std::fs::set_permissions(&path, nothing).unwrap();
    let denied = (Stage::Connect, Reason::PermissionDenied);
    vec![
        row("no right to an echo", module("icmp", ""), "127.0.0.1", denied, "CAP_NET_RAW"),
        row(
            "no right to a socket",
            module("unix", ""),
            served(path.display(), (listener, folder)),
            denied,
            "write permission on the socket",
        ),
        row(
            "a resolver that is not there",
            module("tcp", ""),
            "name.test:80",
            (Stage::Resolve, Reason::ResolverFailure),
            "lookup name.test on 127.0.0.1:53: connection refused",
        ),
    ]
}
