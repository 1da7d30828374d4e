//! TLS client of the probers, on BoringSSL.
//!
//! Versions, ciphers, groups, signature algorithms and verification rules are those of Go's client,
//! so that a server that is up for upstream is up here.

mod buffered_stream;
mod certificate;
mod certificate_cache;
mod certificate_details;
mod chain_search;
mod client_identity;
mod cross_check;
mod der;
mod distinguished_name;
mod engine;
mod failure;
mod fallback;
mod handshake_progress;
mod host;
mod mismatch;
mod name_constraints;
mod pem_source;
mod prepared_config;
#[cfg(feature = "http3")]
mod quic;
#[cfg(feature = "http3")]
mod quic_engine;
mod recent_cache;
mod records;
mod revocation;
mod rustls_config;
mod rustls_verifier;
mod session;
mod stream;
mod trust_store;
mod usage;
mod verify;
mod verify_result;
mod x509_extensions;

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Poll},
};

use boring::{
    error::ErrorStack,
    ssl::{Ssl, SslRef, SslVerifyMode, StatusType},
};
use serde::{Deserialize, Serialize, Serializer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_boring::SslStreamBuilder;

pub(in crate::net) use crate::net::tls::client_identity::private_key_of;
pub(in crate::net) use crate::net::tls::failure::alert_text;
#[cfg(feature = "http3")]
pub(in crate::net) use crate::net::tls::quic::QuicTls;
pub use crate::net::tls::{
    certificate::Certificate,
    certificate_details::Validity,
    session::{
        CIPHER_INFO, EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, METRICS, TlsSession,
        VERIFY_INFO, VERSION_INFO,
    },
    stream::TlsStream,
    verify_result::VerifyResult,
};
use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        tls::{
            buffered_stream::BufferedStream,
            handshake_progress::HandshakeProgress,
            prepared_config::{ConfigCache, PreparedConfig},
            verify::CertificateVerifier,
        },
    },
    settings::{host_name::to_ascii, rule::RuleError, tls::TlsSettings},
};

/// Returns the DER of the system's trusted certificates. Blocks.
#[must_use]
pub fn system_authorities() -> Vec<Vec<u8>> {
    trust_store::system().iter().map(|certificate| certificate.der().to_vec()).collect()
}

/// A TLS client with the settings of one `tls_config`.
///
/// Clones share the prepared configuration: trusted certificates, client certificate and engine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "TlsSettings")]
pub struct TlsClient {
    settings: Arc<TlsSettings>,
    cache: Arc<ConfigCache>,
}

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
    /// Creates a client with `settings`.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings: Arc::new(settings), cache: Arc::default() }
    }

    /// The settings of the client.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Returns a client without the `server_name`, for a redirect to another host.
    #[must_use]
    pub fn without_server_name(&self) -> Self {
        let settings =
            TlsSettings { server_name: String::new(), ..TlsSettings::clone(self.settings()) };
        Self { settings: Arc::new(settings), cache: Arc::clone(&self.cache) }
    }

    /// Reads the files of the settings if they have changed, for probers that must check them
    /// before they connect.
    ///
    /// The system's trusted certificates are not read, since the probe may not use TLS.
    pub async fn prepare(&self, context: &Context) -> Result<(), Failure> {
        if prepared_config::files(&self.settings).is_empty() {
            return Ok(());
        }
        self.read(context).await.map(drop)
    }

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
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        context.enter(Stage::Tls);
        *seen = None;
        let prepared = self.read(context).await?;
        let verifier = self.verifier(&prepared, request.server_name)?;
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
        let ssl =
            setup(&prepared, request.alpn, verifier).map_err(|error| failure::of_setup(&error))?;

        let progress = HandshakeProgress::default();
        let waiting = context.waiting_for(|| progress.describe());
        let stream = BufferedStream::new(stream, progress.clone());
        let mut handshake = pin!(SslStreamBuilder::new(ssl, stream).connect());
        let done = drive(&verdict, seen, &progress, |task| handshake.as_mut().poll(task)).await;
        drop(waiting);
        match done {
            Ok(stream) => {
                if let Some(session) = seen {
                    complete(session, stream.ssl());
                    log_session(session, context);
                }
                Ok(TlsStream::new(stream, Arc::clone(&self.settings)))
            }
            Err(error) => {
                if let Some(peer) = peer
                    && failure::is_engine_refusal(&error, seen.as_ref(), &self.settings)
                    && fallback::is_possible(self)
                    && context.request_retry()
                {
                    fallback::remember(peer, true);
                    context.log.info(
                        "BoringSSL refuses the certificate itself; restarting with the fallback \
                         engine",
                        &[],
                    );
                }
                Err(failure::of_handshake(&error, seen.as_ref(), &self.settings))
            }
        }
    }

    /// Creates the verifier of a handshake with `server_name`, unless the settings have another
    /// one.
    fn verifier(
        &self,
        prepared: &PreparedConfig,
        server_name: &str,
    ) -> Result<CertificateVerifier, Failure> {
        let host = match self.settings.server_name.as_str() {
            "" => server_name,
            configured => configured,
        };
        let host = to_ascii(host).map_err(|error| {
            Failure::new(Stage::Tls, Reason::InvalidRequest, format!("the server name {error}"))
        })?;
        if host.is_empty() && !self.settings.insecure_skip_verify {
            return Err(Failure::new(
                Stage::Tls,
                Reason::InvalidRequest,
                "either server_name or insecure_skip_verify is needed in tls_config, since the \
                 target has no host name to check",
            ));
        }
        Ok(CertificateVerifier {
            trust: Arc::clone(&prepared.trust),
            host: host.into_owned(),
            skip_verify: self.settings.insecure_skip_verify,
            verdict: Arc::default(),
        })
    }

    /// Reads the files of the settings if they have changed.
    async fn read(&self, context: &Context) -> Result<Arc<PreparedConfig>, Failure> {
        let _waiting = context.waiting_for(|| "the files of tls_config were not read".to_owned());
        self.prepared().await
    }

    async fn prepared(&self) -> Result<Arc<PreparedConfig>, Failure> {
        if let Some(prepared) = self.cache.current(&self.settings) {
            return Ok(prepared);
        }
        let (settings, cache) = (Arc::clone(&self.settings), Arc::clone(&self.cache));
        match tokio::task::spawn_blocking(move || cache.refresh(&settings)).await {
            Ok(Ok(prepared)) => Ok(prepared),
            Ok(Err(message)) => Err(Failure::new(Stage::Tls, Reason::UnusableFile, message)),
            Err(error) => Err(Failure::new(Stage::Tls, Reason::Internal, error.to_string())),
        }
    }
}

