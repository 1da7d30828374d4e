//! One question on the wire, and the answer to it.

use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{
    DnsMeasurements, DnsPhase,
    message::{self, Message},
};
use crate::{
    evidence::{Failure, Phases, Reason, Stage},
    net::{
        Context, dial,
        tls::{Handshake, TlsClient},
        wire::{WireClock, WireDatagram},
    },
};

/// Octets of a datagram that are looked at; without EDNS a server must not send more (RFC 1035,
/// section 4.2.1). As upstream does it, the rest of a longer one is cut off.
const LONGEST_DATAGRAM: usize = 512;

/// A question that is ready to go.
pub(super) struct Question<'q> {
    pub(super) identifier: u16,
    pub(super) octets: &'q [u8],
    pub(super) server: SocketAddr,
    pub(super) source: Option<IpAddr>,
}

impl Question<'_> {
    /// Asks over UDP: one datagram, never repeated.
    ///
    /// What has another identifier is ignored, since it may be a late answer to an earlier
    /// question. Unlike upstream, also when it cannot be read.
    pub(super) async fn over_udp(
        &self,
        context: &Context,
        phases: &mut Phases<DnsPhase>,
    ) -> Result<Message, Failure> {
        let connecting = phases.stopwatch(DnsPhase::Connect);
        let socket = WireDatagram::connect(context, self.server, self.source)?;
        // Or a router that knows no way would be the same as silence. Where the kernel cannot pass
        // that on, the deadline must do.
        drop(socket.hear_more(self.server.is_ipv6()));
        drop(connecting);

        let asking = phases.stopwatch(DnsPhase::Request);
        context.enter(Stage::Request);
        socket.send(self.octets).await.map_err(|error| self.send_failure(&error))?;
        context.enter(Stage::Response);
        let mut buffer = [0; LONGEST_DATAGRAM];
        loop {
            let arrival =
                socket.receive(&mut buffer).await.map_err(|error| self.receive_failure(&error))?;
            let octets = buffer.get(..arrival.length).unwrap_or_default();
            if message::identifier(octets).is_some_and(|other| other != self.identifier) {
                let length = arrival.length;
                context.log.debug("Ignoring an answer to another question", &[("bytes", &length)]);
                continue;
            }
            asking.stop_at(arrival.sent.map(|sent| arrival.at.since(sent)).unwrap_or_default());
            return Message::decode(octets).map_err(|error| {
                let reason = if arrival.truncated { Reason::TooLarge } else { Reason::Protocol };
                let hint = if arrival.truncated {
                    ": it is longer than the 512 bytes that it may have without EDNS"
                } else {
                    ""
                };
                let message =
                    format!("The answer of {} cannot be read{hint}: {error}", self.server);
                Failure::new(Stage::Response, reason, message)
            });
        }
    }

    /// Asks over TCP.
    pub(super) async fn over_tcp(
        &self,
        context: &Context,
        seen: &mut DnsMeasurements,
    ) -> Result<Message, Failure> {
        let connecting = seen.phases.stopwatch(DnsPhase::Connect);
        let mut stream = dial::connect(context, self.server, self.source).await?;
        connecting.stop_at(stream.connect_time());
        let clock = seen.clock.insert(stream.clock());
        self.over_stream(context, &mut stream, clock, &mut seen.phases).await
    }

    /// Asks over TLS (RFC 7858); the handshake counts as connecting.
    pub(super) async fn over_tls(
        &self,
        context: &Context,
        (client, server_name): (&TlsClient, &str),
        seen: &mut DnsMeasurements,
    ) -> Result<Message, Failure> {
        let connecting = seen.phases.stopwatch(DnsPhase::Connect);
        let stream = dial::connect(context, self.server, self.source).await?;
        let connect_time = stream.connect_time();
        let clock = seen.clock.insert(stream.clock());
        let handshake = Handshake { server_name, alpn: &[] };
        let mut stream = client.handshake(context, stream, handshake, &mut seen.tls).await?;
        connecting.stop_at(connect_time + clock.lap().waiting);
        self.over_stream(context, &mut stream, clock, &mut seen.phases).await
    }

    /// Asks over a connection, where messages follow their length (RFC 1035, section 4.2.2).
    async fn over_stream<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        context: &Context,
        stream: &mut S,
        clock: &WireClock,
        phases: &mut Phases<DnsPhase>,
    ) -> Result<Message, Failure> {
        let asking = phases.stopwatch(DnsPhase::Request);
        context.enter(Stage::Request);
        let length = u16::try_from(self.octets.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes(), self.octets].concat();
        let sent = async {
            stream.write_all(&framed).await?;
            stream.flush().await
        };
        sent.await.map_err(|error| self.send_failure(&error))?;
        context.enter(Stage::Response);
        let answer = receive_framed(stream).await.map_err(|error| self.receive_failure(&error))?;
        asking.stop_at(clock.lap().answer_time());
        let broken = |what: String| {
            let message = format!("The answer of {} {what}", self.server);
            Failure::new(Stage::Response, Reason::Protocol, message)
        };
        if message::identifier(&answer).is_some_and(|other| other != self.identifier) {
            return Err(broken("is to another question: its identifier differs".to_owned()));
        }
        Message::decode(&answer).map_err(|error| broken(format!("cannot be read: {error}")))
    }

    fn send_failure(&self, error: &std::io::Error) -> Failure {
        Failure::io(Stage::Request, &format!("sending the question to {}", self.server), error)
    }

    fn receive_failure(&self, error: &std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            let message = format!("{} closed the connection before it had answered", self.server);
            return Failure::new(Stage::Response, Reason::Closed, message);
        }
        Failure::io(Stage::Response, &format!("waiting for the answer of {}", self.server), error)
    }
}

/// Reads one message; memory grows with what comes, not with what is announced.
async fn receive_framed<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut answer = Vec::new();
    let received = stream.take(length.into()).read_to_end(&mut answer).await?;
    if received < usize::from(length) {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer)
}
