//! The part of a tcp or unix probe that follows the connection: TLS and the dialogue.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{DialogueFacts, QueryResponse, Standing, StreamMeasurements, StreamPhase, talk};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        tls::{Handshake, TlsClient, TlsStream},
        wire::{WireClock, WireStream},
    },
};

/// The TLS handshake and the dialogue of a probe, if they are configured.
pub struct Conversation<'c> {
    /// The context of the probe.
    pub context: &'c Context,
    /// The steps of the dialogue.
    pub query_response: &'c QueryResponse,
    /// TLS client for `tls` and for `starttls`.
    pub tls_config: &'c TlsClient,
    /// TLS server name if the settings have none.
    pub server_name: &'c str,
    /// The measurements of the probe.
    pub measurements: &'c mut StreamMeasurements,
}

impl Conversation<'_> {
    /// Runs the conversation over `stream`. With `tls`, it starts with a TLS handshake.
    pub async fn run(mut self, mut stream: WireStream, tls: bool) -> Result<(), Failure> {
        let clock = stream.clock();
        if tls {
            let stream = self.secure(stream).await?;
            return self.run_over_tls(stream, &clock, 0).await;
        }
        match self.talk(&mut stream, &clock, 0).await? {
            Standing::Finished => Ok(()),
            Standing::StartTls { next } => {
                let stream = self.secure(stream).await?;
                self.run_over_tls(stream, &clock, next).await
            }
        }
    }

    async fn run_over_tls(
        &mut self,
        mut stream: TlsStream<WireStream>,
        clock: &WireClock,
        first: usize,
    ) -> Result<(), Failure> {
        match self.talk(&mut stream, clock, first).await? {
            Standing::Finished => Ok(()),
            // The configuration parser rejects this.
            Standing::StartTls { .. } => {
                let message = "starttls on a connection that already uses TLS";
                Err(Failure::new(Stage::Tls, Reason::InvalidRequest, message))
            }
        }
    }

    async fn secure(&mut self, stream: WireStream) -> Result<TlsStream<WireStream>, Failure> {
        let handshake = Handshake { server_name: self.server_name, alpn: &[] };
        let connection = &mut self.measurements.connection;
        connection.secure(self.context, stream, self.tls_config, handshake).await
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        clock: &WireClock,
        first: usize,
    ) -> Result<Standing, Failure> {
        let facts = self.measurements.dialogue.get_or_insert_with(DialogueFacts::default);
        let steps = self.query_response.steps();
        if steps.len() <= first {
            return Ok(Standing::Finished);
        }
        let querying = self.measurements.connection.phases.stopwatch(StreamPhase::Query);
        let standing = talk(self.context, stream, steps, first, facts).await;
        querying.stop_at(clock.lap().waiting);
        standing
    }
}
