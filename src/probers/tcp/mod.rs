//! The tcp prober: a connection, TLS if asked for, and a dialogue.

mod measurements;
mod settings;

use tokio::io::{AsyncRead, AsyncWrite};

pub use measurements::{METRICS, TcpMeasurements, TcpPhase};
pub use settings::TcpProber;

use crate::{
    evidence::{Failure, Reason, Stage},
    net::{
        Context, dial,
        host_port::{HostPort, Protocol},
        resolve::{Address, resolve},
        tls::{Handshake, TlsStream},
        wire::{WireClock, WireStream},
    },
    probers::{
        Prober, Target,
        query_response::{DialogueFacts, Standing, talk},
    },
};

impl Prober for TcpProber {
    type Measurements = TcpMeasurements;

    /// The target is `host:port`. The request's `hostname` is the server name of TLS, unless the
    /// module has one.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        seen: &mut TcpMeasurements,
    ) -> Result<(), Failure> {
        let invalid = |error: &dyn std::fmt::Display| {
            let message = format!("address {}: {error}", target.name);
            Failure::new(Stage::Target, Reason::InvalidTarget, message)
        };
        let place = HostPort::split(&target.name).map_err(|error| invalid(&error))?;
        let address = self.resolve(context, place.host, seen).await?;
        let port = place.port_number(Protocol::Tcp).map_err(|error| invalid(&error))?;

        if self.tls {
            // A file that cannot be used is told without bothering the target.
            self.tls_config.prepare().await?;
        }
        let connecting = seen.phases.stopwatch(TcpPhase::Connect);
        let stream =
            dial::connect(context, address.with_port(port), self.source_ip_address).await?;
        connecting.stop_at(stream.connect_time());
        let mut connection = Connection {
            prober: self,
            context,
            server_name: target.hostname.as_deref().unwrap_or(place.host),
            clock: stream.clock(),
            seen,
        };
        connection.seen.clock = Some(stream.clock());
        connection.converse(stream).await
    }
}

impl TcpProber {
    async fn resolve(
        &self,
        context: &Context,
        host: &str,
        seen: &mut TcpMeasurements,
    ) -> Result<Address, Failure> {
        let _resolving = seen.phases.stopwatch(TcpPhase::Resolve);
        resolve(context, host, &self.ip, &mut seen.resolution).await
    }
}

/// What is done with a connection once there is one.
struct Connection<'c> {
    prober: &'c TcpProber,
    context: &'c Context,
    server_name: &'c str,
    clock: WireClock,
    seen: &'c mut TcpMeasurements,
}

impl Connection<'_> {
    async fn converse(&mut self, mut stream: WireStream) -> Result<(), Failure> {
        if self.prober.tls {
            let stream = self.secure(stream).await?;
            return self.converse_over_tls(stream, 0).await;
        }
        match self.talk(&mut stream, 0).await? {
            Standing::Finished => Ok(()),
            Standing::StartTls { next } => {
                let stream = self.secure(stream).await?;
                self.converse_over_tls(stream, next).await
            }
        }
    }

    async fn converse_over_tls(
        &mut self,
        mut stream: TlsStream<WireStream>,
        first: usize,
    ) -> Result<(), Failure> {
        match self.talk(&mut stream, first).await? {
            Standing::Finished => Ok(()),
            // Refused when the module is read.
            Standing::StartTls { .. } => {
                let message = "the connection speaks TLS already";
                Err(Failure::new(Stage::Tls, Reason::InvalidRequest, message))
            }
        }
    }

    async fn secure(&mut self, stream: WireStream) -> Result<TlsStream<WireStream>, Failure> {
        let securing = self.seen.phases.stopwatch(TcpPhase::Tls);
        let handshake = Handshake { server_name: self.server_name, alpn: &[] };
        let client = &self.prober.tls_config;
        let stream = client.handshake(self.context, stream, handshake, &mut self.seen.tls).await?;
        securing.stop_at(self.clock.lap().waiting);
        Ok(stream)
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        first: usize,
    ) -> Result<Standing, Failure> {
        let facts = self.seen.dialogue.get_or_insert_with(DialogueFacts::default);
        let steps = self.prober.query_response.steps();
        if steps.len() <= first {
            return Ok(Standing::Finished);
        }
        let querying = self.seen.phases.stopwatch(TcpPhase::Query);
        let standing = talk(self.context, stream, steps, first, facts).await;
        querying.stop_at(self.clock.lap().waiting);
        standing
    }
}
