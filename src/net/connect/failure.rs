//! The failures of socket calls, with messages more specific than the error number.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket_timestamps::{ConnectError, ConnectStep};
#[cfg(target_os = "linux")]
use socket2::Domain;
use socket2::{Protocol, Socket, Type};

use crate::{
    diagnostics::{Call, Cause, Failure, Reason, Stage},
    net::{connect::open, icmp_error::Ends},
};

/// Returns the failure if no socket for `address` could be opened.
#[must_use]
pub fn not_opened(address: SocketAddr, error: &io::Error) -> Failure {
    if error.raw_os_error() == Some(libc::EAFNOSUPPORT) {
        let family = family(address.ip());
        let message = format!(
            "this host does not support {family}, which the address {} requires",
            address.ip()
        );
        return Failure::new(Stage::Connect, Reason::Unreachable, message);
    }
    let doing = format!("opening a socket for {}", address.ip());
    Failure::system(Call::Open, Stage::Connect, &doing, error)
}

/// Returns the failure of a call that connects to `address` or sends to it, of the stage
/// [`Stage::Connect`]; `doing` describes the call.
#[must_use]
pub fn failure(call: Call, address: SocketAddr, doing: &str, error: &io::Error) -> Failure {
    let failed = |reason, what: String| {
        Failure::new(Stage::Connect, reason, format!("{doing}: {what} ({error})"))
    };
    // The system's error is about permissions or routes here, and would be misleading.
    let not_a_host = |what: String| {
        let message = format!("{doing}: {what}; write the address of one host");
        Failure::new(Stage::Connect, Reason::InvalidTarget, message)
    };
    let ip = address.ip();
    match (address, error.raw_os_error()) {
        (SocketAddr::V6(at), Some(libc::EINVAL)) if needs_interface(*at.ip()) => {
            let what =
                format!("the address requires an interface of this host, for example {ip}%eth0");
            failed(Reason::InvalidTarget, what)
        }
        (SocketAddr::V6(at), Some(_)) if at.scope_id() != 0 && !has_interface(at.scope_id()) => {
            let what = format!("this host has no interface with the index {}", at.scope_id());
            failed(Reason::InvalidTarget, what)
        }
        (_, Some(libc::EACCES | libc::ENETUNREACH | libc::EINVAL)) if is_group(ip) => {
            not_a_host(format!("{ip} is a {} address", group_kind(ip)))
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

/// Returns the failure of a TCP connection that was not made. An ICMP error says more than the error
/// number.
pub(super) fn not_connected(address: SocketAddr, error: &ConnectError) -> Failure {
    let action = format!("connecting to {address}");
    if let Some(delivery_error) = &error.delivery_error {
        let own = error.local_address.map(|own| own.ip());
        let ends = Ends { own, peer: address.ip(), has_port: true };
        return ends.failure(delivery_error, Stage::Connect, &action);
    }
    match error.step {
        ConnectStep::Start => failure(Call::Connect, address, &action, &error.error),
        ConnectStep::Register => {
            Failure::system(Call::SetUp, Stage::Connect, &action, &error.error)
        }
        ConnectStep::Handshake => failure(Call::Exchange, address, &action, &error.error),
    }
}

/// Returns whether this is a multicast or broadcast address.
pub(super) fn is_group(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// The kind of such an address.
pub(super) fn group_kind(ip: IpAddr) -> &'static str {
    if ip.is_multicast() { "multicast" } else { "broadcast" }
}

/// Returns whether the address is valid only together with an interface.
pub(super) fn needs_interface(ip: Ipv6Addr) -> bool {
    ip.is_unicast_link_local() || ip.is_multicast()
}

/// Returns whether this host has an address to send from. The lookup is that of a connection, but
/// needs no free TCP port.
fn has_source(address: SocketAddr) -> bool {
    let looked_up = datagram_route(address, |_| Ok(()));
    looked_up.map_err(|error| error.raw_os_error()) != Err(Some(libc::EADDRNOTAVAIL))
}

/// Returns whether the kernel has a route of the type broadcast for the address.
fn is_broadcast(address: SocketAddr) -> bool {
    datagram_route(address, |socket| socket.set_broadcast(true)).is_ok()
        && datagram_route(address, |_| Ok(())).is_err()
}

/// Returns whether the interface with this index exists.
#[cfg(target_os = "linux")]
fn has_interface(number: u32) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None);
    socket.is_ok_and(|socket| rustix::net::netdevice::index_to_name(&socket, number).is_ok())
}

#[cfg(not(target_os = "linux"))]
fn has_interface(_: u32) -> bool {
    true
}

/// Looks up the route to the address; sends nothing.
#[expect(clippy::disallowed_methods, reason = "nothing is sent")]
fn datagram_route(
    address: SocketAddr,
    set_up: impl FnOnce(&Socket) -> io::Result<()>,
) -> io::Result<()> {
    let socket = open(address, Type::DGRAM, Protocol::UDP)?;
    set_up(&socket)?;
    socket.connect(&address.into())
}

/// The name of the address family.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}
