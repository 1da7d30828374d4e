//! Meaning of the error numbers of socket calls: the only table of them.
//!
//! Sources: socket(2), setsockopt(2), bind(2), connect(2), send(2), recv(2), ip(7), ipv6(7), tcp(7),
//! udp(7), raw(7), icmp(7) and unix(7). One number has several meanings, by the call that failed.
//! Errors that ICMP messages cause have the same numbers as those of local routes; where the kernel
//! hands over the message itself, the message decides instead.

use std::{io, net::IpAddr};

use crate::diagnostics::Reason;

/// The call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Creating a socket.
    Open,
    /// Setting an option of a socket.
    SetUp,
    /// Binding an IP socket to a source address.
    Bind,
    /// Connecting an IP socket, when the call itself fails: for reasons of this host alone.
    Connect,
    /// Connecting a unix socket.
    ConnectLocal,
    /// Sending and receiving, and the end of a connection attempt that waited for the peer.
    Exchange,
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The reason of the failure.
    pub reason: Reason,
    /// An explanation with advice; empty where the words of the system say enough.
    pub hint: &'static str,
    /// Whether the routes of this host may decide it, so that `ip route get` shows more.
    pub is_routing: bool,
}

impl Cause {
    const fn new(reason: Reason, hint: &'static str) -> Self {
        Self { reason, hint, is_routing: false }
    }

    const fn routing(hint: &'static str) -> Self {
        Self { reason: Reason::Unreachable, hint, is_routing: true }
    }

    /// The cause of `error`, which `call` returned.
    #[must_use]
    pub fn of(call: Call, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::of_number(call, errno),
            // The standard library refuses a name that is too long itself.
            None if call == Call::ConnectLocal && error.kind() == io::ErrorKind::InvalidInput => {
                Self::of_number(call, libc::EINVAL)
            }
            None => Self::new(of_kind(error.kind()), ""),
        }
    }

    /// The cause behind an error number.
    #[must_use]
    pub fn of_number(call: Call, errno: i32) -> Self {
        let special = match call {
            Call::Open => open(errno),
            Call::SetUp => set_up(errno),
            Call::Bind => bind(errno),
            Call::Connect => connect(errno),
            Call::ConnectLocal => connect_local(errno),
            Call::Exchange => None,
        };
        special.or_else(|| resources(errno)).unwrap_or_else(|| exchange(errno))
    }

    /// The message of a failure: `doing` says what was tried, `peer` with whom, if that is known.
    #[must_use]
    pub fn message(self, doing: &str, peer: Option<IpAddr>, error: &io::Error) -> String {
        let Self { hint, is_routing, .. } = self;
        match peer.filter(|_| is_routing) {
            _ if hint.is_empty() => format!("{doing}: {error}"),
            Some(peer) => {
                format!(
                    "{doing}: {hint}; see \"ip route get {peer}\" on the exporter's host ({error})"
                )
            }
            None => format!("{doing}: {hint} ({error})"),
        }
    }
}

fn open(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::EACCES | libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "the exporter's user or its sandbox may not create this kind of socket",
        ),
        libc::EAFNOSUPPORT => Cause::new(
            Reason::Unreachable,
            "this host lacks the address family, or a sandbox forbids it (RestrictAddressFamilies=)",
        ),
        libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT | libc::EPROTOTYPE | libc::EINVAL => {
            Cause::new(Reason::Unreachable, "the kernel of this host lacks the protocol")
        }
        _ => return None,
    };
    Some(cause)
}

fn set_up(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::EACCES | libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "the exporter's user or its sandbox may not set this option of a socket",
        ),
        libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EINVAL | libc::EDOM => Cause::new(
            Reason::InvalidRequest,
            "the kernel of this host does not take an option that the module needs",
        ),
        _ => return None,
    };
    Some(cause)
}

fn bind(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::EADDRNOTAVAIL => {
            Cause::new(Reason::InvalidRequest, "it is not an address of this host")
        }
        libc::EINVAL | libc::EAFNOSUPPORT => {
            Cause::new(Reason::InvalidRequest, "no packet can be sent from such an address")
        }
        libc::ENODEV | libc::ENXIO => {
            Cause::new(Reason::InvalidTarget, "this host has no such interface")
        }
        libc::EADDRINUSE => Cause::new(Reason::OutOfResources, "no local port is left"),
        libc::EACCES | libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "the exporter's user or its sandbox may not send from this address",
        ),
        _ => return None,
    };
    Some(cause)
}

fn connect(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::ENETUNREACH => Cause::routing("this host has no route to it"),
        libc::EHOSTUNREACH => {
            Cause::routing("a route of this host, of type unreachable, rejects packets to it")
        }
        libc::EINVAL => Cause::routing(BLACKHOLE),
        libc::EACCES => Cause::routing(PROHIBIT),
        libc::EADDRNOTAVAIL | libc::EADDRINUSE | libc::EAGAIN => {
            Cause::new(Reason::OutOfResources, "no local port is left")
        }
        libc::ENODEV | libc::ENXIO => {
            Cause::new(Reason::InvalidTarget, "this host has no such interface")
        }
        libc::EAFNOSUPPORT => Cause::new(
            Reason::Unreachable,
            "the protocol has no connections to addresses of this kind",
        ),
        _ => return None,
    };
    Some(cause)
}