/// Two clients are equal if their settings are.
impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Eq for TlsClient {}

impl Serialize for TlsClient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings.serialize(serializer)
    }
}

/// Unlike upstream, unusable certificates and keys in the settings are refused when the
/// configuration is loaded.
impl TryFrom<TlsSettings> for TlsClient {
    type Error = RuleError;

    fn try_from(settings: TlsSettings) -> Result<Self, RuleError> {
        prepared_config::check_inline(&settings)?;
        Ok(Self::new(settings))
    }
}

/// Polls a handshake to its end. The result of the verification is moved to `seen` at once, since
/// the future may be dropped before it is polled again.
async fn drive<T>(
    verdict: &Mutex<Option<TlsSession>>,
    seen: &mut Option<TlsSession>,
    progress: &HandshakeProgress,
    mut handshake: impl FnMut(&mut task::Context<'_>) -> Poll<T>,
) -> T {
    poll_fn(|task| {
        let done = handshake(task);
        if seen.is_none() {
            *seen = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
            if seen.is_some() {
                progress.note_certificates();
            }
        }
        done
    })
    .await
}

fn setup(
    prepared: &PreparedConfig,
    alpn: &[&[u8]],
    verifier: CertificateVerifier,
) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(&prepared.context)?;
    configure(&mut ssl, alpn, verifier)?;
    Ok(ssl)
}

/// Configures one connection of the engine: SNI, ALPN, OCSP and the verifier.
fn configure(
    ssl: &mut SslRef,
    alpn: &[&[u8]],
    verifier: CertificateVerifier,
) -> Result<(), ErrorStack> {
    if let Some(name) = host::server_name_indication(&verifier.host) {
        ssl.set_hostname(name)?;
    }
    if !alpn.is_empty() {
        ssl.set_alpn_protos(&wire_form(alpn))?;
    }
    // Requests the stapled OCSP response, as Go's client does.
    ssl.set_status_type(StatusType::OCSP)?;
    ssl.set_custom_verify_callback(SslVerifyMode::PEER, move |ssl| verifier.verify_ssl(ssl));
    Ok(())
}

/// Encodes ALPN protocols, each after its length (RFC 7301). A protocol that is too long is left
/// out.
fn wire_form(protocols: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for protocol in protocols {
        if let Ok(length) = u8::try_from(protocol.len()) {
            wire.push(length);
            wire.extend_from_slice(protocol);
        }
    }
    wire
}

/// Adds the results of a completed handshake.
fn complete(session: &mut TlsSession, ssl: &SslRef) {
    session.version = ssl.version2().and_then(engine::agreed_version);
    session.cipher = ssl.current_cipher().map(|cipher| {
        let number = || format!("0x{:04X}", cipher.protocol_id());
        cipher.standard_name().map_or_else(number, str::to_owned)
    });
    session.alpn = ssl.selected_alpn_protocol().map(<[u8]>::to_vec);
}

fn log_session(session: &TlsSession, context: &Context) {
    let version = session.version.map(|version| version.to_string()).unwrap_or_default();
    let cipher = session.cipher.as_deref().unwrap_or_default();
    context.log.debug("TLS handshake completed", &[("version", &version), ("cipher", &cipher)]);
    if session.verify_result != VerifyResult::Ok {
        context.log.info(
            "The certificate is invalid, but the module accepts any certificate",
            &[("result", &session.verify_result.label()), ("detail", &session.verify_detail)],
        );
    }
}

#[cfg(test)]
mod tests;
