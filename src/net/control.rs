//! What the kernel says beside the data: when it arrived, what became of a packet, how TCP fares.

#[cfg(kernel_stamps)]
use std::net::{Ipv4Addr, Ipv6Addr};
use std::{mem::size_of, net::IpAddr, time::Duration};

use libc::{c_int, c_long};

use crate::net::icmp_error::Undelivered;
#[cfg(kernel_stamps)]
use crate::{
    net::icmp_error::{IcmpNotice, Quoted},
    settings::ip::IpFamily,
};

/// Time since the Unix epoch on the wall clock, which is the clock of the kernel's stamps.
pub(super) type WallTime = Duration;

/// What one read gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// How many bytes were read.
    pub(super) length: usize,
    /// Whether a datagram was longer than the buffer.
    pub(super) truncated: bool,
    /// When the kernel received the last of these bytes.
    pub(super) stamp: Option<WallTime>,
    /// The time to live or hop limit of the packet, where that was asked for.
    pub(super) hop_limit: Option<u8>,
    /// Who sent a datagram.
    pub(super) from: Option<IpAddr>,
}

/// What the error queue of a socket holds.
#[cfg_attr(not(kernel_stamps), expect(dead_code, reason = "only Linux has such a queue"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// The kernel handed a packet to the network device at this time.
    Sent(WallTime),
    /// A packet could not be delivered.
    Undelivered(Undelivered),
    /// A notice that does not mean that a packet was lost, and the error number that the kernel
    /// makes of it all the same.
    Notice(i32),
    /// Something that nobody asked for.
    Other,
}

/// TCP's own figures about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFacts {
    /// The smoothed round-trip time; right after connecting that of the handshake.
    pub rtt: Duration,
    /// The smallest round-trip time seen, if one was measured.
    pub min_rtt: Option<Duration>,
    /// How many segments were sent again.
    pub retransmits: u32,
    /// For how long nothing has come from the peer; counted in ticks of 1 to 10 ms.
    pub silence: Duration,
}

#[cfg_attr(not(kernel_stamps), expect(dead_code, reason = "only Linux says so much"))]
impl TcpFacts {
    /// Reads Linux' `struct tcp_info`, to which kernels only ever append.
    pub(super) fn parse(info: &[u8]) -> Option<Self> {
        const LAST_ACK_RECEIVED: usize = 56;
        const RTT: usize = 68;
        const TOTAL_RETRANSMITS: usize = 100;
        const MIN_RTT: usize = 148;
        let min_rtt = u32_at(info, MIN_RTT).filter(|micros| *micros != NOT_MEASURED);
        Some(Self {
            rtt: Duration::from_micros(u32_at(info, RTT)?.into()),
            min_rtt: min_rtt.map(|micros| Duration::from_micros(micros.into())),
            retransmits: u32_at(info, TOTAL_RETRANSMITS)?,
            silence: Duration::from_millis(u32_at(info, LAST_ACK_RECEIVED)?.into()),
        })
    }
}

const NOT_MEASURED: u32 = u32::MAX;

/// Reads `SCM_TIMESTAMPING`: the software stamp is the first `timespec` of three, and zero when
/// there is none.
#[cfg_attr(not(kernel_stamps), expect(dead_code, reason = "only Linux stamps so"))]
pub(super) fn software_stamp(data: &[u8]) -> Option<WallTime> {
    let (seconds, rest) = data.split_first_chunk::<{ size_of::<c_long>() }>()?;
    let (nanoseconds, _) = rest.split_first_chunk::<{ size_of::<c_long>() }>()?;
    let seconds = u64::try_from(c_long::from_ne_bytes(*seconds)).ok()?;
    let nanoseconds = u32::try_from(c_long::from_ne_bytes(*nanoseconds)).ok()?;
    (seconds != 0).then(|| Duration::new(seconds, nanoseconds))
}

/// Reads the hop limit of a received packet.
#[cfg_attr(not(kernel_stamps), expect(dead_code, reason = "asked for on Linux alone"))]
pub(super) fn hop_limit(data: &[u8]) -> Option<u8> {
    c_int_at(data, 0).and_then(|hops| u8::try_from(hops).ok())
}

/// Linux' `struct sock_extended_err` and the address that follows it.
#[cfg(kernel_stamps)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExtendedError {
    errno: i32,
    origin: u8,
    kind: u8,
    code: u8,
    info: u32,
    offender: Option<IpAddr>,
}

