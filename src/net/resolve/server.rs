//! Queries to one name server: over UDP, and over TCP after a truncated response.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dns_text::{ParseError, QueryName, RECURSION_DESIRED, query};
use socket_timestamps::icmp::DeliveryError;
use socket2::{Protocol, Socket, Type};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{
    address::interface_index,
    answer::{Answer, Asked, INTERNET, NoAnswer},
    options::Options,
};
use crate::{
    diagnostics::{Call, Cause, Reason},
    net::{
        connect::open,
        wire::{Event, IpVersion, SocketKind, WireDatagram},
    },
    scheduling::turn,
};

/// A name server.
#[derive(Debug)]
pub(super) struct Server {
    /// The address as it was written, with the port.
    name: Arc<str>,
    address: SocketAddr,
    /// The interface of a link-local address, as it was written. It may come and go.
    zone: Option<String>,
    /// True if the server does not support EDNS.
    without_edns: AtomicBool,
}

/// One query to a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'q> {
    pub(super) name: &'q QueryName,
    pub(super) kind: u16,
    /// True if the query allows a response longer than 512 octets (RFC 6891).
    pub(super) edns: bool,
}

/// Events of a query that waits for its response.
#[derive(Debug, Clone, Copy)]
pub(super) enum Heard {
    /// A message was ignored.
    Unrelated(NoAnswer),
    /// The response had arrived this time before it was read.
    Late(Duration),
}

