//! A datagram socket, UDP or ICMP, that says when each datagram was sent and received.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

use socket2::Socket;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

use crate::{
    diagnostics::{Failure, Stage},
    net::{
        control::Queued,
        icmp_error::{Ends, Undelivered},
        stamps,
        wire::{Kind, Mark, support},
    },
};

/// A connected datagram socket; the kernel passes on what comes from the peer alone.
pub struct WireDatagram {
    socket: AsyncFd<Socket>,
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    born: Mark,
    last_send: Option<Mark>,
    /// Was found while a datagram was read, and comes next.
    pending: Option<Undelivered>,
    /// The error number of the last ICMP message that the error queue held: the kernel lets the next
    /// call fail with it as well.
    reported: Option<i32>,
}

/// What comes of waiting at a datagram socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A datagram.
    Arrival(Arrival),
    /// Word that one of ours could not be delivered.
    Undelivered(Undelivered),
}

/// One datagram that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// How many bytes are in the buffer.
    pub length: usize,
    /// Whether the datagram was longer than the buffer.
    pub truncated: bool,
    /// When it arrived.
    pub at: Mark,
    /// When the last datagram before it was sent: as it left, where the kernel says so, otherwise
    /// just before it was handed over.
    pub sent: Option<Mark>,
    /// Its time to live or hop limit, where the socket asked for that.
    pub hop_limit: Option<u8>,
    /// Who sent it.
    pub from: Option<IpAddr>,
}

impl WireDatagram {
    /// Takes over a connected, non-blocking datagram socket.
    pub fn new(socket: Socket, kind: Kind) -> io::Result<Self> {
        support::stamp_both_ways(socket.as_fd());
        let state = State { born: Mark::now(), last_send: None, pending: None, reported: None };
        Ok(Self { socket: stamps::watch(socket)?, kind, state: Mutex::new(state) })
    }

    /// Has the kernel say what could not be delivered, and with which hop limit datagrams come.
    pub fn hear_more(&self, ipv6: bool) -> io::Result<()> {
        let socket = self.socket.get_ref().as_fd();
        stamps::queue_errors(socket, ipv6, true)?;
        stamps::show_hop_limits(socket, ipv6)
    }

    /// Has a raw ICMP socket pass on echo replies alone.
    pub fn hear_only_echo_replies(&self, ipv6: bool) -> io::Result<()> {
        stamps::accept_only_echo_replies(self.socket.get_ref().as_fd(), ipv6)
    }

