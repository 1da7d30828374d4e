//! Scripts: what the server does on each connection.

use std::{io::Write as _, net::SocketAddr};

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};

use super::{handshake, http2, input::Input, modules::NAMES};

/// Actions of the server.
#[derive(Debug)]
pub struct Script {
    /// The module that probes it.
    pub module: &'static str,
    /// At least one; further ones are played as the first.
    pub connections: Vec<Connection>,
}

/// Actions of the server on one connection.
#[derive(Debug)]
pub struct Connection {
    pub transport: Transport,
    pub actions: Vec<Action>,
}

/// Transport below the bytes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Plain,
    /// TLS that agrees to HTTP/1.1.
    Tls,
    /// TLS that agrees to HTTP/2.
    Http2,
    /// No TLS, where the client expects it.
    Records,
}

#[derive(Debug)]
pub enum Action {
    Send(Vec<u8>),
    /// Completes the upgrade to a WebSocket that the client asks for.
    Upgrade,
    /// Lets other tasks run this often.
    Yield(u8),
    /// Waits until the client has sent something since the last wait.
    Await,
    Shutdown,
    Reset,
}

/// Maximum number of bytes that a script sends on one connection.
const MAX_SENT: usize = 512 << 10;

/// Maximum number of actions of a script.
const MAX_ACTIONS: usize = 1000;

/// The number of operations.
const OPERATIONS: u8 = 15;

const STATUSES: [u16; 15] =
    [200, 302, 301, 307, 308, 401, 404, 500, 100, 103, 101, 204, 304, 206, 999];

const FIELDS: [(&str, &str); 22] = [
    ("Location", "/next"),
    ("Location", "http://HOST/"),
    ("Location", "https://HOST/"),
    ("Content-Encoding", "gzip"),
    ("Content-Encoding", "br"),
    ("Content-Encoding", "deflate"),
    ("Transfer-Encoding", "chunked"),
    ("Content-Length", "10"),
    ("Content-Length", "4294967296"),
    ("Set-Cookie", "session=0123456789abcdef; Path=/"),
    ("Content-Type", "application/json"),
    ("Content-Type", "application/grpc"),
    ("Connection", "close"),
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("Grpc-Status", "0"),
    ("Grpc-Message", "%e4%zz"),
    ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("WWW-Authenticate", "Basic"),
    ("X", "yes"),
    ("Trailer", "X"),
    ("Host", "hidden-password"),
];

impl Script {
    /// Reads a script. `address` is that of the server, `certificates` are those that it can show.
    pub fn parse(bytes: &[u8], address: SocketAddr, certificates: &[Vec<u8>]) -> Self {
        let mut input = Input(bytes);
        let module = input.one_of(&NAMES);
        let mut connections = vec![Connection::begin(&mut input)];
        let mut actions = 0;
        while !input.is_empty() && actions < MAX_ACTIONS {
            actions += 1;
            let operation = input.byte() % OPERATIONS;
            if operation == 13 {
                connections.push(Connection::begin(&mut input));
            } else if let Some(last) = connections.last_mut() {
                let action = action(operation, &mut input, address, certificates);
                last.add(action);
            }
        }
        Self { module, connections }
    }

    /// The target that leads to the server.
    pub fn target(&self, address: SocketAddr) -> String {
        let is_plain = self.connections[0].transport == Transport::Plain;
        match (self.module, is_plain) {
            ("grpc", _) => address.to_string(),
            ("websocket", true) => format!("ws://{address}/"),
            ("websocket", false) => format!("wss://{address}/"),
            (_, true) => format!("http://{address}/"),
            (_, false) => format!("https://{address}/"),
        }
    }
}

impl Connection {
    fn begin(input: &mut Input<'_>) -> Self {
        let transport = match input.byte() % 4 {
            0 => Transport::Plain,
            1 => Transport::Tls,
            2 => Transport::Http2,
            _ => Transport::Records,
        };
        Self { transport, actions: Vec::new() }
    }

    fn add(&mut self, action: Action) {
        let sent = |action: &Action| match action {
            Action::Send(bytes) => bytes.len(),
            _ => 0,
        };
        if self.actions.iter().chain([&action]).map(sent).sum::<usize>() <= MAX_SENT {
            self.actions.push(action);
        }
    }
}

fn action(
    operation: u8,
    input: &mut Input<'_>,
    address: SocketAddr,
    certificates: &[Vec<u8>],
) -> Action {
    Action::Send(match operation {
        0 => input.bytes().to_vec(),
        1 => {
            let times = input.times();
            limited(input.bytes(), times)
        }
        2 => head(input, address),
        3 => chunk(input.bytes()),
        4 => compressed(input),
        5 => http2::frame(input),
        6 => {
            let (status, fields) = status_and_fields(input, address);
            http2::headers(input, status, &fields)
        }
        7 => handshake::record(input),
        8 => handshake::message(input, certificates),
        9 => return Action::Yield(input.byte()),
        10 => return Action::Await,
        11 => return Action::Shutdown,
        12 => return Action::Reset,
        14 => match input.byte() % 3 {
            0 => return Action::Upgrade,
            1 => http2::long_frame(input),
            _ => {
                let times = input.times();
                limited(&http2::frame(input), times)
            }
        },
        _ => Vec::new(),
    })
}

fn limited(bytes: &[u8], times: usize) -> Vec<u8> {
    bytes.repeat(times.min(MAX_SENT / bytes.len().max(1)))
}

/// The head of a message of HTTP/1.
fn head(input: &mut Input<'_>, address: SocketAddr) -> Vec<u8> {
    let (status, fields) = status_and_fields(input, address);
    let mut head = format!("HTTP/1.1 {status} Words\r\n");
    for (name, value) in fields {
        head.extend([&name, ": ", &value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn status_and_fields(input: &mut Input<'_>, address: SocketAddr) -> (u16, Vec<(String, String)>) {
    let status = input.one_of(&STATUSES);
    let number = input.byte() % 16;
    let fields = (0..number).map(|_| match input.byte() {
        choice @ 0..128 => {
            let (name, value) = FIELDS[usize::from(choice) % FIELDS.len()];
            (name.to_owned(), value.replace("HOST", &address.to_string()))
        }
        128..192 => (input.text(), input.text()),
        192.. => {
            let times = input.times();
            let (name, value) = (input.text(), input.text());
            (name, value.repeat(times.min((64 << 10) / value.len().max(1))))
        }
    });
    (status, fields.collect())
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", data.len()).into_bytes();
    chunk.extend_from_slice(data);
    chunk.extend(b"\r\n");
    chunk
}

/// A compressed body, as it is, in a chunk, or in frames of HTTP/2.
fn compressed(input: &mut Input<'_>) -> Vec<u8> {
    let (codec, form, times) = (input.byte() % 4, input.byte() % 4, input.times());
    let body = limited(input.bytes(), times);
    let level = Compression::fast();
    let packed = match codec {
        0 => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        1 => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        2 => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        _ => body,
    };
    match form {
        0 => packed,
        1 => chunk(&packed),
        2 => http2::data(&packed, false),
        _ => http2::data(&packed, true),
    }
}
