//! Connections: made here alone, so that what is learned while making them is noted.

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::fd::AsFd,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpSocket;

use crate::{
    evidence::{Failure, Reason, Stage, trail::Place},
    net::{
        Context,
        control::TcpFacts,
        stamps,
        wire::{Mark, WireStream},
    },
};

/// Connects to `address`, from `source` if one is given.
///
/// Takes as long as the kernel tries; the deadline of the probe ends it earlier.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
pub async fn connect(
    context: &Context,
    address: SocketAddr,
    source: Option<IpAddr>,
) -> Result<WireStream, Failure> {
    context.enter(Stage::Connect);
    context.trail.note(Place::Port(address));
    let socket =
        open(address, Type::STREAM, Protocol::TCP).map_err(|error| not_opened(address, &error))?;
    bind(&socket, address, source)?;
    // Small writes are exchanges here, and Nagle's algorithm would add its wait to their times.
    // A socket that refuses the option still connects.
    drop(socket.set_tcp_nodelay(true));
    let born = Mark::now();
    let waiting = context
        .waiting_for(|| format!("SYN sent to {address}, no answer: no TCP handshake was made"));
    let stream = TcpSocket::from_std_stream(socket.into())
        .connect(address)
        .await
        .map_err(|error| refusal(address, &error))?;
    drop(waiting);
    let connect_time = handshake_time(stamps::tcp_facts(stream.as_fd()), born.elapsed());
    context.trail.settle(&Place::Port(address));
    context.log.debug("Connected", &[("address", &address)]);
    Ok(WireStream::new(stream, born, connect_time))
}

/// A socket for `address`: it does not block and is closed on exec.
pub fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    // In one call where the system can, which is most of them.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol));
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// Why there is no socket for `address`.
#[must_use]
pub fn not_opened(address: SocketAddr, error: &io::Error) -> Failure {
    if error.raw_os_error() == Some(libc::EAFNOSUPPORT) {
        let family = family(address.ip());
        let message = format!("this host has no {family}, which {} needs", address.ip());
        return Failure::new(Stage::Connect, Reason::Unreachable, message);
    }
    Failure::io(Stage::Connect, &format!("opening a socket for {}", address.ip()), error)
}

/// Binds the socket to the source address, if one is given.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
pub fn bind(socket: &Socket, address: SocketAddr, source: Option<IpAddr>) -> Result<(), Failure> {
    let Some(source) = source else { return Ok(()) };
    let unusable = |message| Failure::new(Stage::Connect, Reason::InvalidRequest, message);
    if source.is_ipv4() != address.is_ipv4() {
        return Err(unusable(format!(
            "source_ip_address {source} is {}, but the target's address {} is {}",
            family(source),
            address.ip(),
            family(address.ip()),
        )));
    }
    socket.bind(&SocketAddr::new(source, 0).into()).map_err(|error| match error.kind() {
        io::ErrorKind::AddrNotAvailable => {
            unusable(format!("source_ip_address {source} is not an address of this host"))
        }
        _ => Failure::io(Stage::Connect, &format!("binding to source {source}"), &error),
    })
}

/// Why there is no way to `address`; `doing` says what was tried.
#[must_use]
pub fn no_way(address: SocketAddr, doing: &str, error: &io::Error) -> Failure {
    let needs_interface = |ip: Ipv6Addr| ip.is_unicast_link_local() || ip.is_multicast();
    match address {
        SocketAddr::V6(at)
            if error.kind() == io::ErrorKind::InvalidInput && needs_interface(*at.ip()) =>
        {
            let message = format!(
                "{doing}: such an address needs an interface of this host, as in {}%eth0",
                at.ip()
            );
            Failure::new(Stage::Connect, Reason::InvalidTarget, message)
        }
        _ => Failure::io(Stage::Connect, doing, error),
    }
}

/// Why a connection was not made.
fn refusal(address: SocketAddr, error: &io::Error) -> Failure {
    let doing = format!("connecting to {address}");
    match error.kind() {
        // With the address given, the kernel says this when no port of its own is left.
        io::ErrorKind::AddrNotAvailable => Failure::new(
            Stage::Connect,
            Reason::OutOfResources,
            format!("{doing}: no local port is left ({error})"),
        ),
        _ => no_way(address, &doing, error),
    }
}

/// The round-trip time of the handshake where the kernel measured it. When a segment was lost, it
/// did not, and waiting for the repetition is part of the time that the network took.
fn handshake_time(facts: Option<TcpFacts>, elapsed: Duration) -> Duration {
    facts
        .filter(|facts| facts.retransmits == 0 && !facts.rtt.is_zero())
        .map_or(elapsed, |facts| facts.rtt.min(elapsed))
}

/// The name of the address's family, for people.
fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, sync::Arc};

    use tokio::{net::TcpListener, time::Instant};

    use super::*;
    use crate::net::resolve::Resolver;

    fn context() -> Context {
        Context::new(Instant::now() + Duration::from_mins(1), Arc::new(Resolver::default()))
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
        let stream = connect(&context, address, Some(source)).await.expect("it listens");
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
            (Some(foreign), Reason::InvalidRequest, "192.0.2.1 is not an address".to_owned()),
        ] {
            let failure = connect(&context(), closed, source).await.expect_err("cannot work");
            assert_eq!((failure.stage, failure.reason), (Stage::Connect, reason), "{text}");
            assert!(failure.message.contains(&text), "{}", failure.message);
        }
    }

    #[tokio::test]
    async fn a_link_local_address_needs_an_interface() {
        let address = "[fe80::1]:80".parse().expect("an address");
        let failure = connect(&context(), address, None).await.expect_err("no interface is named");
        // Where there is no IPv6 at all, that is said instead.
        if failure.reason != Reason::Unreachable {
            assert_eq!(failure.reason, Reason::InvalidTarget, "{failure}");
            assert!(failure.message.ends_with("as in fe80::1%eth0"), "{failure}");
        }
    }
}
