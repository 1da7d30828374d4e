//! A connection that keeps account of when its bytes were on the wire.

use std::{
    fmt, io,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::net::{
    stamps,
    wire::{Mark, WireClock, socket::StreamSocket, support},
};

/// A connection; reads take the kernel's time stamps, writes note when they were made.
///
/// What it learns is had from its [`WireClock`], also while TLS or HTTP own the stream.
pub struct WireStream {
    socket: Arc<StreamSocket>,
    clock: WireClock,
    connect_time: Duration,
}

impl WireStream {
    /// Wraps a connection that was begun at `born` and took `connect_time` to make.
    pub(in crate::net) fn new(
        socket: impl Into<StreamSocket>,
        born: Mark,
        connect_time: Duration,
    ) -> Self {
        let socket = Arc::new(socket.into());
        if socket.stamped_as().is_some() {
            support::stamp_arrivals(socket.as_fd());
        }
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

    /// When the peer ended the connection, as was read just now.
    ///
    /// That bears no stamp, but TCP knows for how long it has heard nothing. It counts in ticks of
    /// some milliseconds, so that what is no older than a few of them is timed by our own clock.
    fn end(&self) -> Mark {
        const COARSE: Duration = Duration::from_millis(10);
        let now = Mark::now();
        let facts = support::stamps_wanted().then(|| stamps::tcp_facts(self.socket.as_fd()));
        match facts.flatten() {
            Some(facts) if facts.silence > COARSE => now.before(facts.silence),
            _ => now,
        }
    }

    /// Writes once the socket has room; the mark is taken just before the write that succeeds.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&StreamSocket) -> io::Result<usize>,
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

/// Bytes that are read at once. Hyper makes as much room for the next read as the last one filled,
/// and what is larger than this comes fresh from the kernel each time.
const MOST_AT_ONCE: usize = 32 << 10;

impl AsyncRead for WireStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.socket.poll_read_ready(context))?;
            // The kernel stamps a read with the arrival of its last byte. So the first byte of an
            // answer is read alone, or it would get the time of what came behind it. When we are
            // late, the kernel may have merged what came behind with the first segment; the first
            // byte then still gets that time, which is at most as late as we are.
            let limit = self.clock.tally().read_limit(MOST_AT_ONCE);
            let room = buffer.remaining();
            let read = self.socket.try_read(|| stamps::receive(self.socket.as_fd(), buffer, limit));
            match read {
                Ok(reading) if reading.length > 0 => {
                    let mut tally = self.clock.tally();
                    let mark = Mark::of_arrival(reading.stamp, tally.born());
                    tally.note_arrival(mark, reading.length);
                    if let Some(kind) = self.socket.stamped_as() {
                        support::note_reading(kind, mark);
                    }
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => {
                    if room > 0 {
                        let mark = self.end();
                        self.clock.tally().note_end(mark);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.clock.tally().note_end(Mark::now());
                    return Poll::Ready(Err(error));
                }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpSocket, TcpStream, UnixStream},
    };

    use super::*;
    use crate::net::wire::{Kind, stamps_available};

    /// What the kernel of a busy machine may take to deliver what was sent.
    const ROOM: Duration = Duration::from_millis(200);

    /// A connection, with the peer's end of it.
    #[expect(clippy::disallowed_methods, reason = "a connection of the test")]
    async fn connection() -> (WireStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let born = Mark::now();
        let socket = TcpSocket::new_v4().expect("a socket");
        let stream = socket.connect(address).await.expect("it listens");
        let (peer, _) = listener.accept().await.expect("connected");
        (WireStream::new(stream, born, born.elapsed()), peer)
    }

    #[tokio::test]
    async fn a_late_reader_does_not_lengthen_the_reading() {
        let (mut stream, mut peer) = connection().await;
        stream.write_all(b"question").await.expect("open");
        let mut question = [0; 8];
        peer.read_exact(&mut question).await.expect("sent");
        let asked = Mark::now();
        peer.write_all(b"answer").await.expect("open");
        let answered = asked.elapsed();
        // As if this process got no CPU time for as long.
        std::thread::sleep(2 * ROOM);
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).await.expect("sent");
        let lap = stream.clock().lap();
        assert_eq!((lap.sent, lap.received), (8, 6));
        if stamps_available(Kind::Tcp) {
            let send = lap.last_send.expect("sent");
            assert!(lap.first_byte.expect("received").by_kernel());
            assert!(lap.waiting < asked.since(send) + answered + ROOM, "{lap:?}");
        } else {
            assert!(lap.waiting >= 2 * ROOM, "{lap:?}");
        }
    }

    #[tokio::test]
    async fn the_first_byte_is_told_from_those_behind_it() {
        let (mut stream, mut peer) = connection().await;
        stream.write_all(b"?").await.expect("open");
        peer.write_all(b"first").await.expect("open");
        let mut byte = [0; 5];
        let length = stream.read(&mut byte).await.expect("sent");
        assert_eq!(length, 1, "the first byte is read alone");
        let clock = stream.clock();
        let first = clock.last_arrival();
        peer.write_all(b"second").await.expect("open");
        let mut rest = [0; 10];
        stream.read_exact(&mut rest).await.expect("sent");
        assert_eq!(&rest, b"irstsecond");
        let lap = clock.lap();
        assert_eq!(lap.first_byte, first);
        let (first, last) = (lap.first_byte.expect("noted"), lap.last_byte.expect("noted"));
        assert!(last.since(first) > Duration::ZERO);
        assert_eq!(lap.waiting, last.since(lap.last_send.expect("sent")));
        assert_eq!(clock.lap(), crate::net::wire::Lap::default());
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_seen_and_facts_outlive_it() {
        let (mut stream, mut peer) = connection().await;
        let clock = stream.clock();
        peer.write_all(b"bye").await.expect("open");
        drop(peer);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("orderly");
        assert_eq!(all, b"bye");
        let before = clock.tcp_facts();
        drop(stream);
        let after = clock.tcp_facts();
        assert_eq!(before.is_some(), cfg!(kernel_stamps));
        assert_eq!(before.map(|facts| facts.retransmits), after.map(|facts| facts.retransmits));
        assert_eq!(clock.so_far().received, 3);
    }

    #[tokio::test]
    async fn an_end_that_is_read_late_is_timed_when_it_came() {
        let (mut stream, mut peer) = connection().await;
        peer.write_all(b"bye").await.expect("open");
        stream.read_exact(&mut [0; 3]).await.expect("sent");
        drop(peer);
        let ended = Mark::now();
        std::thread::sleep(2 * ROOM);
        assert_eq!(stream.read(&mut []).await.expect("no room"), 0);
        assert_eq!(stream.clock().so_far().end, None, "nothing was read");
        assert_eq!(stream.read(&mut [0]).await.expect("orderly"), 0);
        let end = stream.clock().lap().end.expect("the end was read");
        let late = end.since(ended);
        assert_eq!(late < ROOM, cfg!(kernel_stamps), "{late:?}");
    }

    #[tokio::test]
    async fn a_dropped_stream_closes_although_a_clock_lives() {
        let (stream, mut peer) = connection().await;
        let clock = stream.clock();
        drop(stream);
        assert_eq!(peer.read(&mut [0; 1]).await.expect("orderly"), 0);
        drop(clock);
    }

    #[tokio::test]
    async fn a_unix_socket_is_timed_by_our_own_clock() {
        let (ours, mut peer) = UnixStream::pair().expect("two sockets");
        let mut stream = WireStream::new(ours, Mark::now(), Duration::ZERO);
        stream.write_all(b"?").await.expect("open");
        assert_eq!(peer.read_u8().await.expect("sent"), b'?');
        peer.write_all(b"!").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("sent"), b'!');
        let lap = stream.clock().lap();
        assert!(!lap.first_byte.expect("received").by_kernel());
        assert!(lap.waiting > Duration::ZERO);
        assert_eq!(stream.clock().tcp_facts(), None);
    }

    #[tokio::test]
    async fn what_is_shut_down_can_still_be_read_from() {
        let (mut stream, mut peer) = connection().await;
        stream.shutdown().await.expect("open");
        assert_eq!(peer.read(&mut [0; 1]).await.expect("orderly"), 0);
        peer.write_all(b"x").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("sent"), b'x');
    }
}
