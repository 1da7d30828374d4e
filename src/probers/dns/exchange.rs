//! Sends one query and receives the response.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
};

use dns_text::{Message, ParseError};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{
    DnsPhase,
    response::{CUT_HINT, Response},
};
use crate::{
    diagnostics::{
        Call, Failure, Part, PartKind, Phases, Reason, Stage, humanize::count, log::Quoted,
    },
    net::{
        Context,
        connect::{self, ConnectionMeasurements, SocketOptions, dial},
        icmp_error,
        tls::{Handshake, TlsClient},
        wire::{Event, WireClock},
    },
    probers::run_blocking,
    scheduling::turn,
};

/// Maximum size of a received datagram in bytes. It is the limit of a response without EDNS (RFC
/// 1035, section 4.2.1). As in upstream, the rest of a longer one is cut off.
const MAX_DATAGRAM: usize = 512;

/// Maximum size of a message that is parsed on the thread of the probe, in bytes.
const MAX_INLINE: usize = 4 << 10;

/// Maximum memory of a message in proportion to its size.
const MAX_EXPANSION: usize = 80;

/// An encoded query with its server.
pub(super) struct Query<'q> {
    pub(super) identifier: u16,
    pub(super) octets: &'q [u8],
    pub(super) server: SocketAddr,
    pub(super) options: SocketOptions,
}

impl Query<'_> {
    /// Sends the query over UDP in one datagram, without retries.
    ///
    /// Datagrams with another identifier are ignored, because they may be late responses to earlier
    /// queries. Unlike upstream, this includes datagrams that cannot be parsed.
    pub(super) async fn over_udp(
        &self,
        context: &Context,
        phases: &mut Phases<DnsPhase>,
    ) -> Result<Response, Failure> {
        let connecting = phases.stopwatch(DnsPhase::Connect);
        let socket = dial::udp(context, self.server, &self.options)?;
        drop(connecting);

        let requesting = phases.stopwatch(DnsPhase::Request);
        context.enter(Stage::Request);
        socket.send(self.octets).await.map_err(|error| self.send_failure(&error))?;
        context.enter(Stage::Response);
        let mut buffer = [0; MAX_DATAGRAM];
        let ignored = AtomicU32::new(0);
        let _waiting = context.waiting_for(|| self.no_datagram(ignored.load(Ordering::Relaxed)));
        loop {
            turn::proceed().await;
            let arrival = match socket.event(&mut buffer).await {
                Ok(Event::Arrival(arrival)) => arrival,
                Ok(Event::Undelivered(error)) => {
                    let (doing, server) = (self.waiting(), self.server.ip());
                    return Err(icmp_error::failure(
                        &socket,
                        &error,
                        Stage::Response,
                        &doing,
                        server,
                    ));
                }
                Err(error) => return Err(self.receive_failure(&error)),
            };
            let octets = buffer.get(..arrival.length).unwrap_or_default();
            if dns_text::identifier(octets).is_some_and(|other| other != self.identifier) {
                let length = arrival.length;
                context
                    .log
                    .debug("Ignored a datagram with another message ID", &[("bytes", &length)]);
                ignored.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            requesting.stop_at(arrival.sent.map(|sent| arrival.at.since(sent)).unwrap_or_default());
            return match parse(context, octets) {
                Ok(message) => Ok(Response { message, is_cut: arrival.truncated }),
                Err(error) if arrival.truncated => {
                    let what = format!("{error}; the response was cut off: {CUT_HINT}");
                    Err(self.invalid_response(Reason::TooLarge, &what))
                }
                Err(error) if dns_text::is_truncated(octets) => {
                    let what = format!(
                        "{error}; the response is truncated (TC bit set): set transport_protocol \
                         to tcp"
                    );
                    Err(self.invalid_response(Reason::Protocol, &what))
                }
                Err(error) => Err(self.invalid_response(Reason::Protocol, &error.to_string())),
            };
        }
    }

    /// Sends the query over TCP.
    pub(super) async fn over_tcp(
        &self,
        context: &Context,
        connection: &mut ConnectionMeasurements<DnsPhase>,
    ) -> Result<Response, Failure> {
        let mut stream = connection.connect(context, self.server, &self.options).await?;
        let clock = stream.clock();
        self.over_stream(context, &mut stream, &clock, &mut connection.phases).await
    }

    /// Sends the query over TLS (RFC 7858). The TLS handshake is part of the phase `connect`.
    pub(super) async fn over_tls(
        &self,
        context: &Context,
        (client, server_name): (&TlsClient, &str),
        connection: &mut ConnectionMeasurements<DnsPhase>,
    ) -> Result<Response, Failure> {
        let stream = connection.connect(context, self.server, &self.options).await?;
        let clock = stream.clock();
        let handshake = Handshake { server_name, alpn: &[] };
        let mut stream = connection.secure(context, stream, client, handshake).await?;
        self.over_stream(context, &mut stream, &clock, &mut connection.phases).await
    }

    /// Sends the query over a connection, where each message has a length prefix (RFC 1035, section
    /// 4.2.2).
    async fn over_stream<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        context: &Context,
        stream: &mut S,
        clock: &WireClock,
        phases: &mut Phases<DnsPhase>,
    ) -> Result<Response, Failure> {
        let requesting = phases.stopwatch(DnsPhase::Request);
        context.enter(Stage::Request);
        let length = u16::try_from(self.octets.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes(), self.octets].concat();
        let sent = async {
            stream.write_all(&framed).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| self.send_failure(&error))?;
        context.enter(Stage::Response);
        let receiving = Receiving { context, query: self, bytes: Vec::new() };
        let octets = receiving.message(stream).await?;
        requesting.stop_at(clock.lap().response_time());
        if dns_text::identifier(&octets).is_some_and(|other| other != self.identifier) {
            let what = "its message ID differs from that of the query";
            return Err(self.invalid_response(Reason::Protocol, what));
        }
        // The text of a compressed message may be 60 times as long.
        let held = if octets.len() > MAX_INLINE { MAX_EXPANSION * octets.len() } else { 0 };
        let held = context.memory.keep(held);
        held.map_err(|error| Failure::exhausted(Stage::Response, error))?;
        let parsed = if octets.len() <= MAX_INLINE {
            parse(context, &octets)
        } else {
            run_blocking(move || Ok(Message::parse(&octets))).await?
        };
        parsed
            .map(|message| Response { message, is_cut: false })
            .map_err(|error| self.invalid_response(Reason::Protocol, &error.to_string()))
    }

    /// Returns the failure of a response that cannot be used.
    fn invalid_response(&self, reason: Reason, what: &str) -> Failure {
        let message = format!("invalid response from {}: {what}", self.server);
        Failure::new(Stage::Response, reason, message)
    }

    /// Describes the wait for a datagram, for the message of a timeout.
    fn no_datagram(&self, ignored: u32) -> String {
        let what = format!("query sent to {} over UDP, no response", self.server);
        if ignored == 0 {
            return what;
        }
        let ignored = count(ignored, "datagram");
        format!(
            "{what} to it; ignored {ignored} that did not match the query (too short, or another \
             message ID)"
        )
    }

    fn send_failure(&self, error: &std::io::Error) -> Failure {
        let doing = format!("sending the query to {}", self.server);
        connect::failure(Call::Exchange, self.server, &doing, error).in_stage(Stage::Request)
    }

    fn receive_failure(&self, error: &std::io::Error) -> Failure {
        Failure::io(Stage::Response, &self.waiting(), error)
    }

    fn waiting(&self) -> String {
        format!("waiting for the response from {}", self.server)
    }
}

