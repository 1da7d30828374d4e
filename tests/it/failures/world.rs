//! Runs rows in a namespace of their own, by starting this binary again there, as [`inside`].
//!
//! It needs root for that and is skipped, loudly, without.

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    process::Command,
    thread,
};

use super::{
    faces::{ARGUMENTS, check_by},
    network,
};
use crate::{
    fixtures::dns::{A, message, record},
    running::Running,
};

/// Names the world that this binary was started in.
const WORLD: &str = "PROBE_EXPORTER_TEST_FAILURES_WORLD";

/// What the shell says when the namespace or the user cannot be had.
const NOT_POSSIBLE: i32 = 77;

/// Not a test by itself: what the others start in a world of its own.
#[test]
fn inside() {
    let start = |yaml: &str| Running::start(yaml, ARGUMENTS);
    match env::var(WORLD).as_deref() {
        Ok("routed") => {
            names();
            // The exporter needs a port too.
            let mut held = None;
            check_by(&network::routed(), |yaml| {
                let exporter = start(yaml);
                held = Some(crowd());
                exporter
            });
        }
        Ok("powerless") => check_by(&network::powerless(), start),
        _ => {}
    }
}

/// A name server whose names say what becomes of a question.
fn names() {
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = server.recv_from(&mut buffer) {
            let question = &buffer[..length];
            let name = String::from_utf8_lossy(&question[13..]).into_owned();
            let is_ipv4 = question[12..].windows(3).any(|octets| octets == [0, 0, 1]);
            let answer = match name.get(..3) {
                Some("gon") => message().rcode(3),
                Some("bro") => message().rcode(2),
                Some("fou") if is_ipv4 => message().answer(record("four.test", A, &[127, 0, 0, 1])),
                Some("fou") => message(),
                _ => continue,
            };
            server.send_to(&answer.to(question), peer).unwrap();
        }
    });
}

/// Takes all ports of this host for one place.
fn crowd() -> (TcpListener, Vec<TcpStream>) {
    let place: SocketAddr = network::CROWDED.parse().unwrap();
    let listener = TcpListener::bind(place).unwrap();
    let connections = std::iter::from_fn(|| TcpStream::connect(place).ok());
    (listener, connections.collect())
}

/// Runs [`inside`] in a network that `setup` makes, with these arguments of setpriv.
#[expect(clippy::print_stdout, reason = "whoever reads the results must see what was skipped")]
pub(super) fn in_world(world: &str, setup: &str, rights: &str) {
    let script = format!(
        r#"
        set -e
        trap 'exit {NOT_POSSIBLE}' EXIT
        ip link set lo up
        echo "1 0" > /proc/sys/net/ipv4/ping_group_range
        setpriv {rights} test -x "$0"
        {setup}
        hosts=$(readlink -m /etc/hosts) names=$(readlink -m /etc/resolv.conf)
        mkdir -p "${{names%/*}}"
        touch "$names"
        echo "nameserver 127.0.0.1" > /run/names
        echo "127.0.0.1 localhost" > /run/hosts
        mount --bind /run/names "$names"
        mount --bind /run/hosts "$hosts"
        trap - EXIT
        exec setpriv {rights} "$0" --exact failures::world::inside --nocapture
        "#
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script])
        .arg(env::current_exe().unwrap())
        .env(WORLD, world)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return println!("SKIPPED, unshare cannot be started: {error}"),
    };
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(NOT_POSSIBLE) || why.contains("unshare:") {
        return println!("SKIPPED, no namespace or user of its own: {why}");
    }
    assert!(output.status.success(), "{}\n{why}", String::from_utf8_lossy(&output.stdout));
}
