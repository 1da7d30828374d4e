//! New sockets.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

/// Opens a non-blocking socket for the family of `address` that is closed on exec.
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
