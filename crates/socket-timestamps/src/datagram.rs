//! UDP and ICMP sockets with the times of their datagrams.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use socket2::Socket;
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

use crate::{
    IpVersion, SocketKind, Timestamp, availability,
    cmsg::Queued,
    icmp::DeliveryError,
    sys,
    wait::{Wait, waiting},
};

/// A connected UDP or ICMP socket that records when its datagrams were sent and received.
///
/// Because the socket is connected, the kernel delivers only datagrams of the peer. One datagram is
/// expected to be in flight: a transmit timestamp is assigned to the last send.
pub struct WireDatagram {
    socket: AsyncFd<Socket>,
    kind: SocketKind,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    started: Timestamp,
    last_send: Option<Timestamp>,
    /// An error that was found while a datagram was read. It is the next event.
    pending: Option<DeliveryError>,
    /// The error number of the last ICMP message from the error queue. The kernel reports it again
    /// as the error of the next call.
    reported: Option<i32>,
}

/// An event of a datagram socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A datagram arrived.
    Arrival(Arrival),
    /// A datagram that was sent could not be delivered.
    Undelivered(DeliveryError),
}

/// A received datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Number of bytes in the buffer.
    pub length: usize,
    /// The datagram was longer than the buffer, and its end is lost.
    pub truncated: bool,
    /// Time at which it arrived.
    pub at: Timestamp,
    /// Time at which the last datagram before it was sent: the kernel's transmit timestamp, or else
    /// the time just before the system call.
    pub sent: Option<Timestamp>,
    /// Time to live or hop limit, if [`WireDatagram::receive_errors_and_hop_limits`] was called.
    pub hop_limit: Option<u8>,
    /// The sender.
    pub from: Option<IpAddr>,
}

impl WireDatagram {
    /// Wraps a connected, non-blocking datagram socket.
    pub fn new(socket: Socket, kind: SocketKind) -> io::Result<Self> {
        availability::timestamp_both_ways(socket.as_fd());
        let state =
            State { started: Timestamp::now(), last_send: None, pending: None, reported: None };
        Ok(Self { socket: sys::register(socket)?, kind, state: Mutex::new(state) })
    }

    /// Enables ICMP errors as events, and the hop limits of received datagrams.
    ///
    /// # Errors
    ///
    /// `Unsupported` on platforms without them.
    pub fn receive_errors_and_hop_limits(&self, version: IpVersion) -> io::Result<()> {
        sys::receive_icmp_errors(self, version, true)?;
        sys::receive_hop_limits(self.as_fd(), version)
    }

    /// Makes a raw ICMP socket receive only echo replies.
    ///
    /// # Errors
    ///
    /// `Unsupported` on platforms without that filter.
    pub fn receive_only_echo_replies(&self, version: IpVersion) -> io::Result<()> {
        sys::receive_only_echo_replies(self.as_fd(), version)
    }

