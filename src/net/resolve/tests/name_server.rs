//! A small name server on loopback with responses of the test's choice.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Notify,
    task::JoinHandle,
};

use crate::net::resolve::answer::{A, AAAA};

/// A question that the server received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// In lower case, with a final dot.
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) edns: bool,
    pub(super) tcp: bool,
    pub(super) flags: u16,
    message: Vec<u8>,
}

/// The behaviour of a server: the messages that it returns for a question. Over TCP, an empty list
/// closes the connection.
pub(super) type Replies = Vec<Vec<u8>>;

/// A name server; it stops when it is dropped.
pub(super) struct NameServer {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Question>>>,
    pub(super) was_asked: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

type Behaviour = Arc<dyn Fn(&Question) -> Replies + Send + Sync>;

impl NameServer {
    /// Serves UDP and TCP on one port. Each connection ends after one answer.
    pub(super) async fn start(
        replies: impl Fn(&Question) -> Replies + Send + Sync + 'static,
    ) -> Self {
        let (listener, socket) = both_transports().await;
        let address = socket.local_addr().expect("bound");
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let was_asked = Arc::<Notify>::default();
        let (noted, notify) = (Arc::clone(&asked), Arc::clone(&was_asked));
        let replies: Behaviour = Arc::new(move |question| {
            noted.lock().unwrap().push(question.clone());
            notify.notify_one();
            replies(question)
        });
        let over_tcp = tokio::spawn(serve_tcp(listener, Arc::clone(&replies)));
        let tasks = vec![tokio::spawn(serve_udp(socket, replies)), over_tcp];
        Self { address, asked, was_asked, tasks }
    }

    /// Starts a server for these names with these addresses.
    pub(super) async fn with_zone(
        zone: &'static [(&'static str, &'static [&'static str])],
    ) -> Self {
        Self::start(move |question| vec![zone_answer(question, zone)]).await
    }

    /// Returns the names and types of the received questions, sorted.
    pub(super) fn asked(&self) -> Vec<(String, u16)> {
        let questions = self.questions().into_iter();
        let mut asked: Vec<_> = questions.map(|asked| (asked.name, asked.kind)).collect();
        asked.sort();
        asked
    }

    pub(super) fn questions(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Returns the response of a server with this zone.
pub(super) fn zone_answer(question: &Question, zone: &[(&str, &[&str])]) -> Vec<u8> {
    match zone.iter().find(|(name, _)| *name == question.name) {
        Some((_, addresses)) => question.addresses(addresses),
        None => question.code(3),
    }
}

impl Question {
    fn read(message: &[u8], tcp: bool) -> Self {
        let mut name = String::new();
        let mut rest = &message[12..];
        while let Some((length @ 1.., after)) = rest.split_first() {
            let (label, after) = after.split_at(usize::from(*length));
            name.push_str(&String::from_utf8_lossy(label).to_lowercase());
            name.push('.');
            rest = after;
        }
        let kind = u16::from_be_bytes([rest[1], rest[2]]);
        let flags = u16::from_be_bytes([message[2], message[3]]);
        let end = message.len() - rest.len() + 5;
        let edns = message[11] > 0;
        Self { name, kind, edns, tcp, flags, message: message[..end].to_vec() }
    }

    /// Returns a response with these flags and records.
    pub(super) fn answer(&self, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let counts = [1, u16::try_from(records.len()).unwrap(), 0, 0];
        let mut answer = self.message[..2].to_vec();
        answer.extend([flags].iter().chain(&counts).flat_map(|word| word.to_be_bytes()));
        answer.extend(&self.message[12..]);
        answer.extend(records.concat());
        answer
    }

    /// Returns a response with the addresses of the question's type.
    pub(super) fn addresses(&self, addresses: &[&str]) -> Vec<u8> {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
        let records = addresses.filter_map(|address| match (self.kind, address) {
            (A, IpAddr::V4(ip)) => Some(record(b"\xc0\x0c", A, &ip.octets())),
            (AAAA, IpAddr::V6(ip)) => Some(record(b"\xc0\x0c", AAAA, &ip.octets())),
            _ => None,
        });
        self.answer(0x8180, &records.collect::<Vec<_>>())
    }

    /// Returns a response with this code and no record.
    pub(super) fn code(&self, code: u16) -> Vec<u8> {
        self.answer(0x8180 | code, &[])
    }
}

pub(super) fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(
        [kind, 1, 0, 60, u16::try_from(data.len()).unwrap()].map(u16::to_be_bytes).concat(),
    );
    record.extend(data);
    record
}

/// Binds a port for both protocols; another program may use it for one of them.
async fn both_transports() -> (TcpListener, UdpSocket) {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback");
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().expect("bound")).await {
            return (listener, socket);
        }
    }
}

async fn serve_udp(socket: UdpSocket, replies: Behaviour) {
    let mut buffer = [0; 1500];
    while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
        for reply in replies(&Question::read(&buffer[..length], false)) {
            socket.send_to(&reply, client).await.expect("loopback");
        }
    }
}

async fn serve_tcp(listener: TcpListener, replies: Behaviour) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_one(stream, Arc::clone(&replies)));
    }
}

async fn serve_one(mut stream: TcpStream, replies: Behaviour) -> std::io::Result<()> {
    let length = stream.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await?;
    for reply in replies(&Question::read(&message, true)) {
        stream.write_u16(u16::try_from(reply.len()).unwrap()).await?;
        stream.write_all(&reply).await?;
    }
    stream.shutdown().await
}
