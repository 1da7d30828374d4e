//! Hostile HTTP/3 servers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::UdpSocket, task::JoinHandle};

use super::{Attack, Target, withstand};
use crate::fixtures::{
    hostile::RUNTIME,
    http3::{
        CONTROL, DATA, HEADERS, PUSH_PROMISE, REQUEST, SETTINGS, STATUS_103, STATUS_200, Scripted,
        frame, scripted,
    },
    quic::{QuicServer, quic, socket},
    tls::{leaf, server},
};

/// The `patient` modules must fail before their long timeout; the others time out.
const MODULES: &str = r"
modules:
  plain:
    prober: http
    timeout: 2s
    http: {enable_http3: true, enable_http2: false, tls_config: {insecure_skip_verify: true}}
  patient:
    prober: http
    timeout: 60s
    http: {enable_http3: true, enable_http2: false, tls_config: {insecure_skip_verify: true}}
  upload:
    prober: http
    timeout: 2s
    http:
      method: POST
      body_file: ENDLESS_FILE
      enable_http3: true
      enable_http2: false
      tls_config: {insecure_skip_verify: true}
";

impl Target for Scripted {
    fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn honest() -> QuicServer {
    quic(server(&leaf("127.0.0.1").self_signed()).builder())
}

/// Starts a server that runs this at every turn after a request.
fn doing(
    script: impl Fn(&mut quiche::Connection, u32) + Clone + Send + 'static,
) -> Box<dyn Target> {
    Box::new(scripted(honest(), script))
}

/// Starts a server that sends `first`, and then `more` at every turn if flow control permits.
fn saying(first: Vec<u8>, more: impl AsRef<[u8]>) -> Box<dyn Target> {
    let more = more.as_ref();
    let more = more.repeat(10_000_usize.checked_div(more.len()).map_or(0, |times| times + 1));
    let said = Arc::new(AtomicUsize::new(0));
    doing(move |connection, _| {
        let rest = &first[said.load(Ordering::Relaxed)..];
        if rest.is_empty() {
            say(connection, &more);
        } else if let Ok(length) = connection.stream_send(REQUEST, rest, false) {
            said.fetch_add(length, Ordering::Relaxed);
        }
    })
}

fn say(connection: &mut quiche::Connection, bytes: &[u8]) {
    // Completely or not at all, so that frames stay complete.
    if connection.stream_capacity(REQUEST).is_ok_and(|room| room >= bytes.len()) {
        connection.stream_send(REQUEST, bytes, false).ok();
    }
}

/// Starts a server that sends this without its last bytes, and ends the stream.
fn cut(bytes: &[u8], missing: usize) -> Box<dyn Target> {
    let said = bytes[..bytes.len() - missing].to_vec();
    doing(move |connection, turn| {
        if turn == 0 {
            connection.stream_send(REQUEST, &said, true).ok();
        }
    })
}

/// Starts a server that resets the response with this code.
fn resetting(code: u64) -> Box<dyn Target> {
    doing(move |connection, _| {
        connection.stream_shutdown(REQUEST, quiche::Shutdown::Write, code).ok();
    })
}

/// A peer that answers every datagram with given datagrams.
struct Datagrams {
    address: SocketAddr,
    task: JoinHandle<()>,
}

fn answering(
    answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    times: usize,
) -> Box<dyn Target> {
    let (address, socket): (_, UdpSocket) = socket();
    let task = RUNTIME.spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            let answers = answers(&buffer[..length]);
            for _ in 0..times {
                for answer in &answers {
                    socket.send_to(answer, from).await.ok();
                }
                tokio::task::yield_now().await;
            }
        }
    });
    Box::new(Datagrams { address, task })
}

