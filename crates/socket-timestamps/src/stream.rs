//! Streams with the times of their bytes.

use std::{
    fmt, io,
    os::fd::AsFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{
    Timestamp, WireClock, availability, stream_socket::StreamSocket, sys, wait::noted_poll,
};

/// A TCP or unix stream that records when its bytes were sent and received.
///
/// Reads take the kernel's receive timestamps; writes take the time just before the system call.
/// The times are available from its [`WireClock`], also while TLS or HTTP own the stream.
///
/// The first byte of an answer is read alone, because the kernel's timestamp of a read is that of
/// its last byte.
pub struct WireStream {
    socket: Arc<StreamSocket>,
    clock: WireClock,
    connect_time: Duration,
}

impl WireStream {
    /// Wraps a TCP connection that was started at `started` and took `connect_time` to make.
    #[must_use]
    pub fn from_tcp(stream: TcpStream, started: Timestamp, connect_time: Duration) -> Self {
        availability::timestamp_arrivals(stream.as_fd());
        Self::new(StreamSocket::Tcp(stream), started, connect_time)
    }

    /// Wraps a unix stream that was connected at `started` in `connect_time`.
    ///
    /// The kernel has no timestamps for unix sockets, so that the clock of the process is used.
    #[must_use]
    pub fn from_unix(stream: UnixStream, started: Timestamp, connect_time: Duration) -> Self {
        Self::new(StreamSocket::Unix(stream), started, connect_time)
    }

    fn new(socket: StreamSocket, started: Timestamp, connect_time: Duration) -> Self {
        let socket = Arc::new(socket);
        let clock = WireClock::new(Arc::downgrade(&socket), started, connect_time);
        Self { socket, clock, connect_time }
    }

    /// Returns the clock of this connection.
    #[must_use]
    pub fn clock(&self) -> WireClock {
        self.clock.clone()
    }

    /// Returns the time that the network took to make the connection: the round-trip time of the
    /// handshake.
    #[must_use]
    pub fn connect_time(&self) -> Duration {
        self.connect_time
    }

    /// Returns the time at which the peer closed the connection, which was read just now.
    ///
    /// The kernel gives no timestamp for it, but TCP knows since when it has received nothing. That
    /// time has a resolution of some milliseconds, so that a recent end is timed by this process.
    fn end(&self) -> Timestamp {
        const RESOLUTION: Duration = Duration::from_millis(10);
        let now = Timestamp::now();
        let info = availability::is_enabled().then(|| sys::tcp_info(self.socket.as_fd()));
        match info.flatten() {
            Some(info) if info.silence > RESOLUTION => now.before(info.silence),
            _ => now,
        }
    }

    fn noted<T>(&self, polled: Poll<T>) -> Poll<T> {
        noted_poll(polled, || self.clock.state().wait())
    }

    /// Writes as soon as the socket has room. The time is taken just before the successful write.
    fn poll_send(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&StreamSocket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.noted(self.socket.poll_write_ready(context)))?;
            let time = Timestamp::now();
            match write(&self.socket) {
                Ok(length) => {
                    self.clock.state().note_send(time, length);
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Maximum number of bytes that are read at once.
///
/// Each read sends an acknowledgement, so that larger reads need less CPU time, up to this size.
const MAX_READ: usize = 128 << 10;

impl AsyncRead for WireStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.noted(self.socket.poll_read_ready(context)))?;
            // The timestamp of a read is the arrival of its last byte. So the first byte of an
            // answer is read alone, or it would get the time of the bytes after it. If this process
            // is late, the kernel may have merged later segments with the first one. The first byte
            // then still gets their time, which is at most as late as this process.
            let limit = self.clock.state().read_limit(MAX_READ);
            let room = buffer.remaining();
            let read = self.socket.try_read(|| sys::receive(self.socket.as_fd(), buffer, limit));
            match read {
                Ok(reading) if reading.length > 0 => {
                    let mut state = self.clock.state();
                    let time = Timestamp::of_arrival(reading.stamp, state.started());
                    state.note_arrival(time, reading.length);
                    if let Some(kind) = self.socket.kind() {
                        availability::count_receive(kind, time);
                    }
                    return Poll::Ready(Ok(()));
                }
                Ok(_) => {
                    if room > 0 {
                        let time = self.end();
                        self.clock.state().note_end(time);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.clock.state().note_end(Timestamp::now());
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
        self.clock.state().final_tcp_info = sys::tcp_info(self.socket.as_fd());
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
        net::TcpListener,
    };

    use super::*;
    use crate::{Lap, SUPPORTED, SocketKind, kernel_timestamps_available};

    /// Tolerance for the kernel of a busy machine to deliver what was sent.
    const TOLERANCE: Duration = Duration::from_millis(200);

    /// Returns a connection and the stream of the peer.
    #[expect(clippy::disallowed_methods, reason = "a connection of the test")]
    async fn connection() -> (WireStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let started = Timestamp::now();
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (peer, _) = listener.accept().await.expect("connected");
        (WireStream::from_tcp(stream, started, started.elapsed()), peer)
    }

    #[tokio::test]
    async fn a_late_reader_does_not_lengthen_the_measured_time() {
        let (mut stream, mut peer) = connection().await;
        stream.write_all(b"question").await.expect("open");
        let mut question = [0; 8];
        peer.read_exact(&mut question).await.expect("sent");
        let asked = Timestamp::now();
        peer.write_all(b"answer").await.expect("open");
        let answered = asked.elapsed();
        // Simulates a process without CPU time.
        std::thread::sleep(2 * TOLERANCE);
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).await.expect("sent");
        let lap = stream.clock().lap();
        assert_eq!((lap.sent, lap.received), (8, 6));
        if kernel_timestamps_available(SocketKind::Tcp) {
            let send = lap.last_send.expect("sent");
            assert!(lap.first_byte.expect("received").is_from_kernel());
            assert!(lap.waiting < asked.since(send) + answered + TOLERANCE, "{lap:?}");
        } else {
            assert!(lap.waiting >= 2 * TOLERANCE, "{lap:?}");
        }
    }

    #[tokio::test]
    async fn the_first_byte_has_a_time_of_its_own() {
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
        assert_eq!(clock.lap(), Lap::default());
    }

    #[tokio::test]
    async fn statistics_of_tcp_outlive_the_stream() {
        let (mut stream, mut peer) = connection().await;
        let clock = stream.clock();
        peer.write_all(b"bye").await.expect("open");
        drop(peer);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("orderly");
        assert_eq!(all, b"bye");
        let before = clock.tcp_info();
        drop(stream);
        let after = clock.tcp_info();
        assert_eq!(before.is_some(), SUPPORTED);
        assert_eq!(before.map(|info| info.retransmits), after.map(|info| info.retransmits));
        assert_eq!(clock.so_far().received, 3);
    }

    #[tokio::test]
    async fn an_end_that_is_read_late_has_the_time_at_which_it_came() {
        let (mut stream, mut peer) = connection().await;
        peer.write_all(b"bye").await.expect("open");
        stream.read_exact(&mut [0; 3]).await.expect("sent");
        drop(peer);
        let ended = Timestamp::now();
        std::thread::sleep(2 * TOLERANCE);
        assert_eq!(stream.read(&mut []).await.expect("no room"), 0);
        assert_eq!(stream.clock().so_far().end, None, "nothing was read");
        assert_eq!(stream.read(&mut [0]).await.expect("orderly"), 0);
        let end = stream.clock().lap().end.expect("the end was read");
        let late = end.since(ended);
        assert_eq!(late < TOLERANCE, SUPPORTED, "{late:?}");
    }

    #[tokio::test]
    async fn a_dropped_stream_is_closed_although_a_clock_lives() {
        let (stream, mut peer) = connection().await;
        let clock = stream.clock();
        drop(stream);
        assert_eq!(peer.read(&mut [0; 1]).await.expect("orderly"), 0);
        drop(clock);
    }

    #[tokio::test]
    async fn a_unix_socket_has_times_of_the_process() {
        let (ours, mut peer) = UnixStream::pair().expect("two sockets");
        let mut stream = WireStream::from_unix(ours, Timestamp::now(), Duration::ZERO);
        stream.write_all(b"?").await.expect("open");
        assert_eq!(peer.read_u8().await.expect("sent"), b'?');
        peer.write_all(b"!").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("sent"), b'!');
        let lap = stream.clock().lap();
        assert!(!lap.first_byte.expect("received").is_from_kernel());
        assert!(lap.waiting > Duration::ZERO);
        assert_eq!(stream.clock().tcp_info(), None);
    }

    #[tokio::test]
    async fn a_stream_can_be_read_after_shutdown() {
        let (mut stream, mut peer) = connection().await;
        stream.shutdown().await.expect("open");
        assert_eq!(peer.read(&mut [0; 1]).await.expect("orderly"), 0);
        peer.write_all(b"x").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("sent"), b'x');
    }
}
