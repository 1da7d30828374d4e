//! The system calls behind wire time: reading with the kernel's time stamps, and TCP's own figures.
//!
//! The only unsafe code of the crate. No safe crate reads `SCM_TIMESTAMPING` or `TCP_INFO`. Where
//! the platform has none of this, the same functions work without stamps.

#![expect(unsafe_code, reason = "system calls that no safe crate wraps")]

use std::{io, net::IpAddr, time::Duration};

use socket2::Socket;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

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
}

/// What the error queue of a socket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// The kernel handed a packet to the network device at this time.
    Sent(WallTime),
    /// A packet could not be delivered.
    Undelivered(Undelivered),
    /// Something that nobody asked for.
    Other,
}

/// A packet that could not be delivered, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undelivered {
    /// The error number that the kernel makes of it.
    pub errno: i32,
    /// The ICMP message; absent when this host itself refused the packet.
    pub icmp: Option<IcmpNotice>,
    /// The path's largest packet, when the packet was too large for it.
    pub path_mtu: Option<u32>,
}

/// The ICMP message that reported an undelivered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpNotice {
    /// Type of the message, by the list of the address family.
    pub kind: u8,
    /// Code of the message.
    pub code: u8,
    /// Who sent it, usually a router.
    pub from: Option<IpAddr>,
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
}

#[cfg(target_os = "linux")]
pub(super) use linux::{
    accept_only_echo_replies, queued, receive, stamp_arrivals, stamp_transmissions, tcp_facts,
    want_errors,
};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{
    accept_only_echo_replies, queued, receive, stamp_arrivals, stamp_transmissions, tcp_facts,
    want_errors,
};

/// Puts a datagram socket under the watch of the runtime, its error queue included.
pub(super) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: a `Socket` owns its file descriptor, names the same one as long as it lives, and
    // lives as long as the `AsyncFd` that it is moved into.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// Marks `length` bytes of the unfilled part as read.
