//! Runs rows in a [`Namespace`] of their own, by starting this binary again there, as [`inside`].

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use super::{
    faces::{ARGUMENTS, check_by},
    network, routes,
};
use crate::{
    fixtures::dns::{A, message, record},
    namespace::Namespace,
    running::Running,
};

/// Names the world that this binary was started in.
const WORLD: &str = "PROBE_EXPORTER_TEST_FAILURES_WORLD";

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
        Ok("refusing") => check_by(&routes::refusing(), start),
        Ok("without_ipv6") => check_by(&routes::without_ipv6(), start),
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

/// Runs [`inside`] in a network that `setup` makes, with these arguments of setpriv. The only server
/// of names there is at 127.0.0.1.
#[track_caller]
pub(super) fn in_world(world: &str, setup: &str, rights: &str) {
    let setup = &format!("{setup}{NAMES}");
    Namespace { setup, ping_group_range: "1 0", rights }
        .run("failures::world::inside", &[(WORLD, world)]);
}

/// Puts other files in the place of those that say what the machine knows of names.
const NAMES: &str = r#"
    hosts=$(readlink -m /etc/hosts) names=$(readlink -m /etc/resolv.conf)
    mkdir -p "${names%/*}"
    touch "$names"
    echo "nameserver 127.0.0.1" > /run/names
    echo "127.0.0.1 localhost" > /run/hosts
    mount --bind /run/names "$names"
    mount --bind /run/hosts "$hosts"
"#;
