//! TCP, UDP and ICMP sockets for [`tokio`] whose sends and reads carry the kernel's timestamps.
//!
//! A program that measures the latency of a peer with its own clock also measures itself: the time
//! from the arrival of a packet until the scheduler runs the task that reads it. On a busy machine
//! that is milliseconds. The kernel knows better when a packet arrived, and on Linux it tells
//! (`SO_TIMESTAMPING`, see `Documentation/networking/timestamping.rst` of the kernel).
//!
//! * [`WireStream`] is a TCP or unix stream. It implements [`AsyncRead`](tokio::io::AsyncRead) and
//!   [`AsyncWrite`](tokio::io::AsyncWrite), so that TLS or HTTP can run on it. Its [`WireClock`]
//!   tells when bytes were sent and received while others own the stream.
//! * [`WireDatagram`] is a connected UDP or ICMP socket with receive and transmit timestamps, hop
//!   limits, and ICMP errors from the error queue (`IP_RECVERR`).
//! * [`icmp`] has echo requests and the meaning of ICMP errors.
//!
//! All times are [`Timestamp`]s on the monotonic clock. Kernel timestamps are on the wall clock and
//! are converted when they are read, so that a change of the wall clock cannot falsify a duration.
//! If a packet has no kernel timestamp, the time of the read is used, and
//! [`Timestamp::is_from_kernel`] tells so.
//!
//! ```
//! use std::net::{Ipv4Addr, SocketAddr};
//!
//! use socket_timestamps::{Event, SocketKind, WireDatagram, open};
//! use socket2::{Protocol, Type};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! socket_timestamps::prepare();
//! let server = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
//!
//! let address = server.local_addr()?;
//! let socket = open(address, Type::DGRAM, Protocol::UDP)?;
//! socket.connect(&address.into())?;
//! let client = WireDatagram::new(socket, SocketKind::Udp)?;
//! client.send(b"ping").await?;
//!
//! let mut buffer = [0; 16];
//! let (length, from) = server.recv_from(&mut buffer).await?;
//! server.send_to(&buffer[..length], from).await?;
//!
//! let Event::Arrival(arrival) = client.event(&mut buffer).await? else { panic!("lost") };
//! let round_trip = arrival.at.since(arrival.sent.unwrap());
//! println!("{round_trip:?}, by the kernel: {}", arrival.at.is_from_kernel());
//! # Ok(())
//! # }
//! ```
//!
//! # Platforms
//!
//! Timestamps, ICMP errors and [`TcpInfo`] need Linux. On other Unix systems the same functions
//! compile and use the clock of the process; [`SUPPORTED`] is false there. With the environment
//! variable `SOCKET_TIMESTAMPS_PORTABLE` the crate is built that way on Linux, too.

mod availability;
mod clock;
mod cmsg;
mod connect;
mod datagram;
pub mod icmp;
mod open;
mod stream;
mod stream_socket;
mod sys;
mod tcp_info;
mod timestamp;
mod wait;

pub use self::{
    availability::{
        ReceiveCounts, SUPPORTED, SocketKind, kernel_timestamps_available, prepare, receive_counts,
        set_kernel_timestamps,
    },
    clock::{Lap, WireClock},
    connect::{ConnectError, ConnectStep},
    datagram::{Arrival, Event, WireDatagram},
    icmp::IpVersion,
    open::open,
    stream::WireStream,
    sys::{receive_icmp_errors, register},
    tcp_info::TcpInfo,
    timestamp::Timestamp,
    wait::{Wait, find_wait, waiting},
};
