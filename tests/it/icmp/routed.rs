//! ICMP through a router: its errors, and forged replies.

use super::{Probe, TIMEOUT, forger::forging};

/// This host is number 2 on the near link, the router number 1 on both links, and the far host
/// numbers 2 and 3 on the far link, which has a smaller MTU.
pub(crate) const NETWORK: &str = r"
    mount -t tmpfs none /run
    ip netns add router
    ip netns add far
    ip link add near type veth peer name near netns router
    ip -n router link add far type veth peer name far netns far
    for place in router far; do
        ip netns exec $place sysctl -q net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
        ip -n $place link set lo up
    done
    sysctl -q net.ipv6.conf.near.accept_dad=0
    ip netns exec router sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
        net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
    ip addr add 10.66.0.2/24 dev near
    ip addr add fd66::2/64 dev near nodad
    ip link set near up
    ip -n router addr add 10.66.0.1/24 dev near
    ip -n router addr add fd66::1/64 dev near nodad
    ip -n router link set near up
    ip -n router addr add 10.77.0.1/24 dev far
    ip -n router addr add fd77::1/64 dev far nodad
    ip -n router link set far up mtu 1400
    ip -n far addr add 10.77.0.2/24 dev far
    ip -n far addr add 10.77.0.3/24 dev far
    ip -n far addr add fd77::2/64 dev far nodad
    ip -n far link set far up mtu 1400
    ip route add default via 10.66.0.1
    ip route add default via fd66::1
    ip -n far route add default via 10.77.0.1
    ip -n far route add default via fd77::1
";

/// The two kinds of sockets; the test runs as root, which is in group 0.
const BOTH_KINDS: [(&str, &str); 2] = [("0 0", "socket=unprivileged"), ("1 0", "socket=raw")];

#[track_caller]
fn check(target: &str, section: &str, more_setup: &str, expected: &[&str]) {
    check_within(TIMEOUT, target, section, more_setup, expected);
}

#[track_caller]
fn check_within(timeout: &str, target: &str, section: &str, more_setup: &str, expected: &[&str]) {
    let setup = &format!("{NETWORK}{more_setup}");
    for (ping_group_range, kind) in BOTH_KINDS {
        let expected = [expected, &[kind]].concat();
        let rights = "";
        Probe { target, timeout, section, setup, ping_group_range, rights }.check(&expected);
    }
}

#[test]
fn the_hop_limit_of_the_reply_is_exported() {
    for target in ["10.77.0.2", "fd77::2"] {
        check(target, "{ttl: 9}", "", &["probe_success 1", "probe_icmp_reply_hop_limit 63"]);
    }
}

#[test]
fn a_router_that_drops_the_request_is_named_immediately() {
    for (target, section, reason, text) in [
        (
            "10.77.0.2",
            "{ttl: 1}",
            "time_exceeded",
            "10.66.0.1 reports: the TTL or hop limit was exceeded",
        ),
        (
            "fd77::2",
            "{ttl: 1}",
            "time_exceeded",
            "fd66::1 reports: the TTL or hop limit was exceeded",
        ),
        ("10.88.0.1", "{}", "unreachable", "10.66.0.1 reports: the network is unreachable"),
        ("fd88::1", "{}", "unreachable", "fd66::1 reports: there is no route to the host"),
    ] {
        let failure = format!("probe_failure_info{{reason=\"{reason}\",stage=\"response\"}} 1");
        check(target, section, "", &["probe_success 0", &failure, text]);
    }
}

#[test]
fn dont_fragment_applies_to_large_packets() {
    check("10.77.0.2", "{payload_size: 1450}", "", &["probe_success 1"]);
    check(
        "10.77.0.2",
        "{payload_size: 1450, dont_fragment: true}",
        "",
        &[
            "probe_failure_info{reason=\"message_too_long\",stage=\"response\"} 1",
            "10.66.0.1 reports: the packet is too large and must not be fragmented; the path MTU \
             is 1400",
        ],
    );
    check(
        "10.77.0.2",
        "{payload_size: 1473, dont_fragment: true}",
        "",
        &["probe_failure_info{reason=\"message_too_long\",stage=\"request\"} 1"],
    );
}

#[test]
fn the_configured_source_address_is_used() {
    let second = "ip addr add 10.66.0.9/24 dev near\n\
                  ip -n router route add blackhole 10.66.0.2\n";
    check("10.77.0.2", "{source_ip_address: 10.66.0.9}", second, &["probe_success 1"]);
}

#[test]
fn a_reply_from_another_host_is_ignored() {
    for (then, timeout, expected) in [
        ("right", TIMEOUT, ["probe_success 1", "Received the reply"]),
        ("nothing", "2s", ["probe_success 0", "reason=\"timeout\",stage=\"response\""]),
    ] {
        check_within(timeout, "10.77.0.2", "{}", &forging(then), &expected);
    }
}

#[test]
fn an_icmp_message_without_a_lost_packet_is_ignored() {
    let reply = ["probe_success 1", "Received the reply"];
    for target in ["10.77.0.2", "fd77::2"] {
        check(target, "{}", &forging("notices"), &reply);
    }
    let silence = ["probe_success 0", "reason=\"timeout\",stage=\"response\""];
    check_within("2s", "10.77.0.2", "{}", &forging("redirect"), &silence);
}

#[test]
fn an_icmp_error_ends_the_probe() {
    for (target, message, reason, text) in [
        (
            "10.77.0.2",
            "3-3",
            "unreachable",
            "10.77.0.2 reports: the port is unreachable; a firewall",
        ),
        (
            "10.77.0.2",
            "3-13",
            "unreachable",
            "10.77.0.2 reports: communication is administratively prohibited",
        ),
        ("10.77.0.2", "12-0", "unreachable", "10.77.0.2 reports: a header of the packet"),
        (
            "fd77::2",
            "1-1",
            "unreachable",
            "fd77::2 reports: communication is administratively prohibited",
        ),
        (
            "fd77::2",
            "3-1",
            "time_exceeded",
            "fd77::2 reports: the fragment reassembly time was exceeded",
        ),
        ("fd77::2", "4-1", "unreachable", "fd77::2 reports: a header of the packet"),
    ] {
        let failure = format!("probe_failure_info{{reason=\"{reason}\",stage=\"response\"}} 1");
        check(target, "{}", &forging(message), &["probe_success 0", &failure, text]);
    }
}
