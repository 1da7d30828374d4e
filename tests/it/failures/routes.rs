//! Failures that this host itself reports: routes and rules, addresses that are not host
//! addresses, and unusable source addresses.

use probe_exporter::diagnostics::{Reason, Stage};

use super::{
    in_namespace::in_namespace,
    row::{Row, module, row},
};

/// Routes and rules of every rejecting type, for IPv4 and IPv6.
const REFUSING: &str = r"
    mount -t tmpfs none /run
    ip addr add 10.0.0.1/24 dev lo
    ip link add near type veth peer name far
    sysctl -q net.ipv6.conf.near.accept_dad=0 net.ipv6.conf.far.accept_dad=0
    ip addr add 10.1.0.1/24 dev near
    ip addr add fe80::1/64 dev near nodad
    ip addr add fd01::1/64 dev near nodad
    ip addr add fe80::2/64 dev far nodad
    ip link set near up
    ip link set far up
    for number in 1 2 3 4; do
        set -- blackhole prohibit unreachable throw
        shift $((number - 1))
        ip route add $1 10.2$number.0.0/24
        ip -6 route add $1 fd2$number::/64
    done
    for number in 1 2 3; do
        set -- blackhole prohibit unreachable
        shift $((number - 1))
        ip rule add to 10.3$number.0.0/24 $1
        ip -6 rule add to fd3$number::/64 $1
    done
    ip link add full type veth peer name sink
    ip addr add 10.4.0.1/24 dev full
    ip link set full up
    ip link set sink up
    ip neigh add 10.4.0.2 lladdr 02:00:00:00:00:02 dev full
    tc qdisc add dev full root pfifo limit 0
";

#[test]
fn rejecting_routes_and_addresses_are_reported() {
    in_namespace("refusing", REFUSING, "");
}

/// The most common way to disable IPv6, with which IPv6 sockets still exist.
const WITHOUT_IPV6: &str = r"
    mount -t tmpfs none /run
    sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1
";

#[test]
fn missing_ipv6_is_reported() {
    in_namespace("without_ipv6", WITHOUT_IPV6, "");
}

const UNREACHABLE: (Stage, Reason) = (Stage::Connect, Reason::Unreachable);
const INVALID_TARGET: (Stage, Reason) = (Stage::Connect, Reason::InvalidTarget);
const INVALID_REQUEST: (Stage, Reason) = (Stage::Connect, Reason::InvalidRequest);

pub(super) fn rows() -> Vec<Row> {
    let mut rows = refusing();
    rows.extend(without_ipv6());
    rows
}

pub(super) fn without_ipv6() -> Vec<Row> {
    let route = "\"ip route get ::1\"";
    vec![
        row("tcp without IPv6", module("tcp", ""), "[::1]:80", UNREACHABLE, route),
        row("icmp without IPv6", module("icmp", ""), "::1", UNREACHABLE, route),
        row("dns without IPv6", module("dns", "query_name: example"), "::1", UNREACHABLE, route),
    ]
}

pub(super) fn refusing() -> Vec<Row> {
    let mut rows = routes();
    rows.extend(addresses());
    rows.extend(sources());
    rows
}

