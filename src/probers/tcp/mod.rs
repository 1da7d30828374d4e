//! The tcp prober: a connection, with optional TLS and an optional dialogue.

mod settings;

pub use settings::TcpProber;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    metrics::Description,
    net::{
        Context,
        connect::SocketOptions,
        host_port::{HostPort, Protocol},
        policy::Destination,
        resolve::note_literal,
    },
    probers::{
        Prober, Target,
        query_response::{Conversation, StreamMeasurements},
    },
};

/// The metrics that only this prober has. There are none: all are metrics of the dialogue.
pub const METRICS: &[Description] = &[];

impl Prober for TcpProber {
    type Measurements = StreamMeasurements;

    /// The target is `host:port`. The parameter `hostname` is the TLS server name if the module has
    /// none.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut StreamMeasurements,
    ) -> Result<(), Failure> {
        let connection = &mut measurements.connection;
        let invalid = |error: &dyn std::fmt::Display| {
            let message = format!("address {}: {error}", target.name);
            Failure::new(Stage::Target, Reason::InvalidTarget, message)
        };
        let address = HostPort::split(&target.name).map_err(|error| invalid(&error))?;
        let host = address.host;
        let port = address.port_number(Protocol::Tcp).map_err(|error| {
            note_literal(host, &self.ip, &mut connection.resolution);
            invalid(&error)
        })?;
        target.check_hostname()?;
        let address =
            connection.resolve(context, Destination::of_port(host, port), &self.ip).await?;
        if self.tls {
            // An unusable file is reported without a connection to the target.
            self.tls_config.prepare(context).await?;
        }
        let options = SocketOptions::from_address(self.source_ip_address);
        let stream = connection.connect(context, address.with_port(port), &options).await?;
        let conversation = Conversation {
            context,
            query_response: &self.query_response,
            tls_config: &self.tls_config,
            server_name: target.hostname.as_deref().unwrap_or(host),
            measurements,
        };
        conversation.run(stream, self.tls).await
    }
}