fn connect_local(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::ENOENT => Cause::new(Reason::Refused, "there is no such socket"),
        libc::ECONNREFUSED => Cause::new(Reason::Refused, "nobody listens on it"),
        libc::EAGAIN => Cause::new(Reason::Refused, "its queue of waiting clients is full"),
        libc::EACCES => Cause::new(
            Reason::PermissionDenied,
            "the exporter's user needs write permission on the socket and search permission on \
             each directory above it",
        ),
        libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "a security module of this host (SELinux, AppArmor) or the exporter's sandbox forbids it",
        ),
        libc::EPROTOTYPE => Cause::new(
            Reason::Protocol,
            "it is a socket of another type than stream, such as datagrams",
        ),
        libc::ENOTDIR => {
            Cause::new(Reason::InvalidTarget, "a part of its path is a file and not a directory")
        }
        libc::ELOOP => Cause::new(Reason::InvalidTarget, "its path has too many symbolic links"),
        libc::EINVAL | libc::ENAMETOOLONG => Cause::new(
            Reason::InvalidTarget,
            "the name is longer than the 107 bytes that a socket's name can have, or a part of it \
             than 255",
        ),
        _ => return None,
    };
    Some(cause)
}

const BLACKHOLE: &str = "a route or rule of this host, of type blackhole, discards packets to it";

const PROHIBIT: &str =
    "a route or rule of this host, of type prohibit, or its security module denies packets to it";

/// Resources that ran out, whatever the call.
fn resources(errno: i32) -> Option<Cause> {
    let hint = match errno {
        libc::EMFILE => {
            "the exporter has no file descriptor left; raise its limit of open files \
             (LimitNOFILE=, ulimit -n)"
        }
        libc::ENFILE => "this host has no file descriptor left; raise the sysctl fs.file-max",
        libc::ENOBUFS => "this host has no room for the packet: a queue or a buffer is full",
        libc::ENOMEM => "the kernel of this host has no memory left for it",
        _ => return None,
    };
    Some(Cause::new(Reason::OutOfResources, hint))
}

/// Sending and receiving, and what the other calls have in common with that.
fn exchange(errno: i32) -> Cause {
    match errno {
        libc::ECONNREFUSED => Cause::new(Reason::Refused, ""),
        libc::ENOPROTOOPT => Cause::new(
            Reason::Refused,
            "the host does not take the protocol, or a firewall rejects it",
        ),
        libc::ECONNRESET | libc::EPIPE => Cause::new(Reason::Reset, ""),
        libc::ECONNABORTED => {
            Cause::new(Reason::Reset, "this host ended the connection, as \"ss -K\" does")
        }
        libc::ENOTCONN | libc::ESHUTDOWN => Cause::new(Reason::Closed, ""),
        libc::ETIMEDOUT => Cause::new(
            Reason::Timeout,
            "the kernel gave up after several attempts without an answer",
        ),
        libc::ENETUNREACH => Cause::routing("this host or a router has no route to it"),
        libc::EHOSTUNREACH => Cause::routing("this host or a router cannot reach it"),
        libc::ENETDOWN => Cause::routing("the interface that leads to it is down"),
        libc::EADDRNOTAVAIL => Cause::routing("this host has no address to send from"),
        libc::EINVAL => Cause::routing(BLACKHOLE),
        libc::EACCES => Cause::routing(PROHIBIT),
        libc::EPERM => Cause::new(
            Reason::Unreachable,
            "a firewall of this host drops packets to it (OUTPUT chain, IPAddressDeny=)",
        ),
        libc::ENODEV | libc::ENXIO => {
            Cause::routing("the interface that leads to it no longer exists")
        }
        libc::EHOSTDOWN => {
            Cause::new(Reason::Unreachable, "a router says that the host is unknown")
        }
        libc::EPROTO => Cause::new(
            Reason::Unreachable,
            "a router or the host cannot process the packet (ICMP parameter problem)",
        ),
        libc::EOPNOTSUPP => {
            Cause::new(Reason::Unreachable, "a router says that the source route failed")
        }
        libc::EMSGSIZE => Cause::new(
            Reason::MessageTooLong,
            "it is larger than the interface or the path carries in one packet",
        ),
        libc::EAGAIN => Cause::new(Reason::OutOfResources, "no local port is left"),
        #[cfg(target_os = "linux")]
        libc::ENONET => {
            Cause::new(Reason::Unreachable, "a router says that this host is isolated from it")
        }
        // Left are misuses of a socket, and numbers that no manual page of sockets lists.
        _ => Cause::new(Reason::Internal, "this error is not expected here"),
    }
}

/// Errors without a number are made by libraries, which read and write a stream.
fn of_kind(kind: io::ErrorKind) -> Reason {
    use io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused => Reason::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Reason::Reset,
        ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof | ErrorKind::NotConnected => {
            Reason::Closed
        }
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => Reason::Unreachable,
        ErrorKind::PermissionDenied => Reason::PermissionDenied,
        ErrorKind::TimedOut => Reason::Timeout,
        _ => Reason::Protocol,
    }
}

#[cfg(test)]
mod tests;
