//! A TCP connection that keeps account of when its bytes were on the wire.

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::net::{
    stamps,
    wire::{Kind, Mark, WireClock, support},
};

/// A TCP connection; reads take the kernel's time stamps, writes note when they were made.
///
/// What it learns is had from its [`WireClock`], also while TLS or HTTP own the stream.
pub struct WireStream {
    socket: Arc<TcpStream>,
    clock: WireClock,
    connect_time: Duration,
}

impl WireStream {
    /// Wraps a connection that was begun at `born` and took `connect_time` to make.
    pub(in crate::net) fn new(socket: TcpStream, born: Mark, connect_time: Duration) -> Self {
        support::stamp_arrivals(socket.as_fd());
        let socket = Arc::new(socket);
        let clock = WireClock::new(Arc::downgrade(&socket), born, connect_time);
        Self { socket, clock, connect_time }
    }

    /// The account of this connection.
    #[must_use]
    pub fn clock(&self) -> WireClock {
        self.clock.clone()
    }

    /// How long the network took to make the connection: the round-trip time of the handshake.
    #[must_use]
    pub fn connect_time(&self) -> Duration {
        self.connect_time
    }

    /// The address of the peer.
    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Our own address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Writes once the socket has room; the mark is taken just before the write that succeeds.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            let mark = Mark::now();
            match write(&self.socket) {
                Ok(length) => {
                    self.clock.tally().note_send(mark, length);
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for WireStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            // The kernel stamps a read with the arrival of its last byte. So the first byte of an
            // answer is read alone, or it would get the time of what came behind it.
            let limit = if self.clock.tally().awaits_answer() { 1 } else { usize::MAX };
            let read = self
                .socket
                .try_io(Interest::READABLE, || stamps::receive(self.socket.as_fd(), buffer, limit));
            match read {
                Ok(reading) => {
                    if reading.length > 0 {
                        let mut tally = self.clock.tally();
                        let mark = Mark::of_arrival(reading.stamp, tally.earliest());
                        tally.note_arrival(mark, reading.length);
                        support::note_reading(Kind::Tcp, mark);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for WireStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.socket).shutdown(std::net::Shutdown::Write))
    }
}

impl Drop for WireStream {
    fn drop(&mut self) {
        self.clock.tally().facts_at_end = stamps::tcp_facts(self.socket.as_fd());
    }
}

impl fmt::Debug for WireStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WireStream").field(&self.socket).finish()
    }
}
