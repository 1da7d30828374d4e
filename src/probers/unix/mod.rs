//! The unix prober: a connection to a socket of this host, TLS if asked for, and a dialogue.

mod explain;
mod settings;

use std::time::Duration;

pub use settings::UnixProber;

use crate::{
    diagnostics::Failure,
    metrics::{Export, MetricSet},
    net::{Context, connect::unix_socket},
    probers::{
        Findings, Measurements, Prober, Target,
        query_response::{Conversation, StreamFacts, StreamPhase},
    },
};

/// What a unix probe learns.
#[derive(Debug, Default)]
pub struct UnixMeasurements(StreamFacts);

impl Prober for UnixProber {
    type Measurements = UnixMeasurements;

    /// The target is the socket's path, or an abstract name after `@`. There is no host name to
    /// check a certificate for, so that the module has to name one. The request's `hostname` means
    /// nothing here.
    async fn probe(
        &self,
        context: &Context,
        target: &Target,
        seen: &mut UnixMeasurements,
    ) -> Result<(), Failure> {
        if self.tls {
            // A file that cannot be used is told without bothering the target; upstream crashes.
            self.tls_config.prepare(context).await?;
        }
        let connecting = seen.0.phases.stopwatch(StreamPhase::Connect);
        let stream = unix_socket::connect(context, &target.name).await?;
        connecting.stop_at(stream.connect_time());
        let conversation = Conversation {
            context,
            query_response: &self.query_response,
            tls_config: &self.tls_config,
            server_name: "",
            seen: &mut seen.0,
        };
        conversation.hold(stream, self.tls).await
    }
}

impl Measurements for UnixMeasurements {
    fn waited(&self) -> Duration {
        self.0.waited()
    }

    fn findings(&mut self) -> Findings {
        self.0.findings()
    }
}

impl Export for UnixMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        self.0.export(metrics);
    }
}
