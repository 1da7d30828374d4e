//! The floor: what the kernel alone, and BoringSSL for HTTPS, take for the same exchanges.
//!
//! Each loop makes the system calls that an exchange needs and no others, on one thread, and reads
//! that thread's CPU time. It checks no answer beyond its length and matches no pattern.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use boring::ssl::{SslConnector, SslMethod, SslVerifyMode};
use rustix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    kinds::Kind,
    load::{Answer, Load},
    responders::{QUESTION, Responders},
};

/// Offered as Go's client and ours offer them.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384:P-521";

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Blackbox Exporter/0.28.0\r\n\
    Accept-Encoding: gzip\r\n\r\n";
const BIG_REQUEST: &[u8] = b"GET /big HTTP/1.1\r\nHost: localhost\r\n\
    User-Agent: Blackbox Exporter/0.28.0\r\nAccept-Encoding: gzip\r\n\r\n";

/// CPU time of one bare exchange of this kind, as the mean over `duration`.
pub(crate) fn exchange(kind: Kind, responders: &Responders, duration: Duration) -> Duration {
    let mut buffer = vec![0; 256 << 10];
    match kind {
        Kind::Http => repeat(&responders.http, duration, |address| {
            converse(TcpStream::connect(address)?, REQUEST, &mut buffer)
        }),
        Kind::HttpBody => repeat(&responders.http, duration, |address| {
            converse(TcpStream::connect(address)?, BIG_REQUEST, &mut buffer)
        }),
        Kind::Https => {
            let mut connector = SslConnector::builder(SslMethod::tls()).expect("a connector");
            connector.set_curves_list(GROUPS).expect("groups");
            // The same chain need not be verified at each connection; that the server has the key
            // of its certificate must be, and is.
            connector.set_verify(SslVerifyMode::NONE);
            let connector = connector.build();
            repeat(&responders.https, duration, |address| {
                let stream = TcpStream::connect(address)?;
                let stream = connector.connect(&address.ip().to_string(), stream);
                converse(stream.map_err(std::io::Error::other)?, REQUEST, &mut buffer)
            })
        }
        Kind::Tcp => {
            repeat(&responders.http, duration, |address| TcpStream::connect(address).map(drop))
        }
        Kind::Dns => {
            let query = query(QUESTION);
            repeat(&responders.dns, duration, |address| ask(address, &query, &mut buffer))
        }
        Kind::Icmp => repeat(&responders.http, duration, echo),
        Kind::Name => {
            let query = query("host1-1.bench.test");
            repeat(&responders.http, duration, |address| {
                // One for each family.
                for _ in 0..2 {
                    ask(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)), &query, &mut buffer)?;
                }
                TcpStream::connect(address).map(drop)
            })
        }
    }
}

/// CPU time of reading one scrape's request and writing an answer as long as this one, on a
/// connection that is kept, as the mean over `duration`.
pub(crate) fn scrape(load: &Load, path: &str, like: &Answer, duration: Duration) -> Duration {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\
        content-type: text/plain; version=0.0.4; charset=utf-8; escaping=values\r\n\
        date: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length";
    let mut answer = format!("{head}: {}\r\n\r\n", like.size()).into_bytes();
    answer.resize(answer.len() + like.size(), b' ');
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("an open connection");
        let mut request = [0; 4096];
        let (begun, mut count) = (thread_cpu_time(), 0);
        while matches!(stream.read(&mut request), Ok(1..)) {
            stream.write_all(&answer).expect("an open connection");
            count += 1;
        }
        thread_cpu_time().saturating_sub(begun) / count
    });
    drop(load.turn(address, &[path.to_owned()], 1, duration, || {}));
    // The connections of a turn end when its runtime runs again.
    load.rest();
    server.join().expect("a server")
}

/// The CPU time of one call, as the mean over `duration`, the targets in turn.
fn repeat(
    targets: &[SocketAddr],
    duration: Duration,
    mut exchange: impl FnMut(SocketAddr) -> std::io::Result<()>,
) -> Duration {
    let end = Instant::now() + duration;
    let (begun, mut count) = (thread_cpu_time(), 0);
    for address in targets.iter().cycle() {
        if count > 0 && Instant::now() >= end {
            break;
        }
        exchange(*address).expect("an exchange with our own server");
        count += 1;
    }
    thread_cpu_time().saturating_sub(begun) / count
}

/// Sends a request and reads its answer, of which it looks only at the announced length.
fn converse(
    mut stream: impl Read + Write,
    request: &[u8],
    buffer: &mut [u8],
) -> std::io::Result<()> {
    stream.write_all(request)?;
    let mut received = stream.read(buffer)?;
    let head = buffer[..received].windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let text = std::str::from_utf8(&buffer[..head]).expect("text");
    let (_, length) = text.rsplit_once("Content-Length: ").expect("a length");
    let whole = head + 4 + length.parse::<usize>().expect("a number");
    while received < whole {
        match stream.read(buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            length => received += length,
        }
    }
    Ok(())
}

/// One ICMP echo over a new socket: a datagram one where the system allows it, else a raw one.
fn echo(address: SocketAddr) -> std::io::Result<()> {
    const MARK: u8 = 0x5a;
    let open = |kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
    let (mut socket, head) = match open(Type::DGRAM) {
        Ok(socket) => (socket, 0),
        Err(_) => (open(Type::RAW)?, 20),
    };
    socket.connect(&SocketAddr::from((address.ip(), 0)).into())?;
    // Type 8, code 0, checksum, identifier, sequence number, and 28 bytes of data.
    let mut packet = [MARK; 36];
    packet[..4].copy_from_slice(&[8, 0, 0, 0]);
    let sum = packet.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    let folded = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let checksum = u16::try_from(!folded(folded(sum)) & 0xffff).expect("sixteen bits");
    packet[2..4].copy_from_slice(&checksum.to_be_bytes());
    socket.send(&packet)?;
    // A raw socket sees the request too, since the target is this host.
    let mut answer = [0; 128];
    loop {
        let length = socket.read(&mut answer)?;
        if length >= head + 8 && answer[head] == 0 && (head == 0 || answer[head + 4] == MARK) {
            return Ok(());
        }
    }
}

/// One question over UDP.
fn ask(server: SocketAddr, query: &[u8], buffer: &mut [u8]) -> std::io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.send(query)?;
    socket.recv(buffer).map(drop)
}

/// A question for an A record.
fn query(name: &str) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("a short label"));
        query.extend(label.bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("a time after the start")
}
