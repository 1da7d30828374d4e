//! ICMP through a router: what it says, and replies that somebody else makes up.

use std::{env, fs, io::Read as _, net::SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Probe, TIMEOUT};

/// We are number 2 on the near link, the router is number 1 on both links, and the far host is
/// number 2 on the far link, which is narrower; there it is number 3 as well.
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

/// The two kinds of sockets; the test runs as root, which is of group 0.
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
fn the_hop_limit_is_the_replys() {
    for target in ["10.77.0.2", "fd77::2"] {
        check(target, "{ttl: 9}", "", &["probe_success 1", "probe_icmp_reply_hop_limit 63"]);
    }
}

#[test]
fn a_router_that_drops_the_request_is_named_at_once() {
    for (target, section, reason, text) in [
        ("10.77.0.2", "{ttl: 1}", "time_exceeded", "10.66.0.1 says: the time to live ran out"),
        ("fd77::2", "{ttl: 1}", "time_exceeded", "fd66::1 says: the time to live ran out"),
        ("10.88.0.1", "{}", "unreachable", "10.66.0.1 says: the network is unreachable"),
        ("fd88::1", "{}", "unreachable", "fd66::1 says: there is no route to the host"),
    ] {
        let failure = format!("probe_failure_info{{reason=\"{reason}\",stage=\"response\"}} 1");
        check(target, section, "", &["probe_success 0", &failure, text]);
    }
}

#[test]
fn a_packet_must_be_fragmented_or_must_not() {
    check("10.77.0.2", "{payload_size: 1450}", "", &["probe_success 1"]);
    check(
        "10.77.0.2",
        "{payload_size: 1450, dont_fragment: true}",
        "",
        &[
            "probe_failure_info{reason=\"message_too_long\",stage=\"response\"} 1",
            "10.66.0.1 says: the packet is too large and must not be fragmented; the path carries 1400",
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
fn the_source_address_is_the_given_one() {
    let second = "ip addr add 10.66.0.9/24 dev near\n\
                  ip -n router route add blackhole 10.66.0.2\n";
    check("10.77.0.2", "{source_ip_address: 10.66.0.9}", second, &["probe_success 1"]);
}

/// Says where the forger is to show that it is ready, and whether the right reply follows.
const FORGER: &str = "PROBE_EXPORTER_TEST_ICMP_FORGER";

#[test]
fn a_reply_from_somebody_else_does_not_count() {
    for (then, timeout, expected) in [
        ("right", TIMEOUT, ["probe_success 1", "Received the reply"]),
        ("nothing", "500ms", ["probe_success 0", "reason=\"timeout\",stage=\"response\""]),
    ] {
        let forger = format!(
            "ip netns exec far sysctl -q net.ipv4.icmp_echo_ignore_all=1\n\
             mkfifo /run/ready\n\
             {FORGER}={then} ip netns exec far \"$0\" --exact icmp::routed::forger >&2 &\n\
             read _ready < /run/ready\n"
        );
        check_within(timeout, "10.77.0.2", "{}", &forger, &expected);
    }
}

/// Not a test by itself: answers an echo request with four wrong replies, and perhaps the right one.
#[test]
fn forger() {
    let Ok(then) = env::var(FORGER) else { return };
    let open = |address: [u8; 4]| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        socket.bind(&SocketAddrV4::new(address.into(), 0).into()).unwrap();
        socket
    };
    let [target, somebody_else] = [open([10, 77, 0, 2]), open([10, 77, 0, 3])];
    fs::write("/run/ready", "ready\n").unwrap();
    loop {
        let mut packet = [0; 2000];
        let length = (&target).read(&mut packet).unwrap();
        let (header, request) = packet[..length].split_at(20);
        if request[0] != ECHO_REQUEST {
            continue;
        }
        let source: [u8; 4] = header[12..16].try_into().unwrap();
        let prober = SocketAddrV4::new(source.into(), 0).into();
        let reply = [&[0], &request[1..]].concat();
        somebody_else.send_to(&with_checksum(&reply), &prober).unwrap();
        for index in [IDENTIFIER, SEQUENCE, reply.len() - 1] {
            let mut wrong = reply.clone();
            wrong[index] ^= 1;
            target.send_to(&with_checksum(&wrong), &prober).unwrap();
        }
        if then == "right" {
            target.send_to(&with_checksum(&reply), &prober).unwrap();
        }
    }
}

const ECHO_REQUEST: u8 = 8;
const IDENTIFIER: usize = 4;
const SEQUENCE: usize = 6;

fn with_checksum(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    message[2..4].fill(0);
    let words = message
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let sum = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
    message[2..4].copy_from_slice(&(!sum).to_be_bytes());
    message
}
