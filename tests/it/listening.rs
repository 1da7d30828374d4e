//! `--web.listen-address`: the address families of a listener, on hosts with and without IPv6.
//!
//! A test starts [`inside`] of this binary in a [`Namespace`].

use std::{
    env,
    net::{SocketAddr, TcpStream},
};

use probe_exporter::app::ListenAddress;

use crate::namespace::Namespace;

/// Environment variable with the kind of host.
const HOST: &str = "PROBE_EXPORTER_TEST_LISTENING_HOST";

/// (address, accepts over IPv4, accepts over IPv6), the same as in upstream.
const ADDRESSES: [(&str, bool, bool); 13] = [
    (":0", true, true),
    ("0.0.0.0:0", true, true),
    ("[::]:0", true, true),
    ("[]:0", true, true),
    ("[0.0.0.0]:0", true, true),
    ("[::ffff:0.0.0.0]:0", true, true),
    (":http", true, true),
    (":", true, true),
    ("127.0.0.1:0", true, false),
    ("[::ffff:127.0.0.1]:0", true, false),
    ("localhost:0", true, false),
    ("[::1]:0", false, true),
    ("[::1%lo]:0", false, true),
];

#[test]
fn every_address_listens_on_the_same_families_as_blackbox_exporter() {
    on_a_host("usual", "");
}

#[test]
fn the_system_default_for_ipv6_sockets_has_no_effect() {
    on_a_host("usual", "sysctl -q net.ipv6.bindv6only=1");
}

#[test]
fn a_host_without_ipv6_is_reached_over_ipv4() {
    let off = "sysctl -q net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1";
    on_a_host("without IPv6", off);
}

#[track_caller]
fn on_a_host(host: &str, setup: &str) {
    // The hosts file of the machine must not matter; the order of families is that of Go.
    let setup = &format!(
        "{setup}\n\
         hosts=$(readlink -m /etc/hosts)\n\
         mount -t tmpfs none /run\n\
         printf '::1 localhost\\n127.0.0.1 localhost\\n' > /run/hosts\n\
         mount --bind /run/hosts \"$hosts\"\n"
    );
    Namespace { setup, ping_group_range: "1 0", rights: "" }
        .run("listening::inside", &[(HOST, host)]);
}

/// Runs only when the other tests start it in a namespace.
#[test]
fn inside() {
    let Ok(host) = env::var(HOST) else { return };
    let has_ipv6 = host == "usual";
    for (address, over_v4, over_v6) in ADDRESSES {
        let listener = address.parse::<ListenAddress>().unwrap().bind();
        if !over_v4 && !has_ipv6 {
            assert!(listener.is_err(), "{address} on a host {host}");
            continue;
        }
        let listener =
            listener.unwrap_or_else(|error| panic!("{address} on a host {host}: {error}"));
        let port = listener.local_addr().unwrap().port();
        let takes = |ip: &str| {
            let place = SocketAddr::new(ip.parse().unwrap(), port);
            TcpStream::connect(place).is_ok()
        };
        assert_eq!(takes("127.0.0.1"), over_v4, "{address} over IPv4 on a host {host}");
        assert_eq!(takes("::1"), over_v6 && has_ipv6, "{address} over IPv6 on a host {host}");
    }
    // As in upstream, one listener serves both families.
    let first = "0.0.0.0:9115".parse::<ListenAddress>().unwrap().bind().unwrap();
    assert!("[::]:9115".parse::<ListenAddress>().unwrap().bind().is_err());
    drop(first);
}