impl Target for Datagrams {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn requests(&self) -> usize {
        0
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns a Version Negotiation packet with an unknown version (RFC 9000, section 17.2.1).
fn other_version(hello: &[u8]) -> Vec<Vec<u8>> {
    let after_version = &hello[5..];
    let (theirs, rest) = after_version.split_at(1 + usize::from(after_version[0]));
    let ours = &rest[..=usize::from(rest[0])];
    vec![[&[0xc0, 0, 0, 0, 0], ours, theirs, &[0x0a, 0x1a, 0x2a, 0x3a]].concat()]
}

/// Returns an untrusted server and a silent one.
pub(super) fn leading_nowhere() -> [Box<dyn Target>; 2] {
    [doing(|_, _| ()), answering(|_| Vec::new(), 1)]
}

fn attack(
    (name, module, reason): (&'static str, &'static str, &'static str),
    target: Box<dyn Target>,
    requests: usize,
) -> Attack {
    Attack { name, module, target, scheme: "https://", reason, requests }
}

#[test]
fn endless_servers_are_cut_off() {
    let nothing = Vec::new;
    let head = || frame(HEADERS, STATUS_200);
    let many = Arc::new(AtomicUsize::new(0));
    let closed_to_us = {
        let mut server = honest();
        server.config.set_initial_max_stream_data_bidi_remote(0);
        Box::new(scripted(server, |_, _| ()))
    };
    let attacks = [
        ("silence", "plain", answering(|_| Vec::new(), 1), 0),
        ("noise", "plain", answering(|_| vec![vec![0x7f; 1200], vec![0xff; 40]], 1000), 0),
        ("an echo", "plain", answering(|hello| vec![hello.to_vec()], 100), 0),
        ("empty datagrams", "plain", answering(|_| vec![Vec::new()], 1000), 0),
        ("no answer", "plain", saying(nothing(), []), 1),
        ("no body", "plain", saying(head(), []), 1),
        ("a promise", "plain", saying(frame(PUSH_PROMISE, &[0, 0, 0]), []), 1),
        ("half a frame", "plain", saying(head()[..5].to_vec(), []), 1),
        ("a body without end", "plain", saying(head(), frame(DATA, &[0; 1000])), 1),
        ("nothing but acknowledgements", "upload", saying(nothing(), []), 1),
        ("no room for a request", "plain", closed_to_us, 0),
        (
            "pings",
            "plain",
            doing(|connection, _| {
                connection.send_ack_eliciting().ok();
            }),
            1,
        ),
        (
            "streams of no use",
            "plain",
            doing(move |connection, _| {
                let stream = 4 * u64::try_from(many.fetch_add(1, Ordering::Relaxed)).unwrap() + 7;
                connection.stream_send(stream, &[0x21, 0, 0, 0], true).ok();
            }),
            1,
        ),
    ];
    let attacks = attacks.map(|(name, module, target, requests)| {
        // The number of frames of no use is limited too.
        attack((name, module, "timeout|protocol"), target, requests)
    });
    withstand(MODULES, 48, &attacks);
}

#[test]
fn responses_that_end_too_early_are_refused() {
    let head = || frame(HEADERS, STATUS_200);
    let whole = || [head(), frame(DATA, b"hello")].concat();
    let after_trailers = [head(), frame(HEADERS, b"\0\0"), frame(DATA, b"x")].concat();
    let in_control = |bytes: Vec<u8>| {
        doing(move |connection, _| {
            connection.stream_send(CONTROL, &bytes, false).ok();
        })
    };
    let opening = |kind: &'static [u8]| {
        doing(move |connection, _| {
            connection.stream_send(CONTROL + 4, kind, false).ok();
        })
    };
    let attacks = [
        ("a request closed by nginx", "closed", resetting(0x101)),
        ("a reset by an error of the server", "closed", resetting(0x102)),
        ("a reset without an error", "closed", resetting(0x100)),
        ("a request left out", "closed", resetting(0x10b)),
        ("an older version alone", "protocol", resetting(0x110)),
        ("an end within a body", "closed", cut(&whole(), 2)),
        ("an end before a body", "closed", cut(&whole(), 5)),
        ("an end within a frame's header", "closed", cut(&whole(), 8)),
        ("an end within a head", "closed", cut(&head(), 1)),
        ("a body after trailers", "protocol", cut(&after_trailers, 0)),
        ("settings of HTTP/2", "protocol", in_control(vec![4, 2, 2, 0])),
        ("a farewell to all", "closed", in_control(vec![7, 1, 0])),
        (
            "an end of the control stream",
            "protocol",
            doing(|connection, _| {
                connection.stream_send(CONTROL, b"", true).ok();
            }),
        ),
        ("a second control stream", "protocol", opening(b"\0")),
        ("a push", "protocol", opening(b"\x01\0")),
    ];
    let attacks =
        attacks.map(|(name, reason, target)| attack((name, "patient", reason), target, 1));
    withstand(MODULES, 48, &attacks);
}

#[test]
fn frames_that_carry_nothing_are_limited() {
    let head = frame(HEADERS, STATUS_200);
    let attacks = [
        ("empty data", saying(head, frame(DATA, &[]))),
        ("unknown frames", saying(Vec::new(), frame(0x21, &[0; 100]))),
    ];
    let attacks = attacks.map(|(name, target)| attack((name, "patient", "protocol"), target, 1));
    withstand(MODULES, 48, &attacks);
}

#[test]
fn protocol_violations_are_refused() {
    let head = || frame(HEADERS, STATUS_200);
    let literal =
        |length: u8| [&[0x21, b'x', length], vec![b'y'; length.into()].as_slice()].concat();
    let large = [STATUS_200, &literal(100).repeat(6000)].concat();
    let many = [STATUS_200, &literal(0).repeat(5000)].concat();
    let announced = [STATUS_200, b"\x54\x011"].concat();
    let in_control = |bytes: Vec<u8>| {
        doing(move |connection, _| {
            connection.stream_send(CONTROL, &bytes, false).ok();
        })
    };
    let ending = |code: u64, is_app: bool| {
        doing(move |connection, _| {
            connection.close(is_app, code, b"for no reason").ok();
        })
    };
    let attacks = [
        ("another version", "protocol", answering(other_version, 1), 0),
        ("interim heads", "too_large", saying(Vec::new(), frame(HEADERS, STATUS_103)), 1),
        ("trailers", "protocol", saying(head(), head()), 1),
        ("a large head", "too_large", saying(frame(HEADERS, &large), []), 1),
        ("many headers", "too_large", saying(frame(HEADERS, &many), []), 1),
        ("no status", "protocol", saying(frame(HEADERS, &[0, 0]), []), 1),
        ("unknown table", "protocol", saying(frame(HEADERS, &[9, 0, 0x80]), []), 1),
        ("broken fields", "protocol", saying(frame(HEADERS, &[0, 0, 0x21]), []), 1),
        ("data first", "protocol", saying(frame(DATA, b"x"), []), 1),
        (
            "more than announced",
            "protocol",
            saying([frame(HEADERS, &announced), frame(DATA, b"xyz")].concat(), Vec::new()),
            1,
        ),
        (
            "less than announced",
            "closed",
            doing(move |connection, turn| {
                if turn == 0 {
                    connection.stream_send(REQUEST, &frame(HEADERS, &announced), true).ok();
                }
            }),
            1,
        ),
        (
            "an end without a head",
            "protocol",
            doing(|connection, _| {
                connection.stream_send(REQUEST, b"", true).ok();
            }),
            1,
        ),
        ("settings again", "protocol", in_control(frame(SETTINGS, &[])), 1),
        ("data about the connection", "protocol", in_control(frame(DATA, b"x")), 1),
        ("a farewell", "closed", ending(0x100, true), 1),
        ("an error of HTTP/3", "protocol", ending(0x101, true), 1),
        ("an error of the server", "closed", ending(0x102, true), 1),
        ("an unknown error", "protocol", ending(0x4242, true), 1),
        ("a limit of load", "closed", ending(0x107, true), 1),
        ("an error of QUIC", "closed", ending(1, false), 1),
        ("a refusal", "refused", ending(2, false), 1),
    ];
    let attacks = attacks.map(|(name, reason, target, requests)| {
        attack((name, "patient", reason), target, requests)
    });
    withstand(MODULES, 48, &attacks);
}
