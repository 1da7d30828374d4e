//! Control messages of recvmsg(2) (cmsg(3)): timestamps, hop limits, errors.

#[cfg(kernel_timestamps)]
use std::net::{Ipv4Addr, Ipv6Addr};
use std::{mem::size_of, net::IpAddr, time::Duration};

use libc::{c_int, c_long};

use crate::icmp::DeliveryError;
#[cfg(kernel_timestamps)]
use crate::icmp::{IcmpMessage, IpVersion, QuotedPacket};

/// Time since the Unix epoch on the wall clock, which is the clock of kernel timestamps.
pub(crate) type WallTime = Duration;

/// The result of a read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Number of bytes that were read.
    pub(crate) length: usize,
    /// The datagram was longer than the buffer.
    pub(crate) truncated: bool,
    /// Time at which the kernel received the last of these bytes.
    pub(crate) stamp: Option<WallTime>,
    /// Time to live or hop limit of the packet, if the socket has the option.
    pub(crate) hop_limit: Option<u8>,
    /// Sender of a datagram.
    pub(crate) from: Option<IpAddr>,
}

/// An entry of the error queue of a socket (`MSG_ERRQUEUE`, ip(7)).
#[cfg_attr(not(kernel_timestamps), expect(dead_code, reason = "only Linux has such a queue"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// Time at which the kernel passed a packet to the network device.
    ///
    /// `ee_data` of the entry has the number of the packet (`SOF_TIMESTAMPING_OPT_ID`). It is not
    /// read, because only one datagram is in flight.
    TransmitTimestamp(WallTime),
    /// A packet could not be delivered.
    DeliveryError(DeliveryError),
    /// An ICMP message that is not about a lost packet. Has the error number of the kernel, which
    /// is reported all the same.
    Notice(i32),
    /// Any other entry.
    Other,
}

/// Parses `SCM_TIMESTAMPING`. The software timestamp is the first of three `timespec`s, and zero if
/// there is none.
#[cfg_attr(not(kernel_timestamps), expect(dead_code, reason = "only Linux has it"))]
pub(crate) fn software_timestamp(data: &[u8]) -> Option<WallTime> {
    let (seconds, rest) = data.split_first_chunk::<{ size_of::<c_long>() }>()?;
    let (nanoseconds, _) = rest.split_first_chunk::<{ size_of::<c_long>() }>()?;
    let seconds = u64::try_from(c_long::from_ne_bytes(*seconds)).ok()?;
    let nanoseconds = u32::try_from(c_long::from_ne_bytes(*nanoseconds)).ok()?;
    (seconds != 0).then(|| Duration::new(seconds, nanoseconds))
}

/// Parses `IP_TTL` and `IPV6_HOPLIMIT`.
#[cfg_attr(not(kernel_timestamps), expect(dead_code, reason = "only Linux has it"))]
pub(crate) fn hop_limit(data: &[u8]) -> Option<u8> {
    c_int_at(data, 0).and_then(|hops| u8::try_from(hops).ok())
}

/// `struct sock_extended_err` of Linux and the address after it.
#[cfg(kernel_timestamps)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExtendedError {
    errno: i32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
    offender: Option<IpAddr>,
}

#[cfg(kernel_timestamps)]
impl ExtendedError {
    /// Parses `IP_RECVERR` and `IPV6_RECVERR`.
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let (head, address) = data.split_at_checked(16)?;
        Some(Self {
            errno: c_int_at(head, 0)?,
            origin: *head.get(4)?,
            kind: *head.get(5)?,
            code: *head.get(6)?,
            info: u32_at(head, 8)?,
            offender: socket_address(address),
        })
    }

    /// Returns the meaning of the entry. The timestamp and the start of the packet come with it.
    pub(crate) fn queued(self, stamp: Option<WallTime>, quoted: QuotedPacket) -> Queued {
        let version = match (self.origin, stamp) {
            (libc::SO_EE_ORIGIN_TIMESTAMPING, Some(stamp)) => {
                return Queued::TransmitTimestamp(stamp);
            }
            (libc::SO_EE_ORIGIN_LOCAL, _) => None,
            (libc::SO_EE_ORIGIN_ICMP, _) => Some(IpVersion::V4),
            (libc::SO_EE_ORIGIN_ICMP6, _) => Some(IpVersion::V6),
            _ => return Queued::Other,
        };
        let Self { kind, code, offender: from, .. } = self;
        let icmp = version.map(|version| IcmpMessage { version, kind, code, from });
        if icmp.is_some_and(|message| !message.is_error()) {
            return Queued::Notice(self.errno);
        }
        let path_mtu = (self.errno == libc::EMSGSIZE && self.info != 0).then_some(self.info);
        Queued::DeliveryError(DeliveryError { errno: self.errno, icmp, path_mtu, quoted })
    }
}

