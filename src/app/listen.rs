//! Listen addresses and listeners.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    str::FromStr,
};

use listenfd::ListenFd;
use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use crate::net::{
    host_port::{HostPort, NotAPort, NotHostPort, Protocol},
    resolve::Resolver,
};

/// One `--web.listen-address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// An address or a name, without brackets. Empty means all addresses of both families.
    host: String,
    port: u16,
}

/// An invalid listen address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListenAddressError {
    /// The text is not `host:port`, for example an IPv6 address without brackets.
    #[error("address {0}: {1}")]
    NotHostPort(String, NotHostPort),
    /// The port is neither a number nor the name of a service.
    #[error("address {0}: {1}")]
    InvalidPort(String, NotAPort),
    /// A vsock address, which upstream supports and this exporter does not.
    #[error("address {0}: vsock is not supported; use a TCP address")]
    Vsock(String),
}

/// Maximum number of connections that wait to be accepted. The kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

impl ListenAddress {
    /// Opens the listener.
    ///
    /// Names are resolved like those of targets, by the hosts file and DNS. Of the addresses of a name,
    /// the first one is used, IPv4 before IPv6 as in Go.
    pub fn bind(&self) -> io::Result<TcpListener> {
        if self.host.is_empty() {
            return listen_everywhere(self.port);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let address = runtime.block_on(Resolver::system().address(self.bare_host()));
        let address = address.map_err(|failure| io::Error::other(failure.message))?;
        let address = address.with_port(self.port);
        match address.ip().to_canonical() {
            ip if ip.is_unspecified() => listen_everywhere(self.port),
            // Also an IPv4-mapped address such as `[::ffff:127.0.0.1]:9115`.
            IpAddr::V4(ip) => listen((ip, self.port).into()),
            IpAddr::V6(_) => listen(address),
        }
    }

    /// The host without its zone, unless the address is link-local. The system rejects a zone of
    /// other addresses, for example in `::1%lo`.
    fn bare_host(&self) -> &str {
        let address = self.host.split_once('%').map(|(address, _)| address);
        let is_whole =
            |ip: &str| ip.parse::<Ipv6Addr>().is_ok_and(|ip| !ip.is_unicast_link_local());
        address.filter(|ip| is_whole(ip)).unwrap_or(&self.host)
    }
}

/// Listens on all addresses of both families. Like Go, does so also for `0.0.0.0`, and regardless
/// of the sysctl `net.ipv6.bindv6only`.
fn listen_everywhere(port: u16) -> io::Result<TcpListener> {
    match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
        // The errors of kernels without IPv6.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::ENOPROTOOPT)
            ) =>
        {
            listen((Ipv4Addr::UNSPECIFIED, port).into())
        }
        result => result,
    }
}

/// Returns the listeners passed by systemd (`LISTEN_FDS` and `LISTEN_PID`).
pub(super) fn from_systemd() -> io::Result<Vec<TcpListener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        if let Some(listener) = passed.take_tcp_listener(index)? {
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
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        // Only `[::]` accepts both families, as in Go.
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
        let parts = HostPort::split(text)
            .map_err(|error| ListenAddressError::NotHostPort(text.to_owned(), error))?;
        // An empty port means any free port, as in Go.
        let port = parts
            .port_number(Protocol::Tcp)
            .map_err(|error| ListenAddressError::InvalidPort(text.to_owned(), error))?;
        let host = parts.host;
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
        for (text, meaning) in
            [(":http", ":80"), (":HTTPS", ":443"), ("h:", "h:0"), ("[]:1", ":1"), (":+9", ":9")]
        {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), meaning, "{text}");
        }
        for (text, error) in [
            ("", "missing port in address"),
            ("foo", "missing port in address"),
            ("::1:9115", "too many colons in address"),
            ("[::1]", "missing port in address"),
            ("[::1:9115", "misplaced bracket in address"),
            ("h:99999", "invalid port 99999"),
            ("h:-1", "invalid port -1"),
            ("h:x", "unknown port tcp/x"),
            ("vsock://:9115", "vsock is not supported; use a TCP address"),
        ] {
            let message = text.parse::<ListenAddress>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("address {text}: {error}")), "{message}");
        }
    }

    #[test]
    fn the_bound_port_is_reported_and_in_use() {
        let listener = "127.0.0.1:0".parse::<ListenAddress>().unwrap().bind().unwrap();
        let address = listener.local_addr().unwrap();
        assert_ne!(address.port(), 0);
        let taken = address.to_string().parse::<ListenAddress>().unwrap().bind();
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
