//! Connecting of TCP sockets.

use std::{fmt, future::poll_fn, io, net::SocketAddr, os::fd::AsFd, time::Duration};

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

use crate::{
    IpVersion, TcpInfo, Timestamp, WireStream,
    cmsg::Queued,
    icmp::DeliveryError,
    sys,
    wait::{Wait, noted_poll},
};

/// The error of a connection that was not made; returned by [`WireStream::connect`].
#[derive(Debug)]
pub struct ConnectError {
    /// The step that failed.
    pub step: ConnectStep,
    /// The error of the system call.
    pub error: io::Error,
    /// The ICMP error that ended the attempt, which says more than the error number.
    pub delivery_error: Option<DeliveryError>,
    /// The local address of the socket, if it had one.
    pub local_address: Option<SocketAddr>,
}

/// A step of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectStep {
    /// The call of connect(2). If it failed, nothing was sent.
    Start,
    /// The registration of the socket with the runtime.
    Register,
    /// The TCP handshake.
    Handshake,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            ConnectStep::Start => "connecting failed",
            ConnectStep::Register => "registering the socket failed",
            ConnectStep::Handshake => "the TCP handshake failed",
        };
        write!(formatter, "{step}: {}", self.error)
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl ConnectError {
    /// Creates an error. Takes the first ICMP error from the error queue of the socket.
    fn new(step: ConnectStep, socket: &Socket, error: io::Error) -> Self {
        let mut delivery_error = None;
        while let (None, Ok(queued)) = (delivery_error, sys::queued(socket.as_fd())) {
            if let Queued::DeliveryError(found) = queued {
                delivery_error = Some(found);
            }
        }
        let local_address = socket.local_addr().ok().and_then(|address| address.as_socket());
        Self { step, error, delivery_error, local_address }
    }
}

impl WireStream {
    /// Connects a TCP socket, which must be non-blocking, to `address`.
    ///
    /// Options such as a source address or `TCP_NODELAY` are set by the caller before. There is no
    /// timeout; dropping the future closes the socket.
    ///
    /// ```
    /// use socket2::{Protocol, Type};
    /// use socket_timestamps::{WireStream, open};
    /// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let socket = open(address, Type::STREAM, Protocol::TCP)?;
    /// let mut stream = WireStream::connect(socket, address).await?;
    /// println!("the handshake took {:?}", stream.connect_time());
    ///
    /// let (mut peer, _) = listener.accept().await?;
    /// stream.write_all(b"?").await?;
    /// assert_eq!(peer.read_u8().await?, b'?');
    /// peer.write_all(b"!").await?;
    /// assert_eq!(stream.read_u8().await?, b'!');
    /// let lap = stream.clock().lap();
    /// println!("the peer took {:?}", lap.response_time());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The step that failed, with the ICMP error that ended the attempt, if there was one.
    pub async fn connect(socket: Socket, address: SocketAddr) -> Result<Self, ConnectError> {
        let version = IpVersion::of(address.ip());
        // Without the error queue, the kernel keeps only the error number of an ICMP error.
        drop(sys::receive_icmp_errors(&socket, version, true));
        let started = Timestamp::now();
        let stream = handshake(socket, address, started).await?;
        // An ICMP error must not end an established connection (RFC 1122, section 4.2.3.9).
        drop(sys::receive_icmp_errors(&stream, version, false));
        let connect_time = handshake_time(sys::tcp_info(stream.as_fd()), started.elapsed());
        Ok(Self::from_tcp(stream, started, connect_time))
    }
}

#[expect(clippy::disallowed_methods, reason = "the caller decides on the address")]
async fn handshake(
    socket: Socket,
    address: SocketAddr,
    started: Timestamp,
) -> Result<TcpStream, ConnectError> {
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(ConnectError::new(ConnectStep::Start, &socket, error)),
    }
    let local_address = None;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| ConnectError {
        step: ConnectStep::Register,
        error,
        delivery_error: None,
        local_address,
    })?;
    let wait = || Wait { since: started, earlier: Duration::ZERO };
    let writable = poll_fn(|context| noted_poll(stream.poll_write_ready(context), wait)).await;
    match writable.and_then(|()| stream.take_error()).unwrap_or_else(Some) {
        None => Ok(stream),
        Some(error) => {
            Err(ConnectError::new(ConnectStep::Handshake, &SockRef::from(&stream), error))
        }
    }
}

/// Returns the round-trip time of the handshake.
///
/// The kernel does not measure it if a segment was lost. The time of the retransmission then counts
/// as time of the network.
fn handshake_time(info: Option<TcpInfo>, elapsed: Duration) -> Duration {
    info.filter(|info| info.retransmits == 0 && !info.rtt.is_zero())
        .map_or(elapsed, |info| info.rtt.min(elapsed))
}

#[cfg(test)]
mod tests {
    use socket2::{Protocol, Type};

    use super::*;
    use crate::open;

    fn info(rtt: u64, retransmits: u32) -> TcpInfo {
        TcpInfo {
            rtt: Duration::from_micros(rtt),
            min_rtt: None,
            retransmits,
            silence: Duration::ZERO,
        }
    }

    #[test]
    fn the_connect_time_is_the_round_trip_time_unless_a_segment_was_lost() {
        let elapsed = Duration::from_millis(5);
        for (name, info, expected) in [
            ("measured", Some(info(40, 0)), Duration::from_micros(40)),
            ("retransmitted", Some(info(40, 1)), elapsed),
            ("not measured", Some(info(0, 0)), elapsed),
            ("longer than the whole attempt", Some(info(6000, 0)), elapsed),
            ("unknown to this platform", None, elapsed),
        ] {
            assert_eq!(handshake_time(info, elapsed), expected, "{name}");
        }
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a test of this method")]
    async fn a_closed_port_refuses_the_connection() {
        // A privileged port is never handed out to others, and this one has no service.
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let socket = open(address, Type::STREAM, Protocol::TCP).expect("a socket");
        let error = WireStream::connect(socket, address).await.expect_err("nobody listens");
        assert_eq!(error.error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(matches!(error.step, ConnectStep::Start | ConnectStep::Handshake), "{error}");
    }
}