    /// Sends one datagram; gives the moment just before it was handed to the kernel.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<Mark> {
        let send = |socket: &Socket| self.hand_over(socket, bytes);
        // A new socket has room, and to be told so would take a turn of the runtime.
        match send(self.socket.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.async_io(Interest::WRITABLE, send).await
            }
            outcome => outcome,
        }
    }

    /// Waits for the next datagram, or for word of one that could not be delivered; this comes only
    /// if it was asked for.
    pub async fn event(&self, buffer: &mut [u8]) -> io::Result<Event> {
        self.socket
            .async_io(Interest::READABLE | Interest::ERROR, |socket| self.next(socket, buffer))
            .await
    }

    /// Sends one datagram if the socket has room for it.
    #[cfg(feature = "http3")]
    pub fn send_now(&self, bytes: &[u8]) -> io::Result<Mark> {
        self.hand_over(self.socket.get_ref(), bytes)
    }

    /// What has come already; `None` when nothing has.
    #[cfg(feature = "http3")]
    pub fn event_now(&self, buffer: &mut [u8]) -> io::Result<Option<Event>> {
        match self.next(self.socket.get_ref(), buffer) {
            Ok(event) => Ok(Some(event)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has the kernel send datagrams whole or not at all, as QUIC wants it (RFC 9000, section 14).
    #[cfg(all(feature = "http3", target_os = "linux"))]
    pub fn forbid_fragments(&self, ipv6: bool) -> io::Result<()> {
        use rustix::net::sockopt::{
            Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
        };

        let socket = self.socket.get_ref();
        let set = if ipv6 {
            set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::DO)
        } else {
            set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DO)
        };
        Ok(set?)
    }

    /// Our own address.
    #[cfg(feature = "http3")]
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.get_ref().local_addr()?.as_socket();
        address.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// The failure of `stage` that an undelivered datagram means; `doing` says what was tried, and is
    /// left out when empty.
    #[must_use]
    pub fn failure(
        &self,
        undelivered: &Undelivered,
        stage: Stage,
        doing: &str,
        peer: IpAddr,
    ) -> Failure {
        let own = self.socket.get_ref().local_addr().ok().and_then(|address| address.as_socket());
        let ends = Ends { own: own.map(|own| own.ip()), peer, has_port: self.kind != Kind::Icmp };
        undelivered.failure(stage, doing, ends)
    }

    /// When the last datagram was sent, if one was: as it left, where the kernel has said so.
    #[must_use]
    pub fn last_send(&self) -> Option<Mark> {
        self.state().last_send
    }

    fn hand_over(&self, socket: &Socket, bytes: &[u8]) -> io::Result<Mark> {
        loop {
            let mark = Mark::now();
            match socket.send(bytes) {
                Ok(_) => {
                    self.state().last_send = Some(mark);
                    return Ok(mark);
                }
                // An ICMP message about an earlier packet; the error queue has it too.
                Err(error) => {
                    if let Some(undelivered) = self.drain_queue(socket) {
                        self.state().pending = Some(undelivered);
                    }
                    if !self.was_reported(&error) {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn next(&self, socket: &Socket, buffer: &mut [u8]) -> io::Result<Event> {
        let pending = self.state().pending.take();
        if let Some(undelivered) = pending {
            return Ok(Event::Undelivered(undelivered));
        }
        let mut buffer = ReadBuf::new(buffer);
        let reading = loop {
            let read = stamps::receive(socket.as_fd(), &mut buffer, usize::MAX);
            // By now the queue holds the stamp of the send that a datagram answers. What could not
            // be delivered is in the queue, and may show as an error of the read as well.
            let undelivered = self.drain_queue(socket);
            match (read, undelivered) {
                (Ok(reading), undelivered) => {
                    self.state().pending = undelivered;
                    break reading;
                }
                (Err(error), Some(undelivered)) => {
                    self.was_reported(&error);
                    return Ok(Event::Undelivered(undelivered));
                }
                (Err(error), None) if self.was_reported(&error) => {}
                (Err(error), None) => return Err(error),
            }
        };
        let state = *self.state();
        let at = Mark::of_arrival(reading.stamp, state.born);
        support::note_reading(self.kind, at);
        Ok(Event::Arrival(Arrival {
            length: reading.length,
            truncated: reading.truncated,
            at,
            sent: state.last_send,
            hop_limit: reading.hop_limit,
            from: reading.from,
        }))
    }

    /// Takes in what the error queue holds: when datagrams left, until one that did not arrive.
    fn drain_queue(&self, socket: &Socket) -> Option<Undelivered> {
        while let Ok(queued) = stamps::queued(socket.as_fd()) {
            match queued {
                Queued::Sent(stamp) => {
                    let mut state = self.state();
                    state.last_send =
                        state.last_send.map(|handed| Mark::of_transmission(stamp, handed));
                }
                Queued::Undelivered(undelivered) => {
                    if undelivered.icmp.is_some() {
                        self.state().reported = Some(undelivered.errno);
                    }
                    return Some(undelivered);
                }
                Queued::Notice(errno) => self.state().reported = Some(errno),
                Queued::Other => {}
            }
        }
        None
    }

    /// Whether an error of a call says again what the error queue has said; it does so once.
    fn was_reported(&self, error: &io::Error) -> bool {
        let errno = error.raw_os_error();
        let mut state = self.state();
        let is_known = errno.is_some() && state.reported == errno;
        if is_known {
            state.reported = None;
        }
        is_known
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WireDatagram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("WireDatagram").field(&self.kind).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use socket2::{Domain, Type};
    use tokio::net::UdpSocket;

    use super::*;
    use crate::{diagnostics::Reason, net::wire::stamps_available};

    /// What the kernel of a busy machine may take to deliver what was sent.
    const ROOM: Duration = Duration::from_millis(200);

    #[expect(clippy::disallowed_methods, reason = "a connection of the test")]
    fn connect(address: SocketAddr) -> WireDatagram {
        let kind = Type::DGRAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, None).expect("a socket");
        socket.connect(&address.into()).expect("loopback");
        WireDatagram::new(socket, Kind::Udp).expect("a socket")
    }

    #[tokio::test]
    async fn a_late_reader_does_not_lengthen_the_reading() {
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = peer.local_addr().expect("bound");
        let datagram = connect(address);
        let handed = datagram.send(b"question").await.expect("open");
        let mut buffer = [0; 4];
        let (_, from) = peer.recv_from(&mut buffer).await.expect("sent");
        peer.send_to(b"answer", from).await.expect("open");
        let answered = handed.elapsed();
        // As if this process got no CPU time for as long.
        std::thread::sleep(2 * ROOM);
        let Event::Arrival(arrival) = datagram.event(&mut buffer).await.expect("sent") else {
            panic!("an answer came");
        };
        assert_eq!((arrival.length, arrival.truncated, &buffer), (4, true, b"answ"));
        let sent = arrival.sent.expect("sent");
        assert_eq!(datagram.last_send(), Some(sent));
        let waiting = arrival.at.since(sent);
        if stamps_available(Kind::Udp) {
            assert!(arrival.at.by_kernel());
            assert!(waiting < answered + ROOM, "{waiting:?} of {answered:?}");
        } else {
            assert!(waiting >= 2 * ROOM, "{waiting:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_port_is_an_error() {
        // A privileged port is never handed out to others, and this one has no service.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let datagram = connect(address);
        drop(datagram.hear_more(false));
        datagram.send(b"question").await.expect("open");
        let (stage, peer) = (Stage::Response, address.ip());
        let failure = match datagram.event(&mut [0; 8]).await {
            Ok(Event::Undelivered(undelivered)) => {
                datagram.failure(&undelivered, stage, "waiting", peer)
            }
            // Where the kernel does not show the ICMP message.
            Err(error) => Failure::io(stage, "waiting", &error),
            Ok(Event::Arrival(_)) => panic!("nobody listens"),
        };
        assert_eq!(failure.reason, Reason::Refused, "{failure}");
    }
}
