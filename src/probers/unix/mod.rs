//! The unix prober: a connection to a unix socket of this host, with optional TLS and an optional
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

/// The metrics that only this prober has. There are none: all are metrics of the dialogue.
pub const METRICS: &[Description] = &[];

impl Prober for UnixProber {
    type Measurements = StreamMeasurements;

    /// The target is the path of the socket, or `@` and an abstract name. The target has no host name
    /// that a certificate could be verified for, so a module with TLS must set `server_name`. The
    /// parameter `hostname` is ignored.
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
        conversation.run(stream, self.tls).await
    }
}
