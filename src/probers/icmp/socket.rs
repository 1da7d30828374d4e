//! ICMP sockets: an unprivileged one where the system grants it, a raw one otherwise.

use std::{fmt, fs, io, mem::MaybeUninit, net::SocketAddr};

use socket2::{Protocol, Socket, Type};

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

/// By which right ICMP packets are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// A raw socket: the identifier is ours, and IPv4 packets come with their header.
    Raw,
    /// A datagram socket: the kernel chooses the identifier, and passes on its replies alone.
    Unprivileged,
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Raw => "raw",
            Self::Unprivileged => "unprivileged",
        })
    }
}

impl IcmpSocket {
    /// Opens a socket to `address` and sets it up as the module says. `identifier` is that of our
    /// requests, if the socket lets us choose it.
    #[expect(clippy::disallowed_methods, reason = "the policy was asked")]
    pub(super) fn open(
        prober: &IcmpProber,
        address: SocketAddr,
        version: IpVersion,
        identifier: u16,
    ) -> Result<Self, Failure> {
        let (socket, access) = open_either(address, version)?;
        let setting_up = |error: io::Error| {
            let doing = format!("setting up a socket to {}", address.ip());
            Failure::system(Call::SetUp, Stage::Connect, &doing, &error)
        };
        if access == Access::Raw {
            spare_others_replies(&socket, version, identifier).map_err(setting_up)?;
        }
        SocketOptions { source_ip_address: prober.source_ip_address }.bind(&socket, address)?;
        set_options(&socket, prober, version).map_err(setting_up)?;
        // The kernel then looks up the route now, and spares a raw socket what others send.
        socket.connect(&address.into()).map_err(|error| {
            let doing = format!("looking for a route to {}", address.ip());
            connect::failure(Call::Connect, address, &doing, &error)
        })?;
        let datagrams = WireDatagram::new(socket, SocketKind::Icmp).map_err(setting_up)?;
        // Where the kernel cannot say more, the reply alone must do.
        drop(datagrams.receive_errors_and_hop_limits(version));
        if access == Access::Raw {
            drop(datagrams.receive_only_echo_replies(version));
        }
        Ok(Self { datagrams, access })
    }
}

/// An unprivileged socket if there may be one, otherwise a raw one.
fn open_either(address: SocketAddr, version: IpVersion) -> Result<(Socket, Access), Failure> {
    let protocol = match version {
        IpVersion::V4 => Protocol::ICMPV4,
        IpVersion::V6 => Protocol::ICMPV6,
    };
    if let Ok(socket) = connect::open(address, Type::DGRAM, protocol) {
        return Ok((socket, Access::Unprivileged));
    }
    match connect::open(address, Type::RAW, protocol) {
        Ok(socket) => Ok((socket, Access::Raw)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(not_permitted()),
        Err(error) => Err(connect::not_opened(address, &error)),
    }
}

fn set_options(socket: &Socket, prober: &IcmpProber, version: IpVersion) -> io::Result<()> {
    match (version, prober.ttl) {
        (IpVersion::V4, Some(ttl)) => socket.set_ttl_v4(ttl.into())?,
        (IpVersion::V6, Some(ttl)) => socket.set_unicast_hops_v6(ttl.into())?,
        (_, None) => {}
    }
    // Upstream ignores the key with IPv6, where routers never fragment.
    if version == IpVersion::V4 {
        set_dont_fragment(socket, prober.dont_fragment)?;
    }
    Ok(())
}

/// Sets the bit in all packets or in none, and sends them whatever is known of the path.
///
/// Unlike upstream: this needs no raw socket, and without the key routers may fragment the packet.
/// Left alone, Linux sets the bit to learn what the path carries, and the first request is lost.
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

/// Has the kernel keep back replies to others, and throws those away that came before it did: when
/// the thread had to pause there, they may fill the buffer.
fn spare_others_replies(socket: &Socket, version: IpVersion, identifier: u16) -> io::Result<()> {
    keep_back_others_replies(socket, version, identifier)?;
    let mut byte = [MaybeUninit::uninit()];
    let mut left = MOST_STRAYS;
    while left > 0 && socket.recv(&mut byte).is_ok() {
        left -= 1;
    }
    Ok(())
}

/// More packets than a receive buffer holds.
const MOST_STRAYS: u32 = 100_000;

/// Has the kernel keep back replies to others. A raw socket is shown the replies to all probes of
/// the same host, and many probes at once would fill its buffer until its own reply is lost.
#[cfg(target_os = "linux")]
fn keep_back_others_replies(
    socket: &Socket,
    version: IpVersion,
    identifier: u16,
) -> io::Result<()> {
    use socket2::SockFilter;
    // Instructions of the classic Berkeley packet filter; the packet of a raw IPv4 socket begins
    // with its header.
    const SKIP_IPV4_HEADER: SockFilter = SockFilter::new(0xb1, 0, 0, 0);
    const LOAD_AFTER_HEADER: SockFilter = SockFilter::new(0x48, 0, 0, 4);
    const LOAD: SockFilter = SockFilter::new(0x28, 0, 0, 4);
    const KEEP: SockFilter = SockFilter::new(0x06, 0, 0, u32::MAX);
    const DROP: SockFilter = SockFilter::new(0x06, 0, 0, 0);
    let is_ours = SockFilter::new(0x15, 0, 1, identifier.into());
    match version {
        IpVersion::V4 => {
            socket.attach_filter(&[SKIP_IPV4_HEADER, LOAD_AFTER_HEADER, is_ours, KEEP, DROP])
        }
        IpVersion::V6 => socket.attach_filter(&[LOAD, is_ours, KEEP, DROP]),
    }
}

#[cfg(not(target_os = "linux"))]
fn keep_back_others_replies(_: &Socket, _: IpVersion, _: u16) -> io::Result<()> {
    Ok(())
}

/// What the process would need for an ICMP socket.
fn not_permitted() -> Failure {
    let group = rustix::process::getegid().as_raw();
    let range = fs::read_to_string(PING_GROUP_RANGE).unwrap_or_default();
    Failure::new(Stage::Connect, Reason::PermissionDenied, missing(group, range.trim()))
}

const PING_GROUP_RANGE: &str = "/proc/sys/net/ipv4/ping_group_range";

fn missing(group: u32, range: &str) -> String {
    let range = match *range.split_whitespace().collect::<Vec<_>>() {
        [low, high] => format!("is \"{low} {high}\""),
        _ => "cannot be read".to_owned(),
    };
    format!(
        "no ICMP socket may be opened: for an unprivileged one, a group of the process must be \
         within the sysctl net.ipv4.ping_group_range, which {range}, but its group is {group} \
         (\"{group} {group}\" or \"0 2147483647\" would do); for a raw one, the process lacks the \
         capability CAP_NET_RAW; either is enough"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_exactly() {
        let message = missing(65_534, "1\t0");
        for part in [
            "net.ipv4.ping_group_range, which is \"1 0\"",
            "its group is 65534",
            "\"65534 65534\"",
            "CAP_NET_RAW",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(missing(0, "").contains("which cannot be read"));
    }
}
