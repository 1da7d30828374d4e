//! Connections to addresses.

use std::{future::poll_fn, net::SocketAddr, os::fd::AsFd, time::Duration};

use socket2::{Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::{
    diagnostics::{Call, Failure, Stage, attempts::Peer},
    net::{
        Context,
        connect::{
            SocketOptions,
            failure::{failure, not_opened, refusal},
            socket::open,
        },
        control::TcpFacts,
        stamps,
        wire::{Kind, Mark, WireDatagram, WireStream},
    },
};

/// Connects to a TCP port.
///
/// Takes as long as the kernel tries; the deadline of the probe ends it earlier.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
pub async fn tcp(
    context: &Context,
    address: SocketAddr,
    options: &SocketOptions,
) -> Result<WireStream, Failure> {
    context.enter(Stage::Connect);
    context.attempt(Peer::Port(address))?;
    let socket =
        open(address, Type::STREAM, Protocol::TCP).map_err(|error| not_opened(address, &error))?;
    options.bind(&socket, address)?;
    // Small writes are exchanges here, and Nagle's algorithm would add its wait to their times.
    // A socket that refuses the option still connects.
    drop(socket.set_tcp_nodelay(true));
    // Or the kernel would keep only a number of the ICMP message that ends the attempt.
    drop(stamps::queue_errors(socket.as_fd(), address.is_ipv6(), true));
    let born = Mark::now();
    let waiting = context
        .waiting_for(|| format!("SYN sent to {address}, no answer: no TCP handshake was made"));
    let stream = attempt(socket, address).await?;
    drop(waiting);
    // On a connection that stands, such messages must not end it (RFC 1122, section 4.2.3.9).
    drop(stamps::queue_errors(stream.as_fd(), address.is_ipv6(), false));
    let connect_time = handshake_time(stamps::tcp_facts(stream.as_fd()), born.elapsed());
    context.attempts.settle(&Peer::Port(address));
    context.log.debug("Connected", &[("address", &address)]);
    Ok(WireStream::new(stream, born, connect_time))
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
    context.attempt(Peer::Port(address))?;
    let failed =
        |call| move |error| failure(call, address, &format!("sending to {address}"), &error);
    let socket =
        open(address, Type::DGRAM, Protocol::UDP).map_err(|error| not_opened(address, &error))?;
    options.bind(&socket, address)?;
    socket.connect(&address.into()).map_err(failed(Call::Connect))?;
    let socket = WireDatagram::new(socket, Kind::Udp).map_err(failed(Call::SetUp))?;
    // Or an ICMP error would be the same as silence. Where the kernel cannot pass that on, the
    // deadline must do.
    drop(socket.hear_more(address.is_ipv6()));
    Ok(socket)
}

/// Connects the socket.
#[expect(clippy::disallowed_methods, reason = "the policy was asked")]
async fn attempt(socket: Socket, address: SocketAddr) -> Result<TcpStream, Failure> {
    let doing = || format!("connecting to {address}");
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(refusal(&socket, Call::Connect, address, &doing(), &error)),
    }
    let stream = TcpStream::from_std(socket.into())
        .map_err(|error| Failure::system(Call::SetUp, Stage::Connect, &doing(), &error))?;
    let writable = poll_fn(|context| stream.poll_write_ready(context)).await;
    let ended = writable.and_then(|()| stream.take_error()).unwrap_or_else(Some);
    match ended {
        None => Ok(stream),
        Some(error) => {
            let socket = SockRef::from(&stream);
            Err(refusal(&socket, Call::Exchange, address, &doing(), &error))
        }
    }
}

/// The round-trip time of the handshake where the kernel measured it. When a segment was lost, it
/// did not, and waiting for the repetition is part of the time that the network took.
fn handshake_time(facts: Option<TcpFacts>, elapsed: Duration) -> Duration {
    facts
        .filter(|facts| facts.retransmits == 0 && !facts.rtt.is_zero())
        .map_or(elapsed, |facts| facts.rtt.min(elapsed))
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::Arc,
    };

    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::{diagnostics::Reason, net::resolve::Resolver};

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
    }

    fn from(source_ip_address: Option<IpAddr>) -> SocketOptions {
        SocketOptions { source_ip_address }
    }

    fn facts(rtt: u64, retransmits: u32) -> TcpFacts {
        TcpFacts {
            rtt: Duration::from_micros(rtt),
            min_rtt: None,
            retransmits,
            silence: Duration::ZERO,
        }
    }

    #[test]
    fn connect_time_is_the_handshakes_unless_something_was_lost() {
        let elapsed = Duration::from_millis(5);
        for (name, facts, expected) in [
            ("measured", Some(facts(40, 0)), Duration::from_micros(40)),
            ("retransmitted", Some(facts(40, 1)), elapsed),
            ("not measured", Some(facts(0, 0)), elapsed),
            ("longer than it took", Some(facts(6000, 0)), elapsed),
            ("unknown to this platform", None, elapsed),
        ] {
            assert_eq!(handshake_time(facts, elapsed), expected, "{name}");
        }
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
    async fn a_link_local_address_needs_an_interface() {
        let address = "[fe80::1]:80".parse().expect("an address");
        let failure = tcp(&context(), address, &SocketOptions::default())
            .await
            .expect_err("no interface is named");
        // Where there is no IPv6 at all, that is said instead.
        if failure.reason != Reason::Unreachable {
            assert_eq!(failure.reason, Reason::InvalidTarget, "{failure}");
            assert!(failure.message.contains("as in fe80::1%eth0"), "{failure}");
        }
    }
}
