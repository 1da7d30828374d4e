//! Runs rows in a [`Namespace`], by starting [`inside`] of this binary there.

use std::{
    env,
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
};

use super::{
    formats::{ARGUMENTS, check_with},
    network, routes,
};
use crate::{
    fixtures::dns::{A, message, record},
    namespace::{NAMES, Namespace},
    running::Running,
};

/// Environment variable with the kind of namespace.
const NAMESPACE: &str = "PROBE_EXPORTER_TEST_FAILURES_NAMESPACE";

/// Runs only when the other tests start it in a namespace.
#[test]
fn inside() {
    let start = |yaml: &str| Running::start(yaml, ARGUMENTS);
    match env::var(NAMESPACE).as_deref() {
        Ok("routed") => {
            names();
            // The exporter starts first, since it needs a port, too.
            let mut held = None;
            check_with(&network::routed(), |yaml| {
                let exporter = start(yaml);
                held = Some(use_all_ports());
                exporter
            });
        }
        Ok("refusing") => check_with(&routes::refusing(), start),
        Ok("without_ipv6") => check_with(&routes::without_ipv6(), start),
        Ok("powerless") => check_with(&network::powerless(), start),
        _ => {}
    }
}

/// Starts a name server whose behaviour depends on the name.
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

/// Connects all local ports to one address.
fn use_all_ports() -> (TcpListener, Vec<TcpStream>) {
    let address: SocketAddr = network::WITHOUT_PORTS.parse().unwrap();
    let listener = TcpListener::bind(address).unwrap();
    let connections = std::iter::from_fn(|| TcpStream::connect(address).ok());
    (listener, connections.collect())
}

/// Runs [`inside`] in a network that `setup` creates, with these arguments of setpriv. The only
/// name server there is at 127.0.0.1.
#[track_caller]
pub(super) fn in_namespace(kind: &str, setup: &str, rights: &str) {
    let setup = &format!("{setup}{NAMES}");
    Namespace { setup, ping_group_range: "1 0", rights }
        .run("failures::in_namespace::inside", &[(NAMESPACE, kind)]);
}