#[cfg(kernel_stamps)]
impl ExtendedError {
    /// Reads `IP_RECVERR` and `IPV6_RECVERR`.
    pub(super) fn parse(data: &[u8]) -> Option<Self> {
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

    /// What the entry of the error queue says; a stamp and part of the packet come beside the error.
    pub(super) fn queued(self, stamp: Option<WallTime>, quoted: Quoted) -> Queued {
        let family = match (self.origin, stamp) {
            (libc::SO_EE_ORIGIN_TIMESTAMPING, Some(stamp)) => return Queued::Sent(stamp),
            (libc::SO_EE_ORIGIN_LOCAL, _) => None,
            (libc::SO_EE_ORIGIN_ICMP, _) => Some(IpFamily::V4),
            (libc::SO_EE_ORIGIN_ICMP6, _) => Some(IpFamily::V6),
            _ => return Queued::Other,
        };
        let Self { kind, code, offender: from, .. } = self;
        let icmp = family.map(|family| IcmpNotice { family, kind, code, from });
        if icmp.is_some_and(|notice| notice.meaning().is_none()) {
            return Queued::Notice(self.errno);
        }
        let path_mtu = (self.errno == libc::EMSGSIZE && self.info != 0).then_some(self.info);
        Queued::Undelivered(Undelivered { errno: self.errno, icmp, path_mtu, quoted })
    }
}

/// The IP address in a `sockaddr_in` or `sockaddr_in6` of Linux.
#[cfg(kernel_stamps)]
pub(super) fn socket_address(data: &[u8]) -> Option<IpAddr> {
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

fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*data.get(offset..)?.first_chunk()?))
}

fn c_int_at(data: &[u8], offset: usize) -> Option<c_int> {
    Some(c_int::from_ne_bytes(*data.get(offset..)?.first_chunk()?))
}

#[cfg(all(test, kernel_stamps))]
mod tests {
    use super::*;

    fn timespecs(seconds: c_long, nanoseconds: c_long) -> Vec<u8> {
        let mut data = [seconds.to_ne_bytes(), nanoseconds.to_ne_bytes()].concat();
        data.resize(3 * 2 * size_of::<c_long>(), 0);
        data
    }

    #[test]
    fn a_stamp_of_zero_is_none() {
        let stamp = software_stamp(&timespecs(1_800_000_000, 5));
        assert_eq!(stamp, Some(Duration::new(1_800_000_000, 5)));
        assert_eq!(software_stamp(&timespecs(0, 0)), None);
        assert_eq!(software_stamp(&[0; 3]), None);
    }

    #[test]
    fn entries_of_the_error_queue_are_told_apart() {
        let entry = |origin: u8, kind: u8, errno: c_int, info: u32, address: &[u8]| {
            let head = [&errno.to_ne_bytes()[..], &[origin, kind, 0, 0]].concat();
            let data = [&head[..], &info.to_ne_bytes(), &[0; 4], address].concat();
            ExtendedError::parse(&data).expect("long enough")
        };
        let v4 = [&2_u16.to_ne_bytes()[..], &[0, 0, 192, 0, 2, 7], &[0; 8]].concat();
        let v6 = [&10_u16.to_ne_bytes()[..], &[0; 6], &Ipv6Addr::LOCALHOST.octets(), &[0; 4]];
        let notice = |family, kind, from: IpAddr| {
            Some(IcmpNotice { family, kind, code: 0, from: Some(from) })
        };
        let (stamp, quoted) = (Duration::new(7, 0), [8, 0, 1, 2, 3, 4, 5, 6]);
        for (name, queued, expected) in [
            (
                "a stamp",
                entry(4, 0, libc::ENOMSG, 0, &[]).queued(Some(stamp), quoted),
                Queued::Sent(stamp),
            ),
            (
                "a router",
                entry(2, 11, libc::EHOSTUNREACH, 0, &v4).queued(None, quoted),
                Queued::Undelivered(Undelivered {
                    errno: libc::EHOSTUNREACH,
                    icmp: notice(IpFamily::V4, 11, [192, 0, 2, 7].into()),
                    path_mtu: None,
                    quoted,
                }),
            ),
            (
                "a narrow path",
                entry(3, 2, libc::EMSGSIZE, 1280, &v6.concat()).queued(None, quoted),
                Queued::Undelivered(Undelivered {
                    errno: libc::EMSGSIZE,
                    icmp: notice(IpFamily::V6, 2, Ipv6Addr::LOCALHOST.into()),
                    path_mtu: Some(1280),
                    quoted,
                }),
            ),
            (
                "this host",
                entry(1, 0, libc::EMSGSIZE, 1500, &[]).queued(None, quoted),
                Queued::Undelivered(Undelivered {
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

    #[test]
    fn tcp_figures_of_an_old_kernel_lack_the_smallest_time() {
        let mut info = [0_u8; 232];
        info[56..60].copy_from_slice(&7_u32.to_ne_bytes());
        info[68..72].copy_from_slice(&250_u32.to_ne_bytes());
        info[100..104].copy_from_slice(&3_u32.to_ne_bytes());
        info[148..152].copy_from_slice(&200_u32.to_ne_bytes());
        let facts = TcpFacts::parse(&info).expect("long enough");
        assert_eq!((facts.rtt.as_micros(), facts.retransmits), (250, 3));
        assert_eq!(facts.silence, Duration::from_millis(7));
        assert_eq!(facts.min_rtt, Some(Duration::from_micros(200)));
        assert_eq!(TcpFacts::parse(&info[..104]).expect("long enough").min_rtt, None);
        info[148..152].copy_from_slice(&NOT_MEASURED.to_ne_bytes());
        assert_eq!(TcpFacts::parse(&info).expect("long enough").min_rtt, None);
        assert_eq!(TcpFacts::parse(&info[..50]), None);
    }
}
