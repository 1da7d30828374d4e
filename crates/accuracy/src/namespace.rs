//! A network namespace for the calling thread and what it starts; it ends with the last of them.

use std::{fmt, fs, process::Command};

use nix::sched::{CloneFlags, unshare};

/// Why there can be no stage here.
#[derive(Debug)]
pub struct Obstacle(pub String);

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Settings that hold in this namespace alone.
const SETTINGS: [(&str, &str); 2] = [
    // The kernel answers at once; a responder takes its time.
    ("icmp_echo_ignore_all", "1"),
    // As in a container: ICMP without privileges. Raw sockets would each see all replies.
    ("ping_group_range", "0 2147483647"),
];

/// Packets to the peers whose handshake a responder makes by hand go out and are not taken in,
/// so that the kernel does not refuse the connections.
const ROUTE: &str = "route add 10.0.0.0/8 dev lo src 127.0.0.1";

/// Moves the calling thread into a namespace with nothing but a loopback interface.
pub(super) fn enter() -> Result<(), Obstacle> {
    if !rustix::process::geteuid().is_root() {
        return Err(Obstacle("packet capture requires root".to_owned()));
    }
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|error| Obstacle(format!("cannot create a network namespace: {error}")))?;
    ip("link set lo up")?;
    ip(ROUTE)?;
    for (name, value) in SETTINGS {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value)
            .map_err(|error| Obstacle(format!("cannot set {name}: {error}")))?;
    }
    Ok(())
}

fn ip(arguments: &str) -> Result<(), Obstacle> {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .map_err(|error| Obstacle(format!("cannot run `ip` (package iproute2): {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(Obstacle(format!("`ip {arguments}` failed: {}", why.trim())))
}