/// The error of a query.
#[derive(Debug, Error)]
pub(super) enum ServerError {
    /// The port is closed, by ICMP or TCP.
    #[error("connection refused (no name server listens on this port)")]
    Refused,
    /// No response, or only messages that were ignored.
    #[error("no response within {} s{}", .waited.as_secs_f64(), in_parentheses(.ignored.as_ref()))]
    Silent { waited: Duration, ignored: Option<NoAnswer> },
    #[error("{0}")]
    NoAnswer(#[from] NoAnswer),
    /// The interface of its address does not exist.
    #[error("this host has no network interface {0:?}")]
    Interface(String),
    /// The server closed two TCP connections too early.
    #[error("the server closed the TCP connection without a response")]
    Closed,
    #[error("{}", .cause.message(.doing, None, .error))]
    Io { doing: &'static str, cause: Cause, error: io::Error },
    /// The error over TCP after a truncated response.
    #[error("the response is truncated, and the query over TCP failed: {0}")]
    AfterTruncation(#[source] Box<Self>),
}

pub(super) fn in_parentheses(ignored: Option<&NoAnswer>) -> String {
    ignored.map(|what| format!(" (ignored: {what})")).unwrap_or_default()
}

/// The header flag AD: the client understands whether an answer is authentic (RFC 6840, section 5.7).
const AUTHENTIC_DATA: u16 = 1 << 5;

/// Maximum length of a response over UDP, as in Go's resolver. It avoids fragmentation on common
/// paths.
const MAX_DATAGRAM: usize = 1232;

/// Number of attempts over TCP. A server may close a connection at any time; the query is then sent
/// again on a new one (RFC 7766, section 6.2.4).
const TCP_ATTEMPTS: usize = 2;

impl Server {
    pub(super) fn new(address: SocketAddr, zone: Option<&str>) -> Self {
        let name = match zone {
            Some(zone) => format!("[{}%{zone}]:{}", address.ip(), address.port()),
            None => address.to_string(),
        };
        let (name, zone) = (name.into(), zone.map(str::to_owned));
        Self { name, address, zone, without_edns: AtomicBool::new(false) }
    }

    /// The address as it was written, with the port.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Queries the server, without EDNS if it does not support that. `hear` is called with what is
    /// learned meanwhile.
    pub(super) async fn ask(
        &self,
        query: Query<'_>,
        options: &Options,
        hear: &(dyn Fn(Heard) + Sync),
    ) -> Result<Answer, ServerError> {
        let address = self.address()?;
        let mut edns = query.edns && !self.without_edns.load(Ordering::Relaxed);
        loop {
            let query = Query { edns, ..query };
            match (Exchange { address, query, options, hear }).run().await {
                Err(ServerError::NoAnswer(NoAnswer::Rcode(rcode)))
                    if edns && rcode.is_about_edns() =>
                {
                    self.without_edns.store(true, Ordering::Relaxed);
                    edns = false;
                }
                answered => return answered,
            }
        }
    }

    /// Returns the address, with the index of the interface that has the name now.
    fn address(&self) -> Result<SocketAddr, ServerError> {
        let (Some(zone), SocketAddr::V6(mut address)) = (&self.zone, self.address) else {
            return Ok(self.address);
        };
        let scope = zone.parse().ok().or_else(|| interface_index(zone));
        address.set_scope_id(scope.ok_or_else(|| ServerError::Interface(zone.clone()))?);
        Ok(address.into())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// One query to one server, over UDP or TCP.
struct Exchange<'q> {
    address: SocketAddr,
    query: Query<'q>,
    options: &'q Options,
    hear: &'q (dyn Fn(Heard) + Sync),
}

impl Exchange<'_> {
    async fn run(&self) -> Result<Answer, ServerError> {
        // Boxed, since few lookups need it.
        if self.options.use_tcp {
            return Box::pin(self.over_tcp()).await;
        }
        match self.over_udp().await {
            Err(ServerError::NoAnswer(NoAnswer::Truncated)) => {
                let answered = Box::pin(self.over_tcp()).await;
                answered.map_err(|error| ServerError::AfterTruncation(Box::new(error)))
            }
            answered => answered,
        }
    }

    /// Queries over UDP, from a new port that the kernel chooses. The socket is connected, so that it
    /// receives messages of the server only, and ICMP errors.
    #[expect(clippy::disallowed_methods, reason = "name servers are the operator's choice")]
    async fn over_udp(&self) -> Result<Answer, ServerError> {
        let (asked, message) = self.message();
        let socket = self.socket(Type::DGRAM, Protocol::UDP)?;
        // As in glibc, so that an ICMP error ends the query. If the kernel does not support it, the
        // timeout ends it.
        drop(socket_timestamps::receive_icmp_errors(
            &socket,
            IpVersion::of(self.address.ip()),
            true,
        ));
        socket
            .connect(&self.address.into())
            .map_err(|error| failed(Call::Connect, "connecting", error))?;
        let socket = WireDatagram::new(socket, SocketKind::Udp)
            .map_err(|error| failed(Call::Open, "opening a socket", error))?;
        let sent = socket.send(&message).await;
        sent.map_err(|error| failed(Call::Exchange, "sending the query", error))?;
        let mut ignored = None;
        self.within(self.receive(&socket, asked, &mut ignored))
            .await
            .unwrap_or(Err(ServerError::Silent { waited: self.options.timeout, ignored }))
    }

    /// Waits for the response. A message that does not belong to the query may be forged, and is
    /// ignored.
    async fn receive(
        &self,
        socket: &WireDatagram,
        asked: Asked<'_>,
        ignored: &mut Option<NoAnswer>,
    ) -> Result<Answer, ServerError> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            turn::proceed().await;
            let event = socket.event(&mut buffer).await;
            let undelivered = |error: DeliveryError| io::Error::from_raw_os_error(error.errno);
            let arrival = event.and_then(|event| match event {
                Event::Arrival(arrival) => Ok(arrival),
                Event::Undelivered(error) => Err(undelivered(error)),
            });
            let arrival = arrival
                .map_err(|error| failed(Call::Exchange, "waiting for the response", error))?;
            match Answer::read(buffer.get(..arrival.length).unwrap_or_default(), asked) {
                Err(unrelated @ NoAnswer::Unrelated(_)) => {
                    (self.hear)(Heard::Unrelated(unrelated));
                    *ignored = Some(unrelated);
                }
                read => {
                    (self.hear)(Heard::Late(arrival.at.elapsed()));
                    return Ok(read?);
                }
            }
        }
    }

    async fn over_tcp(&self) -> Result<Answer, ServerError> {
        let attempts = async {
            let mut answered = Err(ServerError::Closed);
            for _ in 0..TCP_ATTEMPTS {
                answered = self.over_connection().await;
                if !matches!(answered, Err(ServerError::Closed)) {
                    break;
                }
            }
            answered
        };
        self.within(attempts)
            .await
            .unwrap_or(Err(ServerError::Silent { waited: self.options.timeout, ignored: None }))
    }

    /// Queries over a new connection.
    #[expect(clippy::disallowed_methods, reason = "name servers are the operator's choice")]
    async fn over_connection(&self) -> Result<Answer, ServerError> {
        let (asked, message) = self.message();
        let socket = self.socket(Type::STREAM, Protocol::TCP)?;
        // Closed connections do not use up the local ports, since the server closes first.
        let mut stream = TcpSocket::from_std_stream(socket.into())
            .connect(self.address)
            .await
            .map_err(|error| failed(Call::Exchange, "connecting over TCP", error))?;
        let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes(), &*message].concat();
        let exchanged = async {
            stream.write_all(&framed).await?;
            receive_framed(&mut stream).await
        };
        let answer = exchanged.await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => ServerError::Closed,
            _ => failed(Call::Exchange, "querying over TCP", error),
        })?;
        match Answer::read(&answer, asked) {
            Err(NoAnswer::Truncated) => {
                Err(NoAnswer::Malformed(ParseError("truncated over TCP")).into())
            }
            read => Ok(read?),
        }
    }

    fn message(&self) -> (Asked<'_>, Vec<u8>) {
        let Query { name, kind, edns } = self.query;
        let identifier = rand::random();
        let authentic = if self.options.trust_ad { AUTHENTIC_DATA } else { 0 };
        let flags = RECURSION_DESIRED | authentic;
        let mut message = query::encode(identifier, flags, name, kind, INTERNET);
        if edns {
            query::add_edns(&mut message, MAX_DATAGRAM.try_into().unwrap_or(u16::MAX));
        }
        (Asked { identifier, name, kind }, message)
    }

    fn socket(&self, kind: Type, protocol: Protocol) -> Result<Socket, ServerError> {
        open(self.address, kind, protocol)
            .map_err(|error| failed(Call::Open, "opening a socket", error))
    }

    /// Returns the result of `exchange`, or nothing after the timeout of a query.
    #[expect(clippy::disallowed_methods, reason = "the timeout of a query, not of the probe")]
    async fn within<T>(&self, exchange: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.options.timeout, exchange).await.ok()
    }
}

/// Reads one message after its length. Memory grows with the bytes received, not with the length.
async fn receive_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut answer = Vec::new();
    let received = stream.take(length.into()).read_to_end(&mut answer).await?;
    if received < usize::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}

fn failed(call: Call, doing: &'static str, error: io::Error) -> ServerError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ServerError::Refused,
        _ => ServerError::Io { doing, cause: Cause::of(call, &error), error },
    }
}

impl ServerError {
    /// Returns the failure reason of the probe.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Io { cause, .. }
                if matches!(cause.reason, Reason::OutOfResources | Reason::PermissionDenied) =>
            {
                cause.reason
            }
            Self::AfterTruncation(error) => error.reason(),
            _ => Reason::ResolverFailure,
        }
    }

    /// Returns whether the error is a response of the server.
    pub(super) fn is_response(&self) -> bool {
        match self {
            Self::NoAnswer(_) | Self::Closed | Self::AfterTruncation(_) => true,
            Self::Refused | Self::Silent { .. } | Self::Interface(_) | Self::Io { .. } => false,
        }
    }
}
