//! The socket of a probe, with the filter and the options of the module.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
};

use socket_timestamps::icmp::{Access, open_socket, receive_only_identifier};
use socket2::Socket;

use crate::{
    diagnostics::{Call, Failure, Reason, Stage},
    net::{
        connect::{self, SocketOptions},
        wire::{IpVersion, SocketKind, WireDatagram},
    },
    probers::icmp::IcmpProber,
};

/// A socket that is connected to the target.
#[derive(Debug)]
pub(super) struct IcmpSocket {
    pub(super) datagrams: WireDatagram,
    pub(super) access: Access,
}

impl IcmpSocket {
    /// Opens a socket to `address` with the options of the module. If the socket is raw,
    /// `identifier` is the identifier of the requests.
    #[expect(clippy::disallowed_methods, reason = "the caller has checked the policy")]
    pub(super) fn open(
        prober: &IcmpProber,
        address: SocketAddr,
        version: IpVersion,
        identifier: u16,
    ) -> Result<Self, Failure> {
        let (socket, access) = open_socket(address).map_err(|error| not_opened(address, &error))?;
        let setting_up = |error: io::Error| {
            let doing = format!("setting up a socket to {}", address.ip());
            Failure::system(Call::SetUp, Stage::Connect, &doing, &error)
        };
        if access == Access::Raw {
            receive_only_identifier(&socket, version, identifier).map_err(setting_up)?;
        }
        SocketOptions::from_address(prober.source_ip_address).bind(&socket, address)?;
        set_options(&socket, prober, version).map_err(setting_up)?;
        // The kernel then looks up the route now, and delivers only packets of the target.
        socket.connect(&address.into()).map_err(|error| {
            let doing = format!("looking up a route to {}", address.ip());
            connect::failure(Call::Connect, address, &doing, &error)
        })?;
        let datagrams = WireDatagram::new(socket, SocketKind::Icmp).map_err(setting_up)?;
        // Optional: without them, only the reply ends the wait.
        drop(datagrams.receive_errors_and_hop_limits(version));
        if access == Access::Raw {
            drop(datagrams.receive_only_echo_replies(version));
        }
        Ok(Self { datagrams, access })
    }
}

fn set_options(socket: &Socket, prober: &IcmpProber, version: IpVersion) -> io::Result<()> {
    match (version, prober.ttl) {
        (IpVersion::V4, Some(ttl)) => socket.set_ttl_v4(ttl.into())?,
        (IpVersion::V6, Some(ttl)) => socket.set_unicast_hops_v6(ttl.into())?,
        (_, None) => {}
    }
    // Upstream ignores the key with IPv6, whose routers never fragment.
    if version == IpVersion::V4 {
        set_dont_fragment(socket, prober.dont_fragment)?;
    }
    Ok(())
}

/// Sets or clears the bit "don't fragment" of all packets. The known path MTU is ignored.
///
/// Unlike upstream, this needs no raw socket, and without the key routers may fragment the packet. By
/// default Linux sets the bit to discover the path MTU, and the first request is lost.
#[cfg(target_os = "linux")]
fn set_dont_fragment(socket: &Socket, set: bool) -> io::Result<()> {
    use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
    let discovery = if set { Ipv4PathMtuDiscovery::PROBE } else { Ipv4PathMtuDiscovery::DONT };
    Ok(set_ip_mtu_discover(socket, discovery)?)
}

#[cfg(not(target_os = "linux"))]
fn set_dont_fragment(_: &Socket, set: bool) -> io::Result<()> {
    if set { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

/// Returns the kind of ICMP sockets that this process may open.
///
/// # Errors
/// It may open none; the message names what is missing.
pub fn permitted_access() -> Result<Access, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    open_socket(address).map(|(_, access)| access).map_err(|error| not_opened(address, &error))
}

/// Returns the first and the last group that may open unprivileged sockets, as "0 2147483647"; none if
/// it cannot be read.
#[must_use]
pub fn ping_group_range() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").ok()?;
    let (first, last) = text.trim().split_once('\t')?;
    Some(format!("{first} {last}"))
}

fn not_opened(address: SocketAddr, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return connect::not_opened(address, error);
    }
    let group = rustix::process::getegid().as_raw();
    let message = missing(group, ping_group_range().as_deref());
    Failure::new(Stage::Connect, Reason::PermissionDenied, message)
}

fn missing(group: u32, range: Option<&str>) -> String {
    let range = match range {
        Some(range) => format!("is \"{range}\""),
        None => "cannot be read".to_owned(),
    };
    format!(
        "cannot open an ICMP socket: the sysctl net.ipv4.ping_group_range, which {range}, does not \
         include the group {group} of the process, and the process lacks the capability \
         CAP_NET_RAW; set the sysctl to \"{group} {group}\" or \"0 2147483647\", or grant the \
         capability"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_permissions_are_named() {
        let message = missing(65_534, Some("1 0"));
        for part in [
            "net.ipv4.ping_group_range, which is \"1 0\"",
            "the group 65534",
            "\"65534 65534\"",
            "CAP_NET_RAW",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(missing(0, None).contains("which cannot be read"));
    }
}
