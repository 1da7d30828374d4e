//! Invalid targets and refused connections.

use std::{
    fs,
    net::TcpStream,
    os::unix::{fs::symlink, net::UnixStream},
    path::PathBuf,
    sync::Arc,
};

use probe_exporter::diagnostics::{Reason, Stage};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    formats::check,
    row::{Row, Target, module, row, served},
};
use crate::fixtures::ports::closed_port;

#[test]
fn unreachable_targets_are_reported() {
    check(&rows());
}

const INVALID: (Stage, Reason) = (Stage::Target, Reason::InvalidTarget);
const REFUSED: (Stage, Reason) = (Stage::Connect, Reason::Refused);

pub(super) fn rows() -> Vec<Row> {
    let tcp = |keys| module("tcp", keys);
    let six = "preferred_ip_protocol: ip6, ip_protocol_fallback: false";
    let unsuitable = (Stage::Resolve, Reason::NoSuitableAddress);
    let mut rows = files_that_take_no_connection();
    rows.extend([
        row("no port", tcp(""), "127.0.0.1", INVALID, "missing port"),
        row("a port that is none", tcp(""), "127.0.0.1:65536", INVALID, "65536"),
        row("a URL that is none", module("http", ""), "http://h/%zz", INVALID, "not a URL"),
        row(
            "a name server at a port that is none",
            module("dns", DNS),
            "127.0.0.1:nonsense",
            INVALID,
            "nonsense",
        ),
        row(
            "a scheme of something else",
            module("websocket", ""),
            "http://h/",
            INVALID,
            "must begin with ws://",
        ),
        row("the other family alone", tcp(six), "127.0.0.1:80", unsuitable, "no suitable address"),
        row("nobody listens", tcp(""), closed(), REFUSED, "refused")
            .with("probe_failure_address_info"),
        row("nobody listens to HTTP", module("http", ""), closed(), REFUSED, "refused"),
        row("nobody listens to gRPC", module("grpc", ""), closed(), REFUSED, "refused"),
        row(
            "a source address of somebody else",
            tcp("source_ip_address: 192.0.2.1"),
            closed(),
            (Stage::Connect, Reason::InvalidRequest),
            "not an address of this host",
        ),
        row(
            "a listener that takes nobody in",
            tcp(""),
            crowded(),
            (Stage::Connect, Reason::Timeout),
            "no TCP handshake with",
        )
        .soon(),
    ]);
    rows
}

/// Paths that are not listening stream sockets.
fn files_that_take_no_connection() -> Vec<Row> {
    let unix = || module("unix", "");
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let place = |name: &str| folder.path().join(name);
    let invalid = |what, path: PathBuf, words| {
        row(what, unix(), served(path.display(), Arc::clone(&folder)), INVALID, words)
    };
    fs::write(place("file"), "").unwrap();
    symlink(place("loop"), place("loop")).unwrap();
    let open = |kind, name: &str| {
        let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
        socket.bind(&SockAddr::unix(place(name)).unwrap()).unwrap();
        socket.listen(0).unwrap();
        socket
    };
    let (packets, full) = (open(Type::SEQPACKET, "packets"), open(Type::STREAM, "full"));
    let waiting = UnixStream::connect(place("full")).unwrap();
    vec![
        invalid("a file that is no socket", place("file"), "it is not a socket"),
        invalid("a directory", folder.path().to_owned(), "it is not a socket"),
        invalid("a path through a file", place("file/socket"), "is not a directory"),
        invalid("a link to itself", place("loop"), "too many symbolic links"),
        row(
            "a socket of packets",
            unix(),
            served(place("packets").display(), (packets, Arc::clone(&folder))),
            (Stage::Connect, Reason::Protocol),
            "it is not a stream socket",
        ),
        row(
            "a socket whose queue is full",
            unix(),
            served(place("full").display(), (full, waiting, Arc::clone(&folder))),
            REFUSED,
            "its listen backlog is full",
        ),
    ]
}

/// The keys that a module of the dns prober requires.
const DNS: &str = "query_name: example";

/// A port that nobody listens on.
fn closed() -> Target {
    let port = closed_port();
    served(port.address, port)
}

/// Returns a listener whose backlog is full: the kernel drops further connections.
fn crowded() -> Target {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let waiting = TcpStream::connect(address).unwrap();
    served(address, (socket, waiting))
}
