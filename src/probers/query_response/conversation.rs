//! What the tcp and unix probers do with a connection once they have one.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{DialogueFacts, QueryResponse, Standing, StreamFacts, StreamPhase, talk};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        tls::{Handshake, TlsClient, TlsStream},
        wire::{WireClock, WireStream},
    },
};

/// TLS if asked for, and a dialogue if there is one; what is learned goes to `seen`.
pub struct Conversation<'c> {
    /// The probe that it is part of.
    pub context: &'c Context,
    /// The dialogue.
    pub query_response: &'c QueryResponse,
    /// How TLS is spoken, from the start or after `starttls`.
    pub tls_config: &'c TlsClient,
    /// The name to ask for and to check, unless the settings have one.
    pub server_name: &'c str,
    /// What is learned.
    pub seen: &'c mut StreamFacts,
}

impl Conversation<'_> {
    /// Holds the conversation over `stream`; `tls` says whether TLS is spoken from the start.
    pub async fn hold(mut self, mut stream: WireStream, tls: bool) -> Result<(), Failure> {
        let clock = stream.clock();
        self.seen.clock = Some(clock.clone());
        if tls {
            let stream = self.secure(stream, &clock).await?;
            return self.hold_over_tls(stream, &clock, 0).await;
        }
        match self.talk(&mut stream, &clock, 0).await? {
            Standing::Finished => Ok(()),
            Standing::StartTls { next } => {
                let stream = self.secure(stream, &clock).await?;
                self.hold_over_tls(stream, &clock, next).await
            }
        }
    }

    async fn hold_over_tls(
        &mut self,
        mut stream: TlsStream<WireStream>,
        clock: &WireClock,
        first: usize,
    ) -> Result<(), Failure> {
        match self.talk(&mut stream, clock, first).await? {
            Standing::Finished => Ok(()),
            // Refused when the module is read.
            Standing::StartTls { .. } => {
                let message = "the connection speaks TLS already";
                Err(Failure::new(Stage::Tls, Reason::InvalidRequest, message))
            }
        }
    }

    async fn secure(
        &mut self,
        stream: WireStream,
        clock: &WireClock,
    ) -> Result<TlsStream<WireStream>, Failure> {
        let securing = self.seen.phases.stopwatch(StreamPhase::Tls);
        let handshake = Handshake { server_name: self.server_name, alpn: &[] };
        let seen = &mut self.seen.tls;
        let stream = self.tls_config.handshake(self.context, stream, handshake, seen).await?;
        securing.stop_at(clock.lap().waiting);
        Ok(stream)
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        clock: &WireClock,
        first: usize,
    ) -> Result<Standing, Failure> {
        let facts = self.seen.dialogue.get_or_insert_with(DialogueFacts::default);
        let steps = self.query_response.steps();
        if steps.len() <= first {
            return Ok(Standing::Finished);
        }
        let querying = self.seen.phases.stopwatch(StreamPhase::Query);
        let standing = talk(self.context, stream, steps, first, facts).await;
        querying.stop_at(clock.lap().waiting);
        standing
    }
}