fn fill(buffer: &mut ReadBuf<'_>, length: usize) {
    // SAFETY: the caller has just had the kernel write `length` bytes at the start of the unfilled
    // part, and the kernel never writes more than the room it was given there.
    unsafe { buffer.assume_init(length) };
    buffer.advance(length);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io,
        mem::{MaybeUninit, size_of, size_of_val, zeroed},
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        os::fd::{AsRawFd, BorrowedFd},
        ptr, slice,
        time::Duration,
    };

    use libc::{c_int, c_long, c_void};
    use tokio::io::ReadBuf;

    use super::{IcmpNotice, Queued, Reading, TcpFacts, Undelivered, WallTime, fill};

    const RECEIVE: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
    const TRANSMIT: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;

    /// Has the kernel stamp what the socket receives.
    pub(in crate::net) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
        set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &RECEIVE)
    }

    /// Has the kernel stamp what the socket receives and, on its error queue, what it sends.
    pub(in crate::net) fn stamp_transmissions(socket: BorrowedFd<'_>) -> io::Result<()> {
        set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &(RECEIVE | TRANSMIT))
    }

    /// Has the kernel report packets that could not be delivered on the socket's error queue, and
    /// the hop limit with every packet that is received.
    pub(in crate::net) fn want_errors(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
        let on: c_int = 1;
        if ipv6 {
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &on)?;
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &on)
        } else {
            set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &on)?;
            set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, &on)
        }
    }

    /// Has a raw ICMP socket pass on echo replies alone.
    pub(in crate::net) fn accept_only_echo_replies(
        socket: BorrowedFd<'_>,
        ipv6: bool,
    ) -> io::Result<()> {
        // A set bit blocks the type; the option numbers are those of linux/icmp.h and icmpv6.h.
        const ICMP_FILTER: c_int = 1;
        const ICMPV6_FILTER: c_int = 1;
        const ECHO_REPLY: u32 = 0;
        const ECHO_REPLY_V6: usize = 129;
        if ipv6 {
            let mut blocked = [u32::MAX; 8];
            if let Some(word) = blocked.get_mut(ECHO_REPLY_V6 / 32) {
                *word &= !(1 << (ECHO_REPLY_V6 % 32));
            }
            set_option(socket, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, &blocked)
        } else {
            let blocked: u32 = !(1 << ECHO_REPLY);
            set_option(socket, libc::SOL_RAW, ICMP_FILTER, &blocked)
        }
    }

    /// Reads at most `limit` bytes, without waiting, and says when they arrived.
    pub(in crate::net) fn receive(
        socket: BorrowedFd<'_>,
        buffer: &mut ReadBuf<'_>,
        limit: usize,
    ) -> io::Result<Reading> {
        // SAFETY: the memory is only handed to the kernel, which writes to it.
        let unfilled = unsafe { buffer.unfilled_mut() };
        let room = unfilled.len().min(limit);
        let mut reading = Reading::default();
        let (length, flags) =
            receive_message(socket, unfilled, room, 0, |level, kind, data| match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => reading.stamp = software_stamp(data),
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    reading.hop_limit = c_int_at(data, 0).and_then(|hops| u8::try_from(hops).ok());
                }
                _ => {}
            })?;
        fill(buffer, length);
        reading.length = length;
        reading.truncated = flags & libc::MSG_TRUNC != 0;
        Ok(reading)
    }

    /// Takes one entry off the socket's error queue.
    pub(in crate::net) fn queued(socket: BorrowedFd<'_>) -> io::Result<Queued> {
        let mut payload = [MaybeUninit::<u8>::uninit(); 0];
        let (mut stamp, mut error) = (None, None);
        receive_message(socket, &mut payload, 0, libc::MSG_ERRQUEUE, |level, kind, data| {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => stamp = software_stamp(data),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                    error = ExtendedError::parse(data)
                }
                _ => {}
            }
        })?;
        Ok(match (error, stamp) {
            (Some(error), Some(stamp)) if error.origin == libc::SO_EE_ORIGIN_TIMESTAMPING => {
                Queued::Sent(stamp)
            }
            (Some(error), _) => error.undelivered().map_or(Queued::Other, Queued::Undelivered),
            (None, _) => Queued::Other,
        })
    }

    /// TCP's own figures about the connection.
    pub(in crate::net) fn tcp_facts(socket: BorrowedFd<'_>) -> Option<TcpFacts> {
        // Offsets into `struct tcp_info`, which the kernel only ever appends to.
        const RTT: usize = 68;
        const TOTAL_RETRANSMITS: usize = 100;
        const MIN_RTT: usize = 148;
        let mut info = [0_u8; 256];
        let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
        // SAFETY: `info` is writable for `length` bytes, and the kernel writes no more than that.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let info = (result == 0).then(|| info.get(..usize::try_from(length).ok()?))??;
        let micros = |offset| u32_at(info, offset).map(|rtt| Duration::from_micros(rtt.into()));
        Some(TcpFacts {
            rtt: micros(RTT)?,
            // The kernel's word for "not measured" is the largest number.
            min_rtt: micros(MIN_RTT).filter(|_| u32_at(info, MIN_RTT) != Some(u32::MAX)),
            retransmits: u32_at(info, TOTAL_RETRANSMITS)?,
        })
    }

    fn set_option<T: Copy>(
        socket: BorrowedFd<'_>,
        level: c_int,
        name: c_int,
        value: &T,
    ) -> io::Result<()> {
        let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
        // SAFETY: `value` is readable for `length` bytes during the call.
        let result = unsafe {
            libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(value).cast(), length)
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Room for control messages, aligned as their headers are.
    #[repr(C, align(8))]
    struct Control([u8; 512]);

    /// `recvmsg`: reads into the first `room` bytes of `payload` and shows each control message.
    /// Gives the length that was read and the flags of the message.
    fn receive_message(
        socket: BorrowedFd<'_>,
        payload: &mut [MaybeUninit<u8>],
        room: usize,
        flags: c_int,
        mut control_message: impl FnMut(c_int, c_int, &[u8]),
    ) -> io::Result<(usize, c_int)> {
        let room = room.min(payload.len());
        let mut control = Control([0; 512]);
        let mut vector = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: room };
        // SAFETY: all zeros is a valid `msghdr`: no address, no buffers, no flags. Its fields are
        // set one by one because some C libraries have padding between them.
        let mut message: libc::msghdr = unsafe { zeroed() };
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast::<c_void>();
        message.msg_controllen = size_of_val(&control.0).try_into().map_err(io::Error::other)?;
        // SAFETY: `message` points to one vector over `room` writable bytes and to a writable
        // control buffer of the given length; both outlive the call.
        let length = unsafe {
            libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags | libc::MSG_DONTWAIT)
        };
        let Ok(length) = usize::try_from(length) else {
            return Err(io::Error::last_os_error());
        };
        // SAFETY: the kernel has filled the control buffer and set its length in `message`; the
        // macros walk exactly that area, and headers in it are aligned.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&raw const message);
            while let Some(found) = header.as_ref() {
                let data = libc::CMSG_DATA(header);
                let head = data.addr() - header.addr();
                let whole: usize = found.cmsg_len.try_into().unwrap_or(head);
                let data = slice::from_raw_parts(data, whole.saturating_sub(head));
                control_message(found.cmsg_level, found.cmsg_type, data);
                header = libc::CMSG_NXTHDR(&raw const message, header);
            }
        }
        Ok((length, message.msg_flags))
    }

    /// The software stamp, which is the first `timespec` of three; zero means there is none.
    fn software_stamp(data: &[u8]) -> Option<WallTime> {
        let (seconds, rest) = data.split_first_chunk::<{ size_of::<c_long>() }>()?;
        let (nanoseconds, _) = rest.split_first_chunk::<{ size_of::<c_long>() }>()?;
        let seconds = u64::try_from(c_long::from_ne_bytes(*seconds)).ok()?;
        let nanoseconds = u32::try_from(c_long::from_ne_bytes(*nanoseconds)).ok()?;
        (seconds != 0).then(|| Duration::new(seconds, nanoseconds))
    }

    /// `struct sock_extended_err` and the address that follows it.
    struct ExtendedError {
        errno: i32,
        origin: u8,
        kind: u8,
        code: u8,
        info: u32,
        offender: Option<IpAddr>,
    }

    impl ExtendedError {
        fn parse(data: &[u8]) -> Option<Self> {
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

        fn undelivered(&self) -> Option<Undelivered> {
            let icmp = match self.origin {
                libc::SO_EE_ORIGIN_LOCAL => None,
                libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => {
                    Some(IcmpNotice { kind: self.kind, code: self.code, from: self.offender })
                }
                _ => return None,
            };
            let path_mtu = (self.errno == libc::EMSGSIZE && self.info != 0).then_some(self.info);
            Some(Undelivered { errno: self.errno, icmp, path_mtu })
        }
    }

    /// The IP address in a `sockaddr_in` or `sockaddr_in6`.
    fn socket_address(data: &[u8]) -> Option<IpAddr> {
        let family = c_int::from(u16::from_ne_bytes(*data.first_chunk()?));
        match family {
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
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use std::{io, os::fd::BorrowedFd};

    use socket2::SockRef;
    use tokio::io::ReadBuf;

    use super::{Queued, Reading, TcpFacts, fill};

    pub(in crate::net) fn stamp_arrivals(_: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn stamp_transmissions(_: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn want_errors(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn accept_only_echo_replies(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Reads at most `limit` bytes, without waiting.
    pub(in crate::net) fn receive(
        socket: BorrowedFd<'_>,
        buffer: &mut ReadBuf<'_>,
        limit: usize,
    ) -> io::Result<Reading> {
        // SAFETY: the memory is only handed to the kernel, which writes to it.
        let unfilled = unsafe { buffer.unfilled_mut() };
        let room = unfilled.len().min(limit);
        let length = SockRef::from(&socket).recv(unfilled.get_mut(..room).unwrap_or_default())?;
        fill(buffer, length);
        Ok(Reading { length, ..Reading::default() })
    }

    pub(in crate::net) fn queued(_: BorrowedFd<'_>) -> io::Result<Queued> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(in crate::net) fn tcp_facts(_: BorrowedFd<'_>) -> Option<TcpFacts> {
        None
    }
}
