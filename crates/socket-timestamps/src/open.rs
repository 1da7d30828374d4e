//! Opening of sockets.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// Opens a socket for the address family of `address`. It is non-blocking and closed on exec.
///
/// # Errors
///
/// The error of socket(2).
pub fn open(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    // Most systems can do it in one call.
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol));
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}
