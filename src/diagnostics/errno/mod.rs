//! Meaning of the error numbers of socket calls, in one table.
//!
//! Sources: socket(2), setsockopt(2), bind(2), connect(2), send(2), recv(2), ip(7), ipv6(7), tcp(7),
//! udp(7), raw(7), icmp(7) and unix(7). One number has several meanings, by the call that failed.
//! Errors that ICMP messages cause have the same numbers as those of local routes; where the kernel
//! hands over the message itself, the message decides instead.

use std::{error::Error, io, net::IpAddr};

use crate::{blocking::NoThread, diagnostics::Reason};

/// System call that failed.
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

/// Cause of a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The reason of the failure.
    pub reason: Reason,
    /// Explanation with advice; empty if the text of the system is sufficient.
    pub hint: &'static str,
    /// True if the routes of this host can be the cause, so that `ip route get` shows details.
    pub is_routing: bool,
}

impl Cause {
    const fn new(reason: Reason, hint: &'static str) -> Self {
        Self { reason, hint, is_routing: false }
    }

    const fn routing(hint: &'static str) -> Self {
        Self { reason: Reason::Unreachable, hint, is_routing: true }
    }

    /// Returns the cause of `error`, which `call` returned.
    #[must_use]
    pub fn of(call: Call, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::of_number(call, errno),
            // The standard library rejects a name that is too long.
            None if call == Call::ConnectLocal && error.kind() == io::ErrorKind::InvalidInput => {
                Self::of_number(call, libc::EINVAL)
            }
            None => Self::new(of_kind(error.kind()), ""),
        }
    }

    /// Returns the cause of `error`, which any call returned, if a resource is exhausted.
    #[must_use]
    pub fn of_resources(error: &io::Error) -> Option<Self> {
        if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<NoThread>) {
            return Some(Self::new(Reason::OutOfResources, NO_THREAD));
        }
        resources(error.raw_os_error()?)
    }

    /// Returns the cause of an error number.
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

    /// Returns the message of a failure. `doing` names the action, and `peer` the address, if known.
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
            "the user or the sandbox of the exporter is not allowed to create this kind of socket",
        ),
        libc::EAFNOSUPPORT => Cause::new(
            Reason::Unreachable,
            "this host does not support the address family, or a sandbox forbids it \
             (RestrictAddressFamilies=)",
        ),
        libc::EPROTONOSUPPORT | libc::ESOCKTNOSUPPORT | libc::EPROTOTYPE | libc::EINVAL => {
            Cause::new(Reason::Unreachable, "the kernel of this host does not support the protocol")
        }
        _ => return None,
    };
    Some(cause)
}

fn set_up(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::EACCES | libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "the user or the sandbox of the exporter is not allowed to set this socket option",
        ),
        libc::ENOPROTOOPT | libc::EOPNOTSUPP | libc::EINVAL | libc::EDOM => Cause::new(
            Reason::InvalidRequest,
            "the kernel of this host does not support a socket option that the module requires",
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
            Cause::new(Reason::InvalidRequest, "this kind of address cannot be a source address")
        }
        libc::ENODEV | libc::ENXIO => {
            Cause::new(Reason::InvalidTarget, "this host has no such interface")
        }
        libc::EADDRINUSE => Cause::new(Reason::OutOfResources, NO_PORT),
        libc::EACCES | libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "the user or the sandbox of the exporter is not allowed to send from this address",
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
            Cause::new(Reason::OutOfResources, NO_PORT)
        }
        libc::ENODEV | libc::ENXIO => {
            Cause::new(Reason::InvalidTarget, "this host has no such interface")
        }
        libc::EAFNOSUPPORT => {
            Cause::new(Reason::Unreachable, "the protocol does not support this kind of address")
        }
        _ => return None,
    };
    Some(cause)
}

fn connect_local(errno: i32) -> Option<Cause> {
    let cause = match errno {
        libc::ENOENT => Cause::new(Reason::Refused, "there is no such socket"),
        libc::ECONNREFUSED => Cause::new(Reason::Refused, "no process listens on it"),
        libc::EAGAIN => Cause::new(Reason::Refused, "its listen backlog is full"),
        libc::EACCES => Cause::new(
            Reason::PermissionDenied,
            "the user of the exporter needs write permission on the socket and search permission \
             on each directory above it",
        ),
        libc::EPERM => Cause::new(
            Reason::PermissionDenied,
            "a security module of this host (SELinux, AppArmor) or the sandbox of the exporter \
             forbids it",
        ),
        libc::EPROTOTYPE => Cause::new(Reason::Protocol, "it is not a stream socket"),
        libc::ENOTDIR => {
            Cause::new(Reason::InvalidTarget, "a component of its path is not a directory")
        }
        libc::ELOOP => Cause::new(Reason::InvalidTarget, "its path has too many symbolic links"),
        libc::EINVAL | libc::ENAMETOOLONG => Cause::new(
            Reason::InvalidTarget,
            "the path exceeds 107 bytes, or a component of it exceeds 255 bytes",
        ),
        _ => return None,
    };
    Some(cause)
}

