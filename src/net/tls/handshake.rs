//! The TLS handshake over a byte stream.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_boring::SslStreamBuilder;

use crate::{
    diagnostics::{Failure, Stage},
    net::{
        Context,
        tls::{
            buffered_stream::BufferedStream, client::TlsClient, engine, failure, fallback,
            handshake_progress::HandshakeProgress, session::TlsSession, stream::TlsStream,
        },
    },
};

/// The parameters of one handshake, besides the settings.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The host of the target, without the port: it is sent as SNI, unless it is an IP address, and
    /// checked against the certificate. A `server_name` in the settings takes precedence.
    pub server_name: &'a str,
    /// The ALPN protocols to offer, such as `h2`, the preferred one first.
    pub alpn: &'a [&'a [u8]],
}

impl TlsClient {
    /// Performs the TLS handshake over `stream`.
    ///
    /// `seen` is cleared first. It is set when the server has sent its certificates, even if the
    /// handshake fails or is cancelled afterwards.
    pub async fn handshake<S>(
        &self,
        context: &Context,
        stream: S,
        request: Handshake<'_>,
        seen: &mut Option<TlsSession>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        context.enter(Stage::Tls);
        *seen = None;
        let prepared = self.read(context).await?;
        let verifier = self.verifier(context, &prepared, request.server_name)?;
        let peer = context.attempts.last().map(|place| (place, verifier.host.clone()));
        if peer.as_ref().is_some_and(fallback::is_needed_by) && fallback::is_possible(self) {
            // Boxed to keep the future of every probe small.
            let done = self.handshake_by_fallback(context, stream, request.alpn, verifier, seen);
            let done = Box::pin(done).await;
            let is_needed = done.is_ok() || seen.is_some();
            if let Some(peer) = peer.filter(|_| !is_needed) {
                fallback::remember(peer, false);
            }
            return done;
        }
        let verdict = Arc::clone(&verifier.verdict);
        let ssl = engine::connection(&prepared.context, request.alpn, verifier)
            .map_err(|error| failure::of_setup(&error))?;

        let progress = HandshakeProgress::default();
        let waiting = context.waiting_for(|| progress.describe());
        let stream = BufferedStream::new(stream, progress.clone(), context.memory.hold());
        let handshake = Box::pin(SslStreamBuilder::new(ssl, stream).connect());
        let done = progress.drive(&verdict, seen, handshake).await;
        drop(waiting);
        match done? {
            Ok(mut stream) => {
                stream.get_mut().end_handshake();
                if let Some(session) = seen {
                    engine::complete(session, stream.ssl());
                    session.log(context);
                }
                Ok(TlsStream::new(stream, Arc::clone(&self.settings)))
            }
            Err(error) => {
                if let Some(error) = context.memory.exhausted() {
                    return Err(Failure::exhausted(Stage::Tls, error));
                }
                if let Some(peer) = peer
                    && failure::is_engine_refusal(&error, seen.as_ref(), &self.settings)
                    && fallback::is_possible(self)
                    && context.request_retry()
                {
                    fallback::remember(peer, true);
                    context.log.info(
                        "BoringSSL rejects the certificate before verification; restarting with \
                         the fallback engine (rustls)",
                        &[],
                    );
                }
                Err(failure::of_handshake(&error, seen.as_ref(), &self.settings))
            }
        }
    }
}
