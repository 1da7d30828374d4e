//! The tcp prober: a connection, TLS if asked for, and a dialogue.

mod explain;
mod measurements;
mod settings;

pub use measurements::TcpMeasurements;
pub use settings::TcpProber;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        connect::dial,
        host_port::{HostPort, Protocol},
        resolve::{Address, note_literal, resolve},
    },
    probers::{
        Prober, Target,
        query_response::{Conversation, StreamPhase},
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
        let port = place.port_number(Protocol::Tcp).map_err(|error| {
            note_literal(place.host, &self.ip, &mut seen.resolution);
            invalid(&error)
        })?;
        target.check_hostname()?;
        let address = self.resolve(context, place.host, seen).await?;

        if self.tls {
            // A file that cannot be used is told without bothering the target.
            self.tls_config.prepare(context).await?;
        }
        let connecting = seen.stream.phases.stopwatch(StreamPhase::Connect);
        let stream =
            dial::connect(context, address.with_port(port), self.source_ip_address).await?;
        connecting.stop_at(stream.connect_time());
        let conversation = Conversation {
            context,
            query_response: &self.query_response,
            tls_config: &self.tls_config,
            server_name: target.hostname.as_deref().unwrap_or(place.host),
            seen: &mut seen.stream,
        };
        conversation.hold(stream, self.tls).await
    }
}

impl TcpProber {
    async fn resolve(
        &self,
        context: &Context,
        host: &str,
        seen: &mut TcpMeasurements,
    ) -> Result<Address, Failure> {
        let _resolving = seen.stream.phases.stopwatch(StreamPhase::Resolve);
        resolve(context, host, &self.ip, &mut seen.resolution).await
    }
}
