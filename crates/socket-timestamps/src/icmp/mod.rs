//! ICMP: errors about packets that were sent, and echo requests.

mod echo;
mod socket;

use std::{io, net::IpAddr};

pub use self::{
    echo::{Echo, ipv4_payload},
    socket::{Access, open_socket, receive_only_identifier},
};

/// The version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// Returns the version of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A packet that could not be delivered, as the error queue of its socket reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryError {
    /// The error number that the kernel derives from the message.
    pub errno: i32,
    /// The ICMP error message. `None` if this host itself rejected the packet.
    pub icmp: Option<IcmpMessage>,
    /// The path MTU in bytes, if the packet was too large.
    pub path_mtu: Option<u32>,
    /// The start of the packet.
    pub quoted: QuotedPacket,
}

/// The first bytes of a packet after its IP header. Every ICMP error quotes at least these.
pub type QuotedPacket = [u8; 8];

/// An ICMP message about a packet of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpMessage {
    /// The version of IP. Each version has its own message types.
    pub version: IpVersion,
    /// The type of the message.
    pub kind: u8,
    /// The code of the message.
    pub code: u8,
    /// The sender of the message: a router, the peer, or this host.
    pub from: Option<IpAddr>,
}

impl IcmpMessage {
    /// Returns true if the message means that the packet was not delivered.
    ///
    /// False for messages that leave the packet on its way: redirects (RFC 792, RFC 4861), source
    /// quench (deprecated by RFC 6633), and informational or unknown types.
    #[must_use]
    pub const fn is_error(self) -> bool {
        match self.version {
            // Destination unreachable, time exceeded, parameter problem (RFC 792).
            IpVersion::V4 => matches!(self.kind, 3 | 11 | 12),
            // Likewise, and packet too big (RFC 4443).
            IpVersion::V6 => matches!(self.kind, 1..=4),
        }
    }
}

/// Returns true for errors of a receive call that are caused by an ICMP message.
///
/// Such a message may be about the packet of another process to the same host. If the error queue
/// is enabled, the message itself is in the queue and is decisive; the error alone is not.
#[must_use]
pub fn is_icmp_error(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const LINUX: [i32; 2] = [libc::ENONET, libc::EREMOTEIO];
    #[cfg(not(target_os = "linux"))]
    const LINUX: [i32; 0] = [];
    const CAUSED_BY_ICMP: [i32; 9] = [
        libc::ECONNREFUSED,
        libc::EHOSTUNREACH,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EACCES,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::EMSGSIZE,
    ];
    error
        .raw_os_error()
        .is_some_and(|errno| CAUSED_BY_ICMP.contains(&errno) || LINUX.contains(&errno))
}
