//! TLS in QUIC (RFC 9001), with the same verification and results as over TCP.
//!
//! quiche performs the handshake with our BoringSSL context and verifier. A bad certificate ends it
//! before a request is sent.

use std::{future::poll_fn, net::SocketAddr, sync::Arc, task::Poll};

use boring::{error::ErrorStack, ssl::SslRef};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        tls::{
            alert::{alert_text, of_alert},
            client::TlsClient,
            engine, failure,
            handshake::Handshake,
            quic_engine::SetUp,
            session::TlsSession,
            verdict::Verdict,
        },
    },
    settings::tls::TlsSettings,
};

/// The TLS state of a QUIC connection.
pub(in crate::net) struct QuicTls {
    settings: Arc<TlsSettings>,
    verdict: Arc<Verdict>,
}

/// The QUIC error code of a TLS alert is this value plus the alert's number (RFC 9001, section
/// 4.8).
const ALERT_OFFSET: u64 = 0x100;

impl TlsClient {
    /// Creates a QUIC connection to `peer`, without sending anything.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Tls`]: files of the settings cannot be used, or there is no
    /// name to check.
    pub(in crate::net) async fn quic(
        &self,
        context: &Context,
        request: Handshake<'_>,
        (local, peer): (SocketAddr, SocketAddr),
        set_up: SetUp,
    ) -> Result<(Box<quiche::Connection>, QuicTls), Failure> {
        let prepared = self.prepared().await?;
        let verifier = self.verifier(context, &prepared, request.server_name)?;
        let verdict = Arc::clone(&verifier.verdict);
        let mut connection = prepared.quic.connect(&self.settings, (local, peer), set_up)?;
        let ssl: &mut SslRef = (*connection).as_mut();
        engine::configure(ssl, request.alpn, verifier)
            .map_err(|error| failure::of_setup(&error))?;
        Ok((connection, QuicTls { settings: Arc::clone(&self.settings), verdict }))
    }
}

impl QuicTls {
    /// Takes the result of the verification, once there is one.
    pub(in crate::net) fn take_verdict(&self) -> Option<TlsSession> {
        self.verdict.take_session()
    }

    /// Waits until the handshake is to go on, after a verification on another thread.
    pub(in crate::net) async fn verified(&self) {
        poll_fn(|task| if self.verdict.goes_on(task) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Adds the results of a completed handshake.
    pub(in crate::net) fn complete(
        connection: &mut quiche::Connection,
        session: &mut TlsSession,
        context: &Context,
    ) {
        let ssl: &mut SslRef = connection.as_mut();
        engine::complete(session, ssl);
        session.log(context);
    }

    /// Takes BoringSSL's error from the queue of this thread, so that no other connection reports
    /// it.
    pub(in crate::net) fn take_tls_error() -> Option<String> {
        let errors = ErrorStack::get();
        let first = errors.errors().first()?;
        Some(first.reason().unwrap_or("unknown reason").to_owned())
    }

    /// Returns the failure of a connection that TLS ended; `tls_error` is BoringSSL's error.
    pub(in crate::net) fn failure(
        &self,
        connection: &quiche::Connection,
        seen: Option<&TlsSession>,
        tls_error: Option<&str>,
    ) -> Option<Failure> {
        let alert = |error: Option<&quiche::ConnectionError>| {
            let number = error.filter(|error| !error.is_app)?.error_code;
            u8::try_from(number.checked_sub(ALERT_OFFSET)?).ok()
        };
        if let Some(failure) = failure::refusal(seen, &self.settings) {
            return Some(failure);
        }
        if let Some(alert) = alert(connection.peer_error()) {
            let late = seen.is_some() || connection.is_established();
            return Some(of_alert(alert, late, &self.settings));
        }
        if tls_error == Some(failure::TOO_LARGE) {
            return Some(failure::too_large(engine::MAX_CERTIFICATES_OVER_QUIC >> 10));
        }
        if let Some(tls_error) = tls_error {
            return Some(failure::of_engine_error("TLS handshake", tls_error));
        }
        let alert = alert_text(alert(connection.local_error())?);
        let message = format!("TLS handshake: ended with the alert \"{alert}\"");
        Some(Failure::new(Stage::Tls, Reason::TlsProtocol, message))
    }
}
