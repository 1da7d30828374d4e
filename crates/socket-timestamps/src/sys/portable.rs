//! The same functions for platforms without kernel timestamps.

use std::{io, os::fd::BorrowedFd};

use socket2::{MaybeUninitSlice, SockRef};
use tokio::io::ReadBuf;

use super::fill;
use crate::{
    IpVersion, TcpInfo,
    cmsg::{Queued, Reading},
};

pub(crate) fn timestamp_arrivals(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn timestamp_both_ways(_: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn receive_icmp_errors(_: BorrowedFd<'_>, _: IpVersion, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn receive_hop_limits(_: BorrowedFd<'_>, _: IpVersion) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn receive_only_echo_replies(_: BorrowedFd<'_>, _: IpVersion) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads at most `limit` bytes without waiting.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut ReadBuf<'_>,
    limit: usize,
) -> io::Result<Reading> {
    // SAFETY: the memory is only passed to the kernel, which writes to it.
    let unfilled = unsafe { buffer.unfilled_mut() };
    let room = unfilled.len().min(limit);
    let room = MaybeUninitSlice::new(unfilled.get_mut(..room).unwrap_or_default());
    let (length, flags, from) = SockRef::from(&socket).recv_from_vectored(&mut [room])?;
    // SAFETY: the kernel has written `length` bytes there.
    unsafe { fill(buffer, length) };
    let from = from.as_socket().map(|from| from.ip().to_canonical());
    Ok(Reading { length, truncated: flags.is_truncated(), from, ..Reading::default() })
}

pub(crate) fn queued(_: BorrowedFd<'_>) -> io::Result<Queued> {
    Err(io::ErrorKind::WouldBlock.into())
}

pub(crate) fn tcp_info(_: BorrowedFd<'_>) -> Option<TcpInfo> {
    None
}
