//! System calls that no safe crate wraps: `SCM_TIMESTAMPING`, the error queue, `TCP_INFO`.
//!
//! The only unsafe code of the crate. Other platforms have the same functions without timestamps.

#![expect(unsafe_code, reason = "system calls that no safe crate wraps")]

use std::{io, os::fd::AsFd};

use socket2::Socket;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

#[cfg(kernel_timestamps)]
use self::linux as platform;
pub(crate) use self::platform::{
    queued, receive, receive_hop_limits, receive_only_echo_replies, tcp_info, timestamp_arrivals,
    timestamp_both_ways,
};
#[cfg(not(kernel_timestamps))]
use self::portable as platform;
use crate::IpVersion;

#[cfg(kernel_timestamps)]
mod linux;
#[cfg(not(kernel_timestamps))]
mod portable;

/// Registers a datagram socket with the runtime. Its error queue wakes the task, too.
///
/// # Errors
///
/// Without a runtime, or if the runtime cannot register the socket.
pub fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    let interest = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
    // SAFETY: a `Socket` owns its file descriptor, returns the same one as long as it lives, and
    // lives as long as the `AsyncFd` that it is moved into.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// Enables or disables the error queue: the kernel then reports ICMP errors about sent packets
/// there, and fails the next call with their error number.
///
/// # Errors
///
/// `Unsupported` on platforms without an error queue.
pub fn receive_icmp_errors(socket: impl AsFd, version: IpVersion, enabled: bool) -> io::Result<()> {
    platform::receive_icmp_errors(socket.as_fd(), version, enabled)
}

/// Marks `length` bytes of the unfilled part of `buffer` as read.
///
/// # Safety
///
/// The kernel must have written that many bytes at the start of the unfilled part.
unsafe fn fill(buffer: &mut ReadBuf<'_>, length: usize) {
    // SAFETY: guaranteed by the caller.
    unsafe { buffer.assume_init(length) };
    buffer.advance(length);
}
