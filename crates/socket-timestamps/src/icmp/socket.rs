//! ICMP sockets, unprivileged or raw.

use std::{fmt, io, mem::MaybeUninit, net::SocketAddr};

use socket2::{Protocol, Socket, Type};

use super::{IpVersion, ipv4_payload};
use crate::open;

/// The kind of an ICMP socket, which depends on the privileges of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A raw socket (raw(7)). The process chooses the identifier of its requests. IPv4 packets have
    /// their header.
    Raw,
    /// A datagram socket, also called ping socket (icmp(7)). The kernel chooses the identifier, and
    /// delivers only replies with it.
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

impl Access {
    /// Returns the ICMP message in a packet that a socket of this kind delivered.
    #[must_use]
    pub fn message(self, version: IpVersion, packet: &[u8]) -> Option<&[u8]> {
        match (self, version) {
            (Self::Raw, IpVersion::V4) => ipv4_payload(packet),
            (Self::Raw, IpVersion::V6) | (Self::Unprivileged, _) => Some(packet),
        }
    }
}

/// Opens a non-blocking ICMP socket for `address`: an unprivileged one if the process may,
/// otherwise a raw one.
///
/// If the capability `CAP_NET_RAW` is permitted and not effective, as after
/// `setcap cap_net_raw=p`, it becomes effective on this thread. Threads that it starts later
/// inherit it.
///
/// # Errors
///
/// The error of opening the raw socket. It is `PermissionDenied` if the process may open neither:
/// an unprivileged socket needs a group within the sysctl `net.ipv4.ping_group_range`, a raw one
/// the capability `CAP_NET_RAW`.
pub fn open_socket(address: SocketAddr) -> io::Result<(Socket, Access)> {
    let protocol = match IpVersion::of(address.ip()) {
        IpVersion::V4 => Protocol::ICMPV4,
        IpVersion::V6 => Protocol::ICMPV6,
    };
    if let Ok(socket) = open(address, Type::DGRAM, protocol) {
        return Ok((socket, Access::Unprivileged));
    }
    let opened = match open(address, Type::RAW, protocol) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && raise_net_raw() => {
            open(address, Type::RAW, protocol)
        }
        opened => opened,
    };
    opened.map(|socket| (socket, Access::Raw))
}

/// Makes the capability `CAP_NET_RAW` effective on this thread. Returns false if it is not permitted,
/// or effective already.
#[cfg(target_os = "linux")]
fn raise_net_raw() -> bool {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let Ok(mut sets) = capabilities(None) else { return false };
    if !sets.permitted.difference(sets.effective).contains(CapabilitySet::NET_RAW) {
        return false;
    }
    sets.effective |= CapabilitySet::NET_RAW;
    set_capabilities(None, sets).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn raise_net_raw() -> bool {
    false
}

/// Makes a raw socket receive only messages with this identifier.
///
/// Without a filter, it receives the replies to all processes. Many pings at the same time would
/// fill its buffer, and its own reply would be lost. Packets that arrived before the filter was set
/// are removed from the buffer.
///
/// # Errors
///
/// The error of setting the filter. On systems other than Linux there is no filter, and no error.
pub fn receive_only_identifier(
    socket: &Socket,
    version: IpVersion,
    identifier: u16,
) -> io::Result<()> {
    filter_identifier(socket, version, identifier)?;
    let mut byte = [MaybeUninit::uninit()];
    let mut left = MAX_BUFFERED;
    while left > 0 && socket.recv(&mut byte).is_ok() {
        left -= 1;
    }
    Ok(())
}

/// More packets than a receive buffer holds.
const MAX_BUFFERED: u32 = 100_000;

/// Attaches a program of the classic Berkeley packet filter that compares the identifier.
#[cfg(target_os = "linux")]
fn filter_identifier(socket: &Socket, version: IpVersion, identifier: u16) -> io::Result<()> {
    use socket2::SockFilter;
    // The packet of a raw IPv4 socket starts with its header.
    const SKIP_IPV4_HEADER: SockFilter = SockFilter::new(0xb1, 0, 0, 0);
    const LOAD_AFTER_HEADER: SockFilter = SockFilter::new(0x48, 0, 0, 4);
    const LOAD: SockFilter = SockFilter::new(0x28, 0, 0, 4);
    const KEEP: SockFilter = SockFilter::new(0x06, 0, 0, u32::MAX);
    const DROP: SockFilter = SockFilter::new(0x06, 0, 0, 0);
    let is_equal = SockFilter::new(0x15, 0, 1, identifier.into());
    match version {
        IpVersion::V4 => {
            socket.attach_filter(&[SKIP_IPV4_HEADER, LOAD_AFTER_HEADER, is_equal, KEEP, DROP])
        }
        IpVersion::V6 => socket.attach_filter(&[LOAD, is_equal, KEEP, DROP]),
    }
}

#[cfg(not(target_os = "linux"))]
fn filter_identifier(_: &Socket, _: IpVersion, _: u16) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icmp::Echo;

    #[test]
    fn an_ipv4_packet_of_a_raw_socket_has_a_header() {
        let payload = b"ping".to_vec();
        let echo = Echo { version: IpVersion::V4, identifier: None, sequence: 1, payload };
        let mut reply = echo.request();
        reply[0] = 0;
        // The checksum gains what the type loses.
        reply[2] += 8;
        let raw = [&[0x45; 1][..], &[0; 19], &reply].concat();
        for (packet, access, expected) in [
            (&reply, Access::Unprivileged, true),
            (&reply, Access::Raw, false),
            (&raw, Access::Raw, true),
            (&raw, Access::Unprivileged, false),
        ] {
            let message = access.message(IpVersion::V4, packet);
            let is_reply = message.is_some_and(|message| echo.is_answered_by(message));
            assert_eq!(is_reply, expected, "{access}");
        }
    }
}
