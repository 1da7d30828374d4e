//! System calls of Linux.

use std::{
    io,
    mem::{size_of, size_of_val, zeroed},
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
    ptr, slice,
};

use libc::{c_int, c_void};
use tokio::io::ReadBuf;

use super::fill;
use crate::{
    IpVersion, TcpInfo,
    cmsg::{ExtendedError, Queued, Reading, hop_limit, socket_address, software_timestamp},
    icmp::QuotedPacket,
};

const RECEIVE: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const TRANSMIT: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// Enables timestamps of received packets.
pub(crate) fn timestamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &RECEIVE)
}

/// Enables timestamps of received packets and, in the error queue, of sent ones.
pub(crate) fn timestamp_both_ways(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &(RECEIVE | TRANSMIT))
}

/// Enables or disables ICMP errors in the error queue.
pub(crate) fn receive_icmp_errors(
    socket: BorrowedFd<'_>,
    version: IpVersion,
    enabled: bool,
) -> io::Result<()> {
    let (level, name) = if version == IpVersion::V6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVERR)
    };
    set_option(socket, level, name, &c_int::from(enabled))
}

/// Enables the hop limit of each received packet.
pub(crate) fn receive_hop_limits(socket: BorrowedFd<'_>, version: IpVersion) -> io::Result<()> {
    let (level, name) = if version == IpVersion::V6 {
        (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)
    } else {
        (libc::IPPROTO_IP, libc::IP_RECVTTL)
    };
    let on: c_int = 1;
    set_option(socket, level, name, &on)
}

/// Sets the type filter of a raw ICMP socket to echo replies (raw(7), RFC 3542).
pub(crate) fn receive_only_echo_replies(
    socket: BorrowedFd<'_>,
    version: IpVersion,
) -> io::Result<()> {
    // A set bit blocks the type. The option numbers are from linux/icmp.h and linux/icmpv6.h.
    const ICMP_FILTER: c_int = 1;
    const ICMPV6_FILTER: c_int = 1;
    const ECHO_REPLY: u32 = 0;
    const ECHO_REPLY_V6: usize = 129;
    if version == IpVersion::V6 {
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

/// Reads at most `limit` bytes without waiting.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut ReadBuf<'_>,
    limit: usize,
) -> io::Result<Reading> {
    let mut reading = Reading::default();
    let message =
        receive_message(socket, buffer, limit, 0, |level, kind, data| match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => reading.stamp = software_timestamp(data),
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                reading.hop_limit = hop_limit(data);
            }
            _ => {}
        })?;
    reading.length = message.length;
    reading.truncated = message.flags & libc::MSG_TRUNC != 0;
    reading.from = message.from;
    Ok(reading)
}

/// Removes one entry from the error queue.
pub(crate) fn queued(socket: BorrowedFd<'_>) -> io::Result<Queued> {
    let (mut stamp, mut error) = (None, None);
    let mut quoted = QuotedPacket::default();
    let (limit, flags) = (quoted.len(), libc::MSG_ERRQUEUE);
    let mut buffer = ReadBuf::new(&mut quoted);
    receive_message(socket, &mut buffer, limit, flags, |level, kind, data| match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => stamp = software_timestamp(data),
        (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            error = ExtendedError::parse(data);
        }
        _ => {}
    })?;
    Ok(error.map_or(Queued::Other, |error| error.queued(stamp, quoted)))
}

/// Returns the statistics of a TCP connection.
pub(crate) fn tcp_info(socket: BorrowedFd<'_>) -> Option<TcpInfo> {
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
    if result != 0 {
        return None;
    }
    TcpInfo::parse(info.get(..usize::try_from(length).ok()?)?)
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

/// Buffer for control messages, aligned like their headers.
#[repr(C, align(8))]
struct Control([u8; 512]);

/// The result of `recvmsg`.
struct Message {
    length: usize,
    flags: c_int,
    from: Option<IpAddr>,
}

/// Calls recvmsg(2). Appends at most `limit` bytes to `buffer`, and passes each control message to
/// `control_message`.
fn receive_message(
    socket: BorrowedFd<'_>,
    buffer: &mut ReadBuf<'_>,
    limit: usize,
    flags: c_int,
    mut control_message: impl FnMut(c_int, c_int, &[u8]),
) -> io::Result<Message> {
    // SAFETY: the memory is only passed to the kernel, which writes to it.
    let unfilled = unsafe { buffer.unfilled_mut() };
    let room = unfilled.len().min(limit);
    let mut control = Control([0; 512]);
    let mut address = [0_u8; size_of::<libc::sockaddr_storage>()];
    let mut vector = libc::iovec { iov_base: unfilled.as_mut_ptr().cast(), iov_len: room };
    // SAFETY: all zeros is a valid `msghdr`: no address, no buffers, no flags. Its fields are
    // set one by one because some C libraries have padding between them.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = address.as_mut_ptr().cast::<c_void>();
    message.msg_namelen = fit(size_of_val(&address))?;
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast::<c_void>();
    message.msg_controllen = fit(size_of_val(&control.0))?;
    // SAFETY: `message` points to one vector over `room` writable bytes, and to a writable
    // address and control buffer of the given lengths; all outlive the call.
    let length =
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags | libc::MSG_DONTWAIT) };
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
            let length = fit::<_, usize>(found.cmsg_len)?.saturating_sub(head);
            let data = slice::from_raw_parts(data, length);
            control_message(found.cmsg_level, found.cmsg_type, data);
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    // SAFETY: the kernel has written `length` bytes there, and no more than there was room for.
    unsafe { fill(buffer, length) };
    Ok(Message { length, flags: message.msg_flags, from: socket_address(&address) })
}

/// Converts a length. Its type in these structures differs between C libraries.
fn fit<From, To: TryFrom<From, Error: std::error::Error + Send + Sync + 'static>>(
    length: From,
) -> io::Result<To> {
    To::try_from(length).map_err(io::Error::other)
}