/// Parses the IP address of a `sockaddr_in` or `sockaddr_in6` of Linux.
#[cfg(kernel_timestamps)]
pub(crate) fn socket_address(data: &[u8]) -> Option<IpAddr> {
    match c_int::from(u16::from_ne_bytes(*data.first_chunk()?)) {
        libc::AF_INET => {
            let octets: [u8; 4] = *data.get(4..)?.first_chunk()?;
            Some(Ipv4Addr::from(octets).into())
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = *data.get(8..)?.first_chunk()?;
            Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical())
        }
        _ => None,
    }
}

#[cfg(kernel_timestamps)]
fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*data.get(offset..)?.first_chunk()?))
}

fn c_int_at(data: &[u8], offset: usize) -> Option<c_int> {
    Some(c_int::from_ne_bytes(*data.get(offset..)?.first_chunk()?))
}

#[cfg(all(test, kernel_timestamps))]
mod tests {
    use super::*;

    fn timespecs(seconds: c_long, nanoseconds: c_long) -> Vec<u8> {
        let mut data = [seconds.to_ne_bytes(), nanoseconds.to_ne_bytes()].concat();
        data.resize(3 * 2 * size_of::<c_long>(), 0);
        data
    }

    #[test]
    fn a_timestamp_of_zero_is_none() {
        let stamp = software_timestamp(&timespecs(1_800_000_000, 5));
        assert_eq!(stamp, Some(Duration::new(1_800_000_000, 5)));
        assert_eq!(software_timestamp(&timespecs(0, 0)), None);
        assert_eq!(software_timestamp(&[0; 3]), None);
    }

    #[test]
    fn entries_of_the_error_queue_are_classified() {
        let entry = |origin: u8, kind: u8, errno: c_int, info: u32, address: &[u8]| {
            let head = [&errno.to_ne_bytes()[..], &[origin, kind, 0, 0]].concat();
            let data = [&head[..], &info.to_ne_bytes(), &[0; 4], address].concat();
            ExtendedError::parse(&data).expect("long enough")
        };
        let v4 = [&2_u16.to_ne_bytes()[..], &[0, 0, 192, 0, 2, 7], &[0; 8]].concat();
        let v6 = [&10_u16.to_ne_bytes()[..], &[0; 6], &Ipv6Addr::LOCALHOST.octets(), &[0; 4]];
        let message = |version, kind, from: IpAddr| {
            Some(IcmpMessage { version, kind, code: 0, from: Some(from) })
        };
        let (stamp, quoted) = (Duration::new(7, 0), [8, 0, 1, 2, 3, 4, 5, 6]);
        for (name, queued, expected) in [
            (
                "a transmit timestamp",
                entry(4, 0, libc::ENOMSG, 0, &[]).queued(Some(stamp), quoted),
                Queued::TransmitTimestamp(stamp),
            ),
            (
                "a router",
                entry(2, 11, libc::EHOSTUNREACH, 0, &v4).queued(None, quoted),
                Queued::DeliveryError(DeliveryError {
                    errno: libc::EHOSTUNREACH,
                    icmp: message(IpVersion::V4, 11, [192, 0, 2, 7].into()),
                    path_mtu: None,
                    quoted,
                }),
            ),
            (
                "a narrow path",
                entry(3, 2, libc::EMSGSIZE, 1280, &v6.concat()).queued(None, quoted),
                Queued::DeliveryError(DeliveryError {
                    errno: libc::EMSGSIZE,
                    icmp: message(IpVersion::V6, 2, Ipv6Addr::LOCALHOST.into()),
                    path_mtu: Some(1280),
                    quoted,
                }),
            ),
            (
                "this host",
                entry(1, 0, libc::EMSGSIZE, 1500, &[]).queued(None, quoted),
                Queued::DeliveryError(DeliveryError {
                    errno: libc::EMSGSIZE,
                    icmp: None,
                    path_mtu: Some(1500),
                    quoted,
                }),
            ),
            (
                "a redirect",
                entry(2, 5, libc::EREMOTEIO, 0, &v4).queued(None, quoted),
                Queued::Notice(libc::EREMOTEIO),
            ),
            (
                "a redirect over IPv6",
                entry(3, 137, libc::EPROTO, 0, &v6.concat()).queued(None, quoted),
                Queued::Notice(libc::EPROTO),
            ),
            ("something else", entry(5, 0, 0, 0, &[]).queued(None, quoted), Queued::Other),
        ] {
            assert_eq!(queued, expected, "{name}");
        }
        assert_eq!(ExtendedError::parse(&[0; 15]), None);
    }
}
