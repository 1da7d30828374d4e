//! The permissions that an ICMP probe needs.

use super::{Probe, TIMEOUT};

const NOBODY: &str =
    "--reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --ambient-caps=-all";

#[track_caller]
fn check(ping_group_range: &str, rights: &str, expected: &[&str]) {
    for target in ["127.0.0.1", "::1"] {
        let probe =
            Probe { target, timeout: TIMEOUT, section: "{}", setup: "", ping_group_range, rights };
        probe.check(expected);
    }
}

#[test]
fn a_user_inside_the_ping_group_range_probes_unprivileged() {
    let expected = ["probe_success 1", "socket=unprivileged", "probe_icmp_reply_hop_limit 64"];
    check("65534 65534", NOBODY, &expected);
}

#[test]
fn a_user_with_the_capability_alone_probes_raw() {
    let expected = ["probe_success 1", "socket=raw", "probe_icmp_reply_hop_limit 64"];
    check("1 0", &NOBODY.replace("-all", "-all,+net_raw"), &expected);
}

#[test]
fn root_probes_raw() {
    check("1 0", "", &["probe_success 1", "socket=raw", "probe_icmp_reply_hop_limit 64"]);
}

#[test]
fn a_user_without_either_gets_an_error_that_names_both() {
    check(
        "1 0",
        NOBODY,
        &[
            "probe_success 0",
            "probe_failure_info{reason=\"permission_denied\",stage=\"connect\"} 1",
            "net.ipv4.ping_group_range, which is \\\"1 0\\\"",
            "the group 65534",
            "CAP_NET_RAW",
            // The address is exported, too.
            "probe_ip_addr_hash",
            "probe_icmp_duration_seconds{phase=\"rtt\"} 0",
        ],
    );
}
