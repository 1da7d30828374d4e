//! The time for which a task has been waiting for its peers.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use crate::Timestamp;

thread_local! {
    static SEARCH: Cell<Search> = const { Cell::new(Search::Off) };
}

/// A search by [`find_wait`].
#[derive(Clone, Copy)]
enum Search {
    Off,
    On { longest: Option<Wait> },
}

/// A wait for a peer that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Time at which it began: when bytes were sent last, or when the last ones arrived.
    pub since: Timestamp,
    /// Time of the earlier waits of the same exchange.
    pub earlier: Duration,
}

impl Wait {
    /// Returns the time of the peer until now.
    #[must_use]
    pub fn total(self) -> Duration {
        self.earlier + self.since.elapsed()
    }
}

/// Runs `poll`, which polls a future, and returns the longest wait for a peer among the sockets that the
/// future waits for. `None` if it waits for something else, for example another task.
///
/// A program that was late for its own deadline learns by this how much of the time its peer had: a
/// socket that it has not read or written yet does not wait.
///
/// ```
/// # use std::{future::{Future, poll_fn}, net::{Ipv4Addr, SocketAddr}, pin::pin, task::Poll};
/// # use socket2::{Protocol, Type};
/// # use socket_timestamps::{SocketKind, WireDatagram, find_wait, open};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
/// # let socket = open(address, Type::DGRAM, Protocol::UDP)?;
/// let socket = WireDatagram::new(socket, SocketKind::Udp)?;
/// let mut buffer = [0; 512];
/// let mut event = pin!(socket.event(&mut buffer));
/// let (_, wait) =
///     poll_fn(|context| Poll::Ready(find_wait(|| event.as_mut().poll(context)))).await;
/// assert!(wait.is_some());
/// # Ok(())
/// # }
/// ```
pub fn find_wait<T>(poll: impl FnOnce() -> T) -> (T, Option<Wait>) {
    let outer = SEARCH.replace(Search::On { longest: None });
    let polled = poll();
    match SEARCH.replace(outer) {
        Search::On { longest } => (polled, longest),
        Search::Off => (polled, None),
    }
}

/// Adds a wait, if a search is running.
pub(crate) fn note(find: impl FnOnce() -> Wait) {
    let Search::On { longest } = SEARCH.get() else { return };
    let wait = find();
    if longest.is_none_or(|longest| longest.total() < wait.total()) {
        SEARCH.set(Search::On { longest: Some(wait) });
    }
}

/// Waits for a future that waits for a peer, so that [`find_wait`] finds the wait. The sockets of this
/// crate do so themselves; a longer wait takes precedence over theirs.
///
/// The future is pinned by the caller, since it would take its memory twice otherwise.
pub async fn waiting<F: Future>(mut future: Pin<&mut F>, wait: impl Fn() -> Wait) -> F::Output {
    poll_fn(|context| noted_poll(future.as_mut().poll(context), &wait)).await
}

/// Notes a wait if a socket is not ready.
pub(crate) fn noted_poll<T>(polled: Poll<T>, wait: impl FnOnce() -> Wait) -> Poll<T> {
    if polled.is_pending() {
        note(wait);
    }
    polled
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "connections of the tests")]
mod tests {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        pin::pin,
        thread::sleep,
    };

    use socket2::{Protocol, Type};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, UdpSocket},
    };

    use super::*;
    use crate::{SocketKind, WireDatagram, WireStream, open};

    const LATE: Duration = Duration::from_millis(100);

    /// Polls the future once.
    async fn wait_of<F: Future>(future: F) -> Option<Wait> {
        let mut future = pin!(future);
        let (polled, wait) =
            poll_fn(|context| Poll::Ready(find_wait(|| future.as_mut().poll(context)))).await;
        assert!(polled.is_pending());
        wait
    }

    /// Returns a connection to `listener`.
    async fn connect(listener: &TcpListener) -> WireStream {
        let address = listener.local_addr().expect("bound");
        let socket = open(address, Type::STREAM, Protocol::TCP).expect("a socket");
        WireStream::connect(socket, address).await.expect("it listens")
    }

    #[tokio::test]
    async fn a_peer_that_was_asked_late_had_little_time() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let mut stream = connect(&listener).await;
        sleep(LATE);
        stream.write_all(b"question").await.expect("open");
        let asked = Timestamp::now();
        let wait = wait_of(stream.read_u8()).await.expect("for the peer");
        assert!(wait.total() < asked.elapsed() + LATE, "{wait:?}");
        sleep(LATE);
        let wait = wait_of(stream.read_u8()).await.expect("for the peer");
        assert!(wait.total() >= LATE, "{wait:?}");
    }

    #[tokio::test]
    async fn earlier_waits_of_an_exchange_count() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let mut stream = connect(&listener).await;
        let (mut peer, _) = listener.accept().await.expect("connected");
        stream.write_all(b"question").await.expect("open");
        tokio::time::sleep(LATE).await;
        peer.write_all(b"a").await.expect("open");
        assert_eq!(stream.read_u8().await.expect("sent"), b'a');
        let wait = wait_of(stream.read_u8()).await.expect("for the peer");
        assert!(wait.earlier >= LATE && wait.since.elapsed() < wait.earlier, "{wait:?}");
    }

    #[tokio::test]
    async fn the_peer_of_a_handshake_has_time_since_its_start() {
        // No address of the documentation network answers; the kernel may have no route to it.
        let address = SocketAddr::from(([192, 0, 2, 1], 9));
        let socket = open(address, Type::STREAM, Protocol::TCP).expect("a socket");
        let connecting = WireStream::connect(socket, address);
        let mut connecting = pin!(connecting);
        let mut poll = async || {
            poll_fn(|context| Poll::Ready(find_wait(|| connecting.as_mut().poll(context)))).await
        };
        let (polled, wait) = poll().await;
        if polled.is_pending() {
            assert!(wait.is_some());
            sleep(LATE);
            let wait = poll().await.1.expect("for the peer");
            assert!(wait.total() >= LATE, "{wait:?}");
        }
    }

    #[tokio::test]
    async fn the_peer_of_a_datagram_has_time_since_the_send() {
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = peer.local_addr().expect("bound");
        let socket = open(address, Type::DGRAM, Protocol::UDP).expect("a socket");
        socket.connect(&address.into()).expect("loopback");
        let datagrams = WireDatagram::new(socket, SocketKind::Udp).expect("registered");
        sleep(LATE);
        datagrams.send(b"question").await.expect("room");
        let asked = Timestamp::now();
        let mut buffer = [0; 16];
        let wait = wait_of(datagrams.event(&mut buffer)).await.expect("for the peer");
        assert!(wait.total() < asked.elapsed() + LATE, "{wait:?}");
    }

    #[tokio::test]
    async fn other_waits_are_not_of_a_peer() {
        assert_eq!(wait_of(std::future::pending::<()>()).await, None);
    }
}
