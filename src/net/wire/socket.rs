//! The stream sockets that a probe may talk over.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use crate::net::wire::Kind;

/// A connection of the network, or one within this host.
#[derive(Debug)]
pub(in crate::net) enum StreamSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls the same method of either socket.
macro_rules! either {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            StreamSocket::Tcp($inner) => $call,
            StreamSocket::Unix($inner) => $call,
        }
    };
}

impl StreamSocket {
    /// The kind of its time stamps; the kernel stamps nothing that stays within this host's unix
    /// sockets.
    pub(super) fn stamped_as(&self) -> Option<Kind> {
        match self {
            Self::Tcp(_) => Some(Kind::Tcp),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(context))
    }

    pub(super) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_write_ready(context))
    }

    pub(super) fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        either!(self, socket => socket.try_io(Interest::READABLE, read))
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_write(bytes))
    }

    pub(super) fn try_write_vectored(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.try_write_vectored(slices))
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, socket => socket.as_fd())
    }
}

impl From<TcpStream> for StreamSocket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<UnixStream> for StreamSocket {
    fn from(socket: UnixStream) -> Self {
        Self::Unix(socket)
    }
}
