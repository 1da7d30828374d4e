//! Connections: made here alone, so that what is learned while making them is noted.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6},
    os::fd::AsFd,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::{
    diagnostics::{Call, Cause, Failure, Reason, Stage, attempts::Peer},
    net::{
        Context,
        control::{Queued, TcpFacts},
        icmp_error::Ends,
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
    context.attempts.note(Peer::Port(address));
    let socket =
        open(address, Type::STREAM, Protocol::TCP).map_err(|error| not_opened(address, &error))?;
    bind(&socket, address, source)?;
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

/// Connects the socket.
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

/// The failure when there is no socket for `address`.
#[must_use]
pub fn not_opened(address: SocketAddr, error: &io::Error) -> Failure {
    if error.raw_os_error() == Some(libc::EAFNOSUPPORT) {
        let family = family(address.ip());
        let message = format!("this host has no {family}, which {} needs", address.ip());
        return Failure::new(Stage::Connect, Reason::Unreachable, message);
    }
    let doing = format!("opening a socket for {}", address.ip());
    Failure::system(Call::Open, Stage::Connect, &doing, error)
}

/// Binds the socket to the source address, if one is given.
///
/// # Errors
/// A failure of the stage [`Stage::Connect`].
pub fn bind(socket: &Socket, address: SocketAddr, source: Option<IpAddr>) -> Result<(), Failure> {
    let Some(source) = source else { return Ok(()) };
    let unusable = |reason, message| Err(Failure::new(Stage::Connect, reason, message));
    if source.is_ipv4() != address.is_ipv4() {
        let (target, is) = (address.ip(), family(address.ip()));
        let message = format!(
            "source_ip_address {source} is {}, but the target's address {target} is {is}",
            family(source),
        );
        return unusable(Reason::InvalidRequest, message);
    }
    // Unlike upstream: the kernel takes such an address over IPv4, and sends from another one.
    if is_group(source) {
        let message = format!("source_ip_address {source} is a {}", kind_of_group(source));
        return unusable(Reason::InvalidRequest, message);
    }
    let from = match (source, address) {
        // The interface is that of the target: there is no other way between the two.
        (IpAddr::V6(source), SocketAddr::V6(target)) if source.is_unicast_link_local() => {
            SocketAddrV6::new(source, 0, 0, target.scope_id()).into()
        }
        _ => SocketAddr::new(source, 0),
    };
    let Err(error) = socket.bind(&from.into()) else { return Ok(()) };
    let lacks_interface =
        matches!(from, SocketAddr::V6(from) if from.scope_id() == 0 && needs_interface(*from.ip()));
    if lacks_interface && error.raw_os_error() == Some(libc::EINVAL) {
        let message = format!(
            "source_ip_address {source} is link-local, and reaches only targets on an interface \
             that they name, as in fe80::2%eth0"
        );
        return unusable(Reason::InvalidRequest, message);
    }
    let cause = Cause::of(Call::Bind, &error);
    let message = cause.message(&format!("source_ip_address {source}"), None, &error);
    unusable(cause.reason, message)
}

/// The failure of a call that connects to `address` or sends there; `doing` says what was tried. Its
/// stage is [`Stage::Connect`].
#[must_use]
pub fn failure(call: Call, address: SocketAddr, doing: &str, error: &io::Error) -> Failure {
    let failed = |reason, what: String| {
        Failure::new(Stage::Connect, reason, format!("{doing}: {what} ({error})"))
    };
    // The system's error is about rights or routes here, and would mislead.
    let not_a_host = |what: String| {
        let message = format!("{doing}: {what}; write the address of one host");
        Failure::new(Stage::Connect, Reason::InvalidTarget, message)
    };
    let ip = address.ip();
    match (address, error.raw_os_error()) {
        (SocketAddr::V6(at), Some(libc::EINVAL)) if needs_interface(*at.ip()) => {
            let what = format!("such an address needs an interface of this host, as in {ip}%eth0");
            failed(Reason::InvalidTarget, what)
        }
        (SocketAddr::V6(at), Some(_)) if at.scope_id() != 0 && !has_interface(at.scope_id()) => {
            let what = format!("this host has no interface with the number {}", at.scope_id());
            failed(Reason::InvalidTarget, what)
        }
        (_, Some(libc::EACCES | libc::ENETUNREACH | libc::EINVAL)) if is_group(ip) => {
            not_a_host(format!("{ip} is a {}", kind_of_group(ip)))
        }
        (SocketAddr::V4(_), Some(libc::EACCES | libc::ENETUNREACH)) if is_broadcast(address) => {
            not_a_host(format!("{ip} is the broadcast address of a network"))
        }
        (_, Some(libc::EADDRNOTAVAIL)) if !has_source(address) => {
            let cause = Cause::of(Call::Exchange, error);
            Failure::new(Stage::Connect, cause.reason, cause.message(doing, Some(ip), error))
        }
        _ => {
            let cause = Cause::of(call, error);
            Failure::new(Stage::Connect, cause.reason, cause.message(doing, Some(ip), error))
        }
    }
}

/// Why a connection was not made: an ICMP message says more than the error.
fn refusal(
    socket: &Socket,
    call: Call,
    address: SocketAddr,
    doing: &str,
    error: &io::Error,
) -> Failure {
    while let Ok(queued) = stamps::queued(socket.as_fd()) {
        if let Queued::Undelivered(undelivered) = queued {
            let own = socket.local_addr().ok().and_then(|own| own.as_socket());
            let ends = Ends { own: own.map(|own| own.ip()), peer: address.ip(), has_port: true };
            return undelivered.failure(Stage::Connect, doing, ends);
        }
    }
    failure(call, address, doing, error)
}

/// Whether the address belongs to no single host.
fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The name of such an address.
fn kind_of_group(ip: IpAddr) -> &'static str {
    if ip.is_multicast() {
        "multicast address and not that of a host"
    } else {
        "broadcast address and not that of a host"
    }
}

fn needs_interface(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || ip.is_multicast()
}

/// Whether this host has an address to send from; looked up the way a connection does it, but
/// without a need for a port of TCP.
fn has_source(address: SocketAddr) -> bool {
    let looked_up = datagram_route(address, |_| Ok(()));
    looked_up.map_err(|error| error.raw_os_error()) != Err(Some(libc::EADDRNOTAVAIL))
}

/// Whether the kernel has a route of type broadcast for the address.
fn is_broadcast(address: SocketAddr) -> bool {
    datagram_route(address, |socket| socket.set_broadcast(true)).is_ok()
        && datagram_route(address, |_| Ok(())).is_err()
}

/// Whether the interface with this number exists.
#[cfg(target_os = "linux")]
fn has_interface(number: u32) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None);
    socket.is_ok_and(|socket| rustix::net::netdevice::index_to_name(&socket, number).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn has_interface(_: u32) -> bool {
    true
}

/// Looks up the route to the address; nothing is sent.
fn datagram_route(
    address: SocketAddr,
    set_up: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<()> {
    let socket = open(address, Type::DGRAM, Protocol::UDP)?;
    set_up(&socket)?;
    socket.connect(&address.into())
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
            (Some(foreign), Reason::InvalidRequest, "192.0.2.1: it is not an address".to_owned()),
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
            assert!(failure.message.contains("as in fe80::1%eth0"), "{failure}");
        }
    }
}
