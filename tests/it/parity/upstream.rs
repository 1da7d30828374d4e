//! A running `blackbox_exporter`.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use socket2::{Domain, Socket, Type};

use crate::harness;

pub(crate) struct Upstream {
    child: Child,
    address: SocketAddr,
    /// Keeps the port from being assigned to another socket before the child listens on it.
    _reserved: Socket,
}

impl Upstream {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Defaults of current Go that Debian's build replaces by those of an old version.
const NEW_DEFAULTS: &str = "httplaxcontentlength=0,tlsrsakex=0,tls3des=0,x509negativeserial=0,\
    tlsmaxrsasize=8192,x509usepolicies=1,tlssha1=0,tlsmlkem=1";

/// Starts the binary with these modules, and waits until it accepts connections.
pub(crate) fn start(binary: &Path, modules: &str, folder: &Path) -> Upstream {
    let config = folder.join("upstream.yml");
    std::fs::write(&config, modules).unwrap();
    let (address, reserved) = reserve_port();
    let child = Command::new(binary)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address={address}"))
        .env("GODEBUG", NEW_DEFAULTS)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    harness::eventually("an answer of blackbox_exporter", || TcpStream::connect(address).is_ok());
    Upstream { child, address, _reserved: reserved }
}

/// Reserves a free port for a process that cannot be told to choose one. The process can bind the
/// port if it sets `SO_REUSEADDR`, as Go does; the kernel assigns it to nobody else.
fn reserve_port() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}