fn routes() -> Vec<Row> {
    let (tcp, icmp) = (|| module("tcp", ""), || module("icmp", ""));
    let dns = || module("dns", "query_name: example");
    let unreachable = |what, module, target, words| row(what, module, target, UNREACHABLE, words);
    vec![
        unreachable("a blackhole to tcp", tcp(), "10.21.0.1:80", "of type blackhole"),
        unreachable("a blackhole to icmp", icmp(), "10.21.0.1", "\"ip route get 10.21.0.1\""),
        unreachable("a blackhole to dns", dns(), "10.21.0.1", "of type blackhole"),
        unreachable("a blackhole to http", module("http", ""), "10.21.0.1", "of type blackhole"),
        unreachable("a blackhole of IPv6", tcp(), "[fd21::1]:80", "\"ip route get fd21::1\""),
        unreachable("a prohibited tcp", tcp(), "10.22.0.1:80", "of type prohibit"),
        unreachable("a prohibited icmp", icmp(), "10.22.0.1", "of type prohibit"),
        unreachable("a prohibited dns", dns(), "10.22.0.1", "of type prohibit"),
        unreachable("a prohibited icmp of IPv6", icmp(), "fd22::1", "of type prohibit"),
        unreachable("an unreachable route", tcp(), "10.23.0.1:80", "of type unreachable"),
        unreachable("an unreachable route of IPv6", icmp(), "fd23::1", "of type unreachable"),
        unreachable("a thrown route", tcp(), "10.24.0.1:80", "this host has no route to it"),
        unreachable("a thrown route of IPv6", dns(), "fd24::1", "this host has no route to it"),
        unreachable("a rule that drops", icmp(), "10.31.0.1", "of type blackhole"),
        unreachable("a rule that prohibits", tcp(), "10.32.0.1:80", "of type prohibit"),
        unreachable("a rule that prohibits IPv6", tcp(), "[fd32::1]:80", "of type prohibit"),
        unreachable("a rule of no way", dns(), "10.33.0.1", "this host has no route to it"),
        unreachable("no route at all", tcp(), "172.16.0.1:80", "this host has no route to it"),
        #[cfg(feature = "http3")]
        unreachable(
            "a blackhole to QUIC",
            module("http", "enable_http2: false, enable_http3: true"),
            "https://10.21.0.1/",
            "of type blackhole",
        ),
    ]
}

fn addresses() -> Vec<Row> {
    let (tcp, icmp) = (|| module("tcp", ""), || module("icmp", ""));
    let invalid = |what, module, target, words| row(what, module, target, INVALID_TARGET, words);
    vec![
        invalid("tcp to everybody", tcp(), "255.255.255.255:80", "broadcast address"),
        invalid("tcp to a network", tcp(), "10.1.0.255:80", "broadcast address of a network"),
        invalid("icmp to a network", icmp(), "10.1.0.255", "broadcast address of a network"),
        invalid("tcp to a group", tcp(), "224.0.0.9:80", "multicast address"),
        invalid("tcp to a group of IPv6", tcp(), "[ff05::2]:80", "multicast address"),
        invalid("no interface", icmp(), "fe80::2", "for example fe80::2%eth0"),
        invalid("an interface that is gone", icmp(), "fe80::2%99", "no interface with the index"),
        invalid("tcp by a gone interface", tcp(), "[fe80::2%99]:80", "no interface with the index"),
    ]
}

fn sources() -> Vec<Row> {
    let from = |prober, source| module(prober, &format!("source_ip_address: '{source}'"));
    let named =
        |source| module("dns", &format!("query_name: example, source_ip_address: '{source}'"));
    let invalid = |what, module, target, words| row(what, module, target, INVALID_REQUEST, words);
    let foreign = "not an address of this host";
    vec![
        invalid("a foreign source of icmp", from("icmp", "192.0.2.1"), "10.1.0.1", foreign),
        invalid("a foreign source of dns", named("2001:db8::1"), "fd01::1", foreign),
        invalid("a group as source", from("tcp", "224.0.0.5"), "10.1.0.1:80", "multicast address"),
        invalid("a group as source of IPv6", from("icmp", "ff02::1"), "fd01::1", "multicast"),
        invalid("everybody as source", named("255.255.255.255"), "10.1.0.1", "broadcast address"),
        invalid("a source of the other family", from("tcp", "::1"), "10.1.0.1:80", "is IPv6"),
        invalid("a source of one link", from("icmp", "fe80::1"), "fd01::1", "is link-local"),
        invalid(
            "a source of one link for tcp",
            from("tcp", "fe80::1"),
            "[fd01::1]:80",
            "fe80::2%eth0",
        ),
        row(
            "a source of the target's link",
            from("tcp", "fe80::1"),
            "[fe80::2%near]:80",
            (Stage::Connect, Reason::Refused),
            "refused",
        ),
    ]
}
