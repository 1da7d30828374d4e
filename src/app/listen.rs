//! Addresses to listen on, and the listeners.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _},
    str::FromStr,
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

/// One `--web.listen-address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// An address or a name without brackets; empty = every address of both families.
    host: String,
    port: u16,
}

/// Why a listen address is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenAddressError {
    /// Not `host:port`.
    #[error("address {0}: missing port in address")]
    MissingPort(String),
    /// A port that is none.
    #[error("address {0}: invalid port")]
    InvalidPort(String),
    /// An IPv6 address without brackets.
    #[error("address {0}: too many colons in address")]
    TooManyColons(String),
    /// A kind of address that upstream knows and this exporter does not.
    #[error("address {0}: sockets of virtual machines (vsock) are not supported; listen on TCP")]
    Vsock(String),
}

/// As many connections may wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

impl ListenAddress {
    /// Opens the listener.
    pub fn bind(&self) -> io::Result<TcpListener> {
        if !self.host.is_empty() {
            return self.bind_host();
        }
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port));
        match listen(any) {
            // A host without IPv6, in one of the ways in which kernels say so.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::ENOPROTOOPT)
                ) =>
            {
                listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)))
            }
            result => result,
        }
    }

    /// A name stands for its first address, IPv4 before IPv6 as in Go.
    fn bind_host(&self) -> io::Result<TcpListener> {
        let mut addresses: Vec<_> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        listen(addresses.first().copied().ok_or_else(none)?)
    }
}

/// The listeners that systemd opened for this process, as `LISTEN_FDS` and `LISTEN_PID` say.
pub(super) fn from_systemd() -> io::Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        if let Some(listener) = handed.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            listeners.push(listener);
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other("no socket activation file descriptors found"));
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` takes both families, as in Go; any other address has only one.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<Self, ListenAddressError> {
        if text.starts_with("vsock://") {
            return Err(ListenAddressError::Vsock(text.to_owned()));
        }
        let (host, port) = text
            .rsplit_once(':')
            .filter(|(_, port)| !port.contains(']'))
            .ok_or_else(|| ListenAddressError::MissingPort(text.to_owned()))?;
        let host = match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => {
                return Err(ListenAddressError::TooManyColons(text.to_owned()));
            }
            None => host,
        };
        // No port at all is any port, as in Go.
        let port = if port.is_empty() { "0" } else { port };
        let port = port.parse().map_err(|_| ListenAddressError::InvalidPort(text.to_owned()))?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: String::new(), port: 9115 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for text in [":9115", "127.0.0.1:0", "[::1]:9115", "localhost:80"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for text in ["", "foo", "::1:9115", "[::1]", "h:99999", "h:x", "vsock://:9115"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_bound_port_is_known_and_taken() {
        let listener = "127.0.0.1:0".parse::<ListenAddress>().unwrap().bind().unwrap();
        let address = listener.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let taken = address.to_string().parse::<ListenAddress>().unwrap().bind();
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn no_host_means_both_families() {
        let listener = ":0".parse::<ListenAddress>().unwrap().bind().unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }
}