const BLACKHOLE: &str = "a route or rule of this host, of type blackhole, discards packets to it";

const PROHIBIT: &str =
    "a route or rule of this host, of type prohibit, or its security module denies packets to it";

const NO_PORT: &str = "all local ports are in use; widen the sysctl net.ipv4.ip_local_port_range, or probe less often";

const NO_THREAD: &str = "the exporter is not allowed to start more threads";

/// Returns the cause if a resource is exhausted, for any call.
fn resources(errno: i32) -> Option<Cause> {
    let hint = match errno {
        libc::EMFILE => {
            "the exporter has no file descriptors left; raise its limit of open files \
             (LimitNOFILE=, ulimit -n)"
        }
        libc::ENFILE => "this host has no file descriptors left; raise the sysctl fs.file-max",
        libc::ENOBUFS => "a queue or a buffer of this host is full",
        libc::ENOMEM => {
            "this host, the control group of the exporter or its address space has no memory left; \
             raise the limit (MemoryMax=, memory.max, ulimit -v)"
        }
        // epoll_ctl(2) and writes.
        libc::ENOSPC => {
            "a limit of this host is reached; raise the sysctl fs.epoll.max_user_watches, or free \
             disk space"
        }
        _ => return None,
    };
    Some(Cause::new(Reason::OutOfResources, hint))
}

/// Returns the cause for sending and receiving, and for numbers that other calls share with them.
fn exchange(errno: i32) -> Cause {
    match errno {
        libc::ECONNREFUSED => Cause::new(Reason::Refused, ""),
        libc::ENOPROTOOPT => Cause::new(
            Reason::Refused,
            "the host does not support the protocol, or a firewall rejects it",
        ),
        libc::ECONNRESET | libc::EPIPE => Cause::new(Reason::Reset, ""),
        libc::ECONNABORTED => Cause::new(
            Reason::Reset,
            "this host aborted the connection, for example with \"ss -K\"",
        ),
        libc::ENOTCONN | libc::ESHUTDOWN => Cause::new(Reason::Closed, ""),
        libc::ETIMEDOUT => Cause::new(
            Reason::Timeout,
            "the kernel gave up after several attempts without a response",
        ),
        libc::ENETUNREACH => Cause::routing("this host or a router has no route to it"),
        libc::EHOSTUNREACH => Cause::routing("this host or a router cannot reach it"),
        libc::ENETDOWN => Cause::routing("the network interface for this route is down"),
        libc::EADDRNOTAVAIL => Cause::routing("this host has no source address for it"),
        libc::EINVAL => Cause::routing(BLACKHOLE),
        libc::EACCES => Cause::routing(PROHIBIT),
        libc::EPERM => Cause::new(
            Reason::Unreachable,
            "a firewall of this host drops packets to it (OUTPUT chain, IPAddressDeny=)",
        ),
        libc::ENODEV | libc::ENXIO => {
            Cause::routing("the network interface for this route no longer exists")
        }
        libc::EHOSTDOWN => {
            Cause::new(Reason::Unreachable, "a router reports that the host is unknown")
        }
        libc::EPROTO => Cause::new(
            Reason::Unreachable,
            "a router or the host cannot process the packet (ICMP parameter problem)",
        ),
        libc::EOPNOTSUPP => {
            Cause::new(Reason::Unreachable, "a router reports that the source route failed")
        }
        libc::EMSGSIZE => Cause::new(
            Reason::MessageTooLong,
            "the packet exceeds the MTU of the interface or of the path",
        ),
        libc::EAGAIN => Cause::new(Reason::OutOfResources, NO_PORT),
        #[cfg(target_os = "linux")]
        libc::ENONET => {
            Cause::new(Reason::Unreachable, "a router reports that this host is isolated from it")
        }
        // The rest are incorrect uses of a socket, and numbers that no manual page of sockets lists.
        _ => Cause::new(Reason::Internal, "unexpected error"),
    }
}

/// Returns the reason for an error without a number, from a library that reads and writes a stream.
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
