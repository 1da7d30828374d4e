//! The unix prober: a connection to a socket of this host, TLS if the module wants it, and a
//! dialogue.

mod settings;

pub use settings::UnixProber;

use crate::{
    diagnostics::Failure,
    metrics::Description,
    net::{Context, connect::unix_socket},
    probers::{
        Prober, Target,
        query_response::{Conversation, StreamMeasurements},
    },
};

/// The metrics of this prober: none beside those of a dialogue.
pub const METRICS: &[Description] = &[];

impl Prober for UnixProber {
    type Measurements = StreamMeasurements;

    /// The target is the socket's path, or an abstract name after `@`. A certificate has no host
    /// name to be checked for, so a module with TLS has to set one. The parameter `hostname` is
    /// ignored.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        measurements: &mut StreamMeasurements,
    ) -> Result<(), Failure> {
        if self.tls {
            // An unusable file is reported without a connection to the target; upstream crashes.
            self.tls_config.prepare(context).await?;
        }
        let connecting = unix_socket::connect(context, &target.name);
        let stream = measurements.connection.connect_with(connecting).await?;
        let conversation = Conversation {
            context,
            query_response: &self.query_response,
            tls_config: &self.tls_config,
            server_name: "",
            measurements,
        };
        conversation.hold(stream, self.tls).await
    }
}