/// Parses a response. The bytes of an invalid one are recorded.
fn parse(context: &Context, octets: &[u8]) -> Result<Message, ParseError> {
    let parsed = Message::parse(octets);
    if parsed.is_err() && context.records(true) {
        context.transcript.add(Part::of(PartKind::Received, octets));
    }
    parsed
}

/// A message that is being read from a stream.
struct Receiving<'r> {
    context: &'r Context,
    query: &'r Query<'r>,
    /// The received data: the length prefix and the message.
    bytes: Vec<u8>,
}

/// Size of the length prefix in bytes.
const PREFIX: usize = size_of::<u16>();

/// Maximum number of bytes that are reserved per read.
const READ_AHEAD: usize = 4 << 10;

impl Receiving<'_> {
    /// Reads the message. Memory grows with the received data, not with the announced length.
    async fn message<S: AsyncRead + Unpin>(mut self, stream: &mut S) -> Result<Vec<u8>, Failure> {
        loop {
            let missing = self.length().unwrap_or(PREFIX).saturating_sub(self.bytes.len());
            if missing == 0 {
                return Ok(self.bytes.split_off(PREFIX));
            }
            turn::proceed().await;
            self.bytes.reserve(missing.min(READ_AHEAD));
            let limit = u64::try_from(missing).unwrap_or_default();
            let read = (&mut *stream).take(limit).read_buf(&mut self.bytes).await;
            if read.map_err(|error| self.query.receive_failure(&error))? == 0 {
                return Err(self.ended());
            }
        }
    }

    /// Returns the length of prefix and message, once the prefix is complete.
    fn length(&self) -> Option<usize> {
        let prefix = self.bytes.first_chunk()?;
        Some(PREFIX + usize::from(u16::from_be_bytes(*prefix)))
    }

    /// Returns the failure of a connection that the server closed before the message was complete.
    fn ended(&self) -> Failure {
        let server = self.query.server;
        let message = match self.bytes.as_slice() {
            [] => format!("{server} closed the connection without a response"),
            _ => format!(
                "{server} closed the connection within the response: {}; data: {}",
                self.describe(),
                Quoted(&self.bytes)
            ),
        };
        Failure::new(Stage::Response, Reason::Closed, message)
    }

    /// Describes the received part of the message.
    fn describe(&self) -> String {
        let server = self.query.server;
        match (self.length(), self.bytes.len()) {
            (Some(length), received) => format!(
                "received {} of {} bytes of the response from {server}",
                received - PREFIX,
                length - PREFIX
            ),
            (None, 0) => format!("query sent to {server} over TCP, no response"),
            (None, _) => format!("received 1 byte from {server}, less than the length prefix"),
        }
    }
}

/// Describes the received part of the message, for the message of a timeout.
impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        drop(self.context.waiting_for(|| self.describe()));
    }
}
