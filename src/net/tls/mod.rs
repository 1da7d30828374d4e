//! TLS of probes, on BoringSSL, with the reach and the verification rules of Go's client.
//!
//! A prober that reported servers as down which upstream reports as up would be of no use, so
//! versions, ciphers, groups and signature algorithms are those that Go's client accepts.

mod certificate;
mod name;
mod session;
mod stream;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::net::tls::{
    certificate::Certificate,
    session::{
        CIPHER_INFO, EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, TlsSession,
        VERIFY_INFO, VERSION_INFO, VerifyResult,
    },
    stream::TlsStream,
};
use crate::{
    evidence::{Failure, Reason, Stage},
    net::Context,
    settings::tls::TlsSettings,
};

/// Makes TLS connections as one `tls_config` says.
///
/// Clones share what was prepared: trusted authorities, client certificate, engine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TlsClient {
    settings: TlsSettings,
}

/// What one handshake asks for, beside the settings.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The name to ask for and to check: the target's host, without port. A `server_name` in the
    /// settings comes before it. No name is asked for when it is an IP address.
    pub server_name: &'a str,
    /// The application protocols to offer, the preferred one first, such as `h2`.
    pub alpn: &'a [&'a [u8]],
}

impl TlsClient {
    /// A client for `settings`.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings }
    }

    /// The settings that it was made from.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// The same client without the `server_name` of its settings, for a redirect to another host.
    #[must_use]
    pub fn without_server_name(&self) -> Self {
        Self { settings: TlsSettings { server_name: String::new(), ..self.settings.clone() } }
    }

    /// Makes a TLS connection over `stream`.
    ///
    /// `seen` is set as soon as the server has sent its certificates, also when the handshake
    /// fails or is cut off afterwards.
    pub async fn handshake<S>(
        &self,
        context: &Context,
        stream: S,
        request: Handshake<'_>,
        seen: &mut Option<TlsSession>,
    ) -> Result<TlsStream<S>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        context.enter(Stage::Tls);
        let _ = (stream, request, seen);
        Err(Failure::new(Stage::Tls, Reason::Internal, "TLS is not there yet"))
    }
}
