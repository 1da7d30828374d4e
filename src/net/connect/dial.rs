//! Connections to addresses.

use std::net::SocketAddr;

use socket2::{Protocol, Type};

use crate::{
    diagnostics::{Call, Failure, Stage, attempts::Peer},
    net::{
        Context,
        connect::{
            SocketOptions,
            failure::{failure, not_connected, not_opened},
            open,
        },
        wire::{IpVersion, SocketKind, WireDatagram, WireStream},
    },
};

/// Size of the receive buffer of a socket while memory is scarce, in bytes. The kernel's own buffers
/// grow to several megabytes each, which a control group counts.
const SCARCE_BUFFER: usize = 32 << 10;

/// Connects to a TCP port.
///
/// Takes as long as the kernel tries; the deadline of the probe ends it earlier.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
#[expect(clippy::disallowed_methods, reason = "the policy was asked")]
pub async fn tcp(
    context: &Context,
    address: SocketAddr,
    options: &SocketOptions,
) -> Result<WireStream, Failure> {
    context.enter(Stage::Connect);
    context.attempt(Peer::Port(address), options.role)?;
    let socket =
        open(address, Type::STREAM, Protocol::TCP).map_err(|error| not_opened(address, &error))?;
    options.bind(&socket, address)?;
    // Nagle's algorithm would delay small writes and so lengthen the readings. Without the option
    // the socket still connects.
    drop(socket.set_tcp_nodelay(true));
    if context.memory.is_scarce() {
        drop(socket.set_recv_buffer_size(SCARCE_BUFFER));
    }
    let waiting =
        context.waiting_for(|| format!("no TCP handshake with {address}: SYN sent, no response"));
    let connected = WireStream::connect(socket, address).await;
    let stream = connected.map_err(|error| not_connected(address, &error))?;
    drop(waiting);
    context.attempts.settle(&Peer::Port(address));
    context.log.debug("Connected", &[("address", &address)]);
    Ok(stream)
}

/// Opens a UDP socket that is connected to `address`.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
#[expect(clippy::disallowed_methods, reason = "the policy was asked")]
pub fn udp(
    context: &Context,
    address: SocketAddr,
    options: &SocketOptions,
) -> Result<WireDatagram, Failure> {
    context.enter(Stage::Connect);
    context.attempt(Peer::Port(address), options.role)?;
    let failed =
        |call| move |error| failure(call, address, &format!("sending to {address}"), &error);
    let socket =
        open(address, Type::DGRAM, Protocol::UDP).map_err(|error| not_opened(address, &error))?;
    options.bind(&socket, address)?;
    socket.connect(&address.into()).map_err(failed(Call::Connect))?;
    let socket = WireDatagram::new(socket, SocketKind::Udp).map_err(failed(Call::SetUp))?;
    // So that an ICMP error ends the wait. If the kernel does not support it, the deadline does.
    drop(socket.receive_errors_and_hop_limits(IpVersion::of(address.ip())));
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::Arc,
        time::Duration,
    };

    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::{
        diagnostics::Reason,
        net::{icmp_error, resolve::Resolver, wire::Event},
    };

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
    }

    fn from(source_ip_address: Option<IpAddr>) -> SocketOptions {
        SocketOptions::from_address(source_ip_address)
    }

    #[tokio::test]
    async fn a_connection_is_made_from_the_source_address() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let source = IpAddr::from([127, 0, 0, 3]);
        let context = context();
        let stream = tcp(&context, address, &from(Some(source))).await.expect("it listens");
        assert_eq!(context.stage(), Stage::Connect);
        let (_, client) = listener.accept().await.expect("connected");
        assert_eq!(client.ip(), source);
        assert!(stream.connect_time() > Duration::ZERO);
    }

    #[tokio::test]
    async fn failures_name_address_and_reason() {
        // A privileged port is never handed out to others, and this one has no service.
        let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let v6 = IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]);
        let foreign = IpAddr::from([192, 0, 2, 1]);
        for (source, reason, text) in [
            (None, Reason::Refused, closed.to_string()),
            (Some(v6), Reason::InvalidRequest, "source_ip_address ::1 is IPv6".to_owned()),
            (Some(foreign), Reason::InvalidRequest, "192.0.2.1: it is not an address".to_owned()),
        ] {
            let failure = tcp(&context(), closed, &from(source)).await.expect_err("cannot work");
            assert_eq!((failure.stage, failure.reason), (Stage::Connect, reason), "{text}");
            assert!(failure.message.contains(&text), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn a_closed_udp_port_is_refused() {
        let closed = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let socket = udp(&context(), closed, &from(None)).expect("loopback");
        socket.send(b"question").await.expect("open");
        let failure = match socket.event(&mut [0; 8]).await {
            Ok(Event::Undelivered(error)) => {
                icmp_error::failure(&socket, &error, Stage::Response, "waiting", closed.ip())
            }
            // Where the kernel does not show the ICMP message.
            Err(error) => Failure::io(Stage::Response, "waiting", &error),
            Ok(Event::Arrival(_)) => panic!("nobody listens"),
        };
        assert_eq!(failure.reason, Reason::Refused, "{failure}");
    }

    #[tokio::test]
    async fn a_link_local_address_needs_an_interface() {
        let address = "[fe80::1]:80".parse().expect("an address");
        let failure = tcp(&context(), address, &SocketOptions::default())
            .await
            .expect_err("no interface is named");
        // Where there is no IPv6 at all, that is said instead.
        if failure.reason != Reason::Unreachable {
            assert_eq!(failure.reason, Reason::InvalidTarget, "{failure}");
            assert!(failure.message.contains("for example fe80::1%eth0"), "{failure}");
        }
    }
}
