//! A datagram socket, UDP or ICMP, that says when each datagram was sent and received.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{Mutex, MutexGuard, PoisonError},
};

use socket2::{Protocol, Socket, Type};
use tokio::io::{Interest, ReadBuf, unix::AsyncFd};

use crate::{
    evidence::{Failure, Stage},
    net::{
        Context,
        control::{Queued, Undelivered},
        dial, stamps,
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
    undelivered: Option<Undelivered>,
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
}

impl WireDatagram {
    /// A UDP socket that is connected to `address`, from `source` if one is given.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Connect`].
    pub fn connect(
        context: &Context,
        address: SocketAddr,
        source: Option<IpAddr>,
    ) -> Result<Self, Failure> {
        context.enter(Stage::Connect);
        let doing = || format!("opening a UDP socket to {address}");
        let failed = |error: io::Error| Failure::io(Stage::Connect, &doing(), &error);
        let socket = dial::socket(address, Type::DGRAM, Some(Protocol::UDP))?;
        dial::bind(&socket, address, source)?;
        socket.connect(&address.into()).map_err(failed)?;
        Self::new(socket, Kind::Udp).map_err(failed)
    }

    /// Takes over a connected, non-blocking datagram socket.
    pub fn new(socket: Socket, kind: Kind) -> io::Result<Self> {
        support::stamp_both_ways(socket.as_fd());
        let state = State { born: Mark::now(), last_send: None, undelivered: None };
        Ok(Self { socket: stamps::watch(socket)?, kind, state: Mutex::new(state) })
    }

    /// Sends one datagram; gives the moment just before it was handed to the kernel.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<Mark> {
        self.socket
            .async_io(Interest::WRITABLE, |socket| {
                let mark = Mark::now();
                socket.send(bytes)?;
                self.state().last_send = Some(mark);
                Ok(mark)
            })
            .await
    }

    /// Waits for the next datagram. That one of ours could not be delivered is an error too;
    /// [`Self::undelivered`] then knows more.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrival> {
        self.socket
            .async_io(Interest::READABLE | Interest::ERROR, |socket| {
                self.receive_now(socket, buffer)
            })
            .await
    }

    /// When the last datagram was sent, if one was: as it left, where the kernel has said so.
    #[must_use]
    pub fn last_send(&self) -> Option<Mark> {
        self.state().last_send
    }

    /// Why the last failure of [`Self::receive`] came about, where the kernel was asked to say so.
    #[must_use]
    pub fn undelivered(&self) -> Option<Undelivered> {
        self.state().undelivered
    }

    fn receive_now(&self, socket: &Socket, buffer: &mut [u8]) -> io::Result<Arrival> {
        let mut buffer = ReadBuf::new(buffer);
        let read = stamps::receive(socket.as_fd(), &mut buffer, usize::MAX);
        // The error queue also holds the stamp of the send that this datagram answers.
        self.drain_queue(socket);
        let state = self.state();
        match read {
            Ok(reading) => {
                let at = Mark::of_arrival(reading.stamp, state.born);
                support::note_reading(self.kind, at);
                Ok(Arrival {
                    length: reading.length,
                    truncated: reading.truncated,
                    at,
                    sent: state.last_send,
                    hop_limit: reading.hop_limit,
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(state
                .undelivered
                .map_or(error, |undelivered| io::Error::from_raw_os_error(undelivered.errno))),
            Err(error) => Err(error),
        }
    }

    fn drain_queue(&self, socket: &Socket) {
        let mut state = self.state();
        while let Ok(queued) = stamps::queued(socket.as_fd()) {
            match queued {
                Queued::Sent(stamp) => {
                    state.last_send =
                        state.last_send.map(|handed| Mark::of_transmission(stamp, handed));
                }
                Queued::Undelivered(undelivered) => state.undelivered = Some(undelivered),
                Queued::Other => {}
            }
        }
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
    use std::{net::Ipv4Addr, sync::Arc, time::Duration};

    use tokio::{net::UdpSocket, time::Instant};

    use super::*;
    use crate::net::{resolve::Resolver, wire::stamps_available};

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
    }

    #[tokio::test]
    async fn a_late_reader_does_not_lengthen_the_reading() {
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = peer.local_addr().expect("bound");
        let datagram = WireDatagram::connect(&context(), address, None).expect("loopback");
        let handed = datagram.send(b"question").await.expect("open");
        let mut buffer = [0; 4];
        let (_, from) = peer.recv_from(&mut buffer).await.expect("sent");
        peer.send_to(b"answer", from).await.expect("open");
        let answered = handed.elapsed();
        std::thread::sleep(Duration::from_millis(300));
        let arrival = datagram.receive(&mut buffer).await.expect("sent");
        assert_eq!((arrival.length, arrival.truncated, &buffer), (4, true, b"answ"));
        let sent = arrival.sent.expect("sent");
        assert_eq!(datagram.last_send(), Some(sent));
        let waiting = arrival.at.since(sent);
        if stamps_available(Kind::Udp) {
            assert!(arrival.at.by_kernel());
            assert!(waiting <= answered, "{waiting:?} of {answered:?}");
        } else {
            assert!(waiting >= Duration::from_millis(300), "{waiting:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_port_is_an_error() {
        let address = {
            let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
            gone.local_addr().expect("bound")
        };
        let datagram = WireDatagram::connect(&context(), address, None).expect("loopback");
        datagram.send(b"question").await.expect("open");
        let error = datagram.receive(&mut [0; 8]).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
