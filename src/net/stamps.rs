//! The system calls behind wire time: reading with the kernel's time stamps, and TCP's own figures.
//!
//! The only unsafe code of the crate. No safe crate reads `SCM_TIMESTAMPING` or `TCP_INFO`. One
//! setting of BoringSSL is here too, because the crate that wraps it leaves it out. Where
//! the platform has none of this, the same functions work without stamps; `make portable` builds
//! and tests these everywhere.

#![expect(unsafe_code, reason = "system calls that no safe crate wraps")]

use std::io;

use boring::ssl::SslContextBuilder;
use socket2::Socket;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

#[cfg(kernel_stamps)]
pub(super) use linux::{
    accept_only_echo_replies, queue_errors, queued, receive, show_hop_limits, stamp_arrivals,
    stamp_transmissions, tcp_facts,
};
#[cfg(not(kernel_stamps))]
pub(super) use portable::{
    accept_only_echo_replies, queue_errors, queued, receive, show_hop_limits, stamp_arrivals,
    stamp_transmissions, tcp_facts,
};

/// Puts a datagram socket under the watch of the runtime, its error queue included.
pub(super) fn watch(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: a `Socket` owns its file descriptor, names the same one as long as it lives, and
    // lives as long as the `AsyncFd` that it is moved into.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// Lets TLS peers send up to `bytes` of certificates; BoringSSL takes 100 KiB otherwise.
pub(super) fn allow_certificates(builder: &mut SslContextBuilder, bytes: usize) {
    // SAFETY: the pointer is that of a context that `builder` owns and nobody else has yet.
    unsafe { boring_sys::SSL_CTX_set_max_cert_list(builder.as_ptr(), bytes) };
}

/// Marks `length` bytes of the unfilled part as read.
///
/// # Safety
/// The kernel must have written so many bytes at the start of the unfilled part.
unsafe fn fill(buffer: &mut ReadBuf<'_>, length: usize) {
    // SAFETY: as the caller promises.
    unsafe { buffer.assume_init(length) };
    buffer.advance(length);
}

#[cfg(kernel_stamps)]
mod linux {
    use std::{
        io,
        mem::{size_of, size_of_val, zeroed},
        net::IpAddr,
        os::fd::{AsRawFd, BorrowedFd},
        ptr, slice,
    };

    use libc::{c_int, c_void};
    use tokio::io::ReadBuf;

    use crate::net::{
        control::{
            ExtendedError, Queued, Reading, TcpFacts, hop_limit, socket_address, software_stamp,
        },
        icmp_error::Quoted,
        stamps::fill,
    };

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

    /// Switches the reports of packets that could not be delivered on, which then come through the
    /// socket's error queue, or off.
    pub(in crate::net) fn queue_errors(
        socket: BorrowedFd<'_>,
        ipv6: bool,
        wanted: bool,
    ) -> io::Result<()> {
        let (level, name) = if ipv6 {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        } else {
            (libc::IPPROTO_IP, libc::IP_RECVERR)
        };
        set_option(socket, level, name, &c_int::from(wanted))
    }

    /// Has the kernel show the hop limit of every packet that is received.
    pub(in crate::net) fn show_hop_limits(socket: BorrowedFd<'_>, ipv6: bool) -> io::Result<()> {
        let (level, name) = if ipv6 {
            (libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)
        } else {
            (libc::IPPROTO_IP, libc::IP_RECVTTL)
        };
        let on: c_int = 1;
        set_option(socket, level, name, &on)
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
        let mut reading = Reading::default();
        let message =
            receive_message(socket, buffer, limit, 0, |level, kind, data| match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => reading.stamp = software_stamp(data),
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

    /// Takes one entry off the socket's error queue.
    pub(in crate::net) fn queued(socket: BorrowedFd<'_>) -> io::Result<Queued> {
        let (mut stamp, mut error) = (None, None);
        let mut quoted = Quoted::default();
        let (limit, flags) = (quoted.len(), libc::MSG_ERRQUEUE);
        let mut buffer = ReadBuf::new(&mut quoted);
        receive_message(socket, &mut buffer, limit, flags, |level, kind, data| {
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => stamp = software_stamp(data),
                (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                    error = ExtendedError::parse(data);
                }
                _ => {}
            }
        })?;
        Ok(error.map_or(Queued::Other, |error| error.queued(stamp, quoted)))
    }

    /// TCP's own figures about the connection.
    pub(in crate::net) fn tcp_facts(socket: BorrowedFd<'_>) -> Option<TcpFacts> {
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
        TcpFacts::parse(info.get(..usize::try_from(length).ok()?)?)
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

    /// What `recvmsg` says of a message.
    struct Message {
        length: usize,
        flags: c_int,
        from: Option<IpAddr>,
    }

    /// `recvmsg`: appends at most `limit` bytes to `buffer` and shows each control message.
    fn receive_message(
        socket: BorrowedFd<'_>,
        buffer: &mut ReadBuf<'_>,
        limit: usize,
        flags: c_int,
        mut control_message: impl FnMut(c_int, c_int, &[u8]),
    ) -> io::Result<Message> {
        // SAFETY: the memory is only handed to the kernel, which writes to it.
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

    /// Converts a length, whose type in these structures differs between C libraries.
    fn fit<From, To: TryFrom<From, Error: std::error::Error + Send + Sync + 'static>>(
        length: From,
    ) -> io::Result<To> {
        To::try_from(length).map_err(io::Error::other)
    }
}

#[cfg(not(kernel_stamps))]
mod portable {
    use std::{io, os::fd::BorrowedFd};

    use socket2::{MaybeUninitSlice, SockRef};
    use tokio::io::ReadBuf;

    use crate::net::{
        control::{Queued, Reading, TcpFacts},
        stamps::fill,
    };

    pub(in crate::net) fn stamp_arrivals(_: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn stamp_transmissions(_: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn queue_errors(_: BorrowedFd<'_>, _: bool, _: bool) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::net) fn show_hop_limits(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
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
        let room = MaybeUninitSlice::new(unfilled.get_mut(..room).unwrap_or_default());
        let (length, flags, from) = SockRef::from(&socket).recv_from_vectored(&mut [room])?;
        // SAFETY: the kernel has written `length` bytes there.
        unsafe { fill(buffer, length) };
        let from = from.as_socket().map(|from| from.ip().to_canonical());
        Ok(Reading { length, truncated: flags.is_truncated(), from, ..Reading::default() })
    }

    pub(in crate::net) fn queued(_: BorrowedFd<'_>) -> io::Result<Queued> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(in crate::net) fn tcp_facts(_: BorrowedFd<'_>) -> Option<TcpFacts> {
        None
    }
}