    /// Sends a datagram. Returns the time just before it was passed to the kernel.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<Timestamp> {
        let send = |socket: &Socket| self.pass_to_kernel(socket, bytes);
        // A new socket has room. Waiting for its readiness would take a turn of the runtime.
        match send(self.socket.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.async_io(Interest::WRITABLE, send).await
            }
            outcome => outcome,
        }
    }

    /// Waits for the next event.
    pub async fn event(&self, buffer: &mut [u8]) -> io::Result<Event> {
        let event = pin!(self.socket.async_io(Interest::READABLE | Interest::ERROR, |socket| {
            self.next(socket, buffer)
        }));
        waiting(event, || self.wait()).await
    }

    /// Sends a datagram without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the socket has no room for it.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<Timestamp> {
        self.pass_to_kernel(self.socket.get_ref(), bytes)
    }

    /// Returns the next event without waiting. `None` if there is none.
    pub fn try_event(&self, buffer: &mut [u8]) -> io::Result<Option<Event>> {
        match self.next(self.socket.get_ref(), buffer) {
            Ok(event) => Ok(Some(event)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the local address.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.get_ref().local_addr()?.as_socket();
        address.ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Returns the kind of the socket.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Returns the time at which the last datagram was sent, by the kernel's transmit timestamp if
    /// that has been read.
    #[must_use]
    pub fn last_send(&self) -> Option<Timestamp> {
        self.state().last_send
    }

    fn pass_to_kernel(&self, socket: &Socket, bytes: &[u8]) -> io::Result<Timestamp> {
        loop {
            let time = Timestamp::now();
            match socket.send(bytes) {
                Ok(_) => {
                    self.state().last_send = Some(time);
                    return Ok(time);
                }
                // An ICMP error about an earlier packet, which is in the error queue, too.
                Err(error) => {
                    if let Some(undelivered) = self.read_error_queue(socket) {
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
            let read = sys::receive(socket.as_fd(), &mut buffer, usize::MAX);
            // The queue has the transmit timestamp of the send that the datagram answers. A
            // delivery error is in the queue, and may be the error of the read as well.
            let undelivered = self.read_error_queue(socket);
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
        let at = Timestamp::of_arrival(reading.stamp, state.started);
        availability::count_receive(self.kind, at);
        Ok(Event::Arrival(Arrival {
            length: reading.length,
            truncated: reading.truncated,
            at,
            sent: state.last_send,
            hop_limit: reading.hop_limit,
            from: reading.from,
        }))
    }

    /// Reads the error queue up to the first delivery error. Transmit timestamps are recorded.
    fn read_error_queue(&self, socket: &Socket) -> Option<DeliveryError> {
        while let Ok(queued) = sys::queued(socket.as_fd()) {
            match queued {
                Queued::TransmitTimestamp(stamp) => {
                    let mut state = self.state();
                    state.last_send =
                        state.last_send.map(|passed| Timestamp::of_transmission(stamp, passed));
                }
                Queued::DeliveryError(undelivered) => {
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

    /// Returns true if the error of a call repeats an ICMP message from the error queue. The kernel
    /// repeats each message once.
    fn was_reported(&self, error: &io::Error) -> bool {
        let errno = error.raw_os_error();
        let mut state = self.state();
        let is_known = errno.is_some() && state.reported == errno;
        if is_known {
            state.reported = None;
        }
        is_known
    }

    /// Returns the wait for the answer to the last datagram.
    fn wait(&self) -> Wait {
        let State { started, last_send, .. } = *self.state();
        Wait { since: last_send.unwrap_or(started), earlier: Duration::ZERO }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for WireDatagram {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
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

    use socket2::{Protocol, Type};
    use tokio::net::UdpSocket;

    use super::*;
    use crate::{icmp::IcmpMessage, kernel_timestamps_available, open};

    /// Tolerance for the kernel of a busy machine to deliver what was sent.
    const TOLERANCE: Duration = Duration::from_millis(200);

    #[expect(clippy::disallowed_methods, reason = "a connection of the test")]
    fn connect(address: SocketAddr) -> WireDatagram {
        let socket = open(address, Type::DGRAM, Protocol::UDP).expect("a socket");
        socket.connect(&address.into()).expect("loopback");
        WireDatagram::new(socket, SocketKind::Udp).expect("a runtime")
    }

    #[tokio::test]
    async fn a_late_reader_does_not_lengthen_the_measured_time() {
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let datagram = connect(peer.local_addr().expect("bound"));
        let passed = datagram.send(b"question").await.expect("open");
        let mut buffer = [0; 4];
        let (_, from) = peer.recv_from(&mut buffer).await.expect("sent");
        peer.send_to(b"answer", from).await.expect("open");
        let answered = passed.elapsed();
        // Simulates a process without CPU time.
        std::thread::sleep(2 * TOLERANCE);
        let Event::Arrival(arrival) = datagram.event(&mut buffer).await.expect("sent") else {
            panic!("an answer came");
        };
        assert_eq!((arrival.length, arrival.truncated, &buffer), (4, true, b"answ"));
        let sent = arrival.sent.expect("sent");
        assert_eq!(datagram.last_send(), Some(sent));
        let waiting = arrival.at.since(sent);
        if kernel_timestamps_available(SocketKind::Udp) {
            assert!(arrival.at.is_from_kernel());
            assert!(waiting < answered + TOLERANCE, "{waiting:?} of {answered:?}");
        } else {
            assert!(waiting >= 2 * TOLERANCE, "{waiting:?}");
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_an_icmp_error() {
        // A privileged port is never handed out to others, and this one has no service.
        let datagram = connect(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let has_messages = datagram.receive_errors_and_hop_limits(IpVersion::V4).is_ok();
        datagram.send(b"question").await.expect("open");
        match datagram.event(&mut [0; 8]).await {
            Ok(Event::Undelivered(error)) => {
                let from = Some(Ipv4Addr::LOCALHOST.into());
                let unreachable = IcmpMessage { version: IpVersion::V4, kind: 3, code: 3, from };
                assert_eq!((error.errno, error.icmp), (libc::ECONNREFUSED, Some(unreachable)));
            }
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
                assert!(!has_messages, "the message is in the error queue");
            }
            Ok(Event::Arrival(_)) => panic!("nobody listens"),
        }
    }
}
