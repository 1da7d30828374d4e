//! A small name server on loopback, which answers as a test tells it to.

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

/// A question, as the server gets it.
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

/// What a server does about a question: these messages come back; over TCP, nothing ends the
/// connection.
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

    /// Knows these names by these addresses, and no others.
    pub(super) async fn with_zone(
        zone: &'static [(&'static str, &'static [&'static str])],
    ) -> Self {
        Self::start(move |question| vec![zone_answer(question, zone)]).await
    }

    /// Names and types that were asked for, sorted.
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

/// What a server of this zone says.
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

    /// An answer with these flags and records.
    pub(super) fn answer(&self, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let counts = [1, u16::try_from(records.len()).unwrap(), 0, 0];
        let mut answer = self.message[..2].to_vec();
        answer.extend([flags].iter().chain(&counts).flat_map(|word| word.to_be_bytes()));
        answer.extend(&self.message[12..]);
        answer.extend(records.concat());
        answer
    }

    /// The addresses of the type that is asked for.
    pub(super) fn addresses(&self, addresses: &[&str]) -> Vec<u8> {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
        let records = addresses.filter_map(|address| match (self.kind, address) {
            (A, IpAddr::V4(ip)) => Some(record(b"\xc0\x0c", A, &ip.octets())),
            (AAAA, IpAddr::V6(ip)) => Some(record(b"\xc0\x0c", AAAA, &ip.octets())),
            _ => None,
        });
        self.answer(0x8180, &records.collect::<Vec<_>>())
    }

    /// A response code, and no record.
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

/// Takes a port that is free for both; another program may have it for one of them.
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
