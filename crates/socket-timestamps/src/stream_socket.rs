//! The kinds of stream sockets.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
};

use crate::SocketKind;

/// A TCP or unix stream socket.
#[derive(Debug)]
pub(crate) enum StreamSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Evaluates an expression with the inner socket.
macro_rules! either {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            StreamSocket::Tcp($inner) => $call,
            StreamSocket::Unix($inner) => $call,
        }
    };
}

impl StreamSocket {
    /// Returns the kind of the socket for timestamps. Unix sockets have none.
    pub(crate) fn kind(&self) -> Option<SocketKind> {
        match self {
            Self::Tcp(_) => Some(SocketKind::Tcp),
            Self::Unix(_) => None,
        }
    }

    pub(crate) fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(context))
    }

    pub(crate) fn poll_write_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_write_ready(context))
    }

    pub(crate) fn try_read<R>(&self, read: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        either!(self, socket => socket.try_io(Interest::READABLE, read))
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, socket => socket.try_write(bytes))
    }

    pub(crate) fn try_write_vectored(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.try_write_vectored(slices))
    }
}

impl AsFd for StreamSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, socket => socket.as_fd())
    }
}
