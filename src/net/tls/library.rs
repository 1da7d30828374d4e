//! Trust and identity of a `tls_config` for libraries that bring their own TLS, rustls, and whose
//! requests are not measured. Who is trusted is decided by the same rules as for probes.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use boring::error::ErrorStack;
use rustls::{
    ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    version::{TLS12, TLS13},
};

use crate::{
    evidence::{Failure, Reason, Stage},
    net::tls::{
        TlsClient, TlsSession, VerifyResult,
        certificate::Certificate,
        failure,
        files::{self, Identity, Prepared},
        signature, verify,
    },
    settings::{
        host_name::to_ascii,
        tls::{TlsSettings, TlsVersion},
    },
};

impl TlsClient {
    /// The settings as rustls needs them. Of the versions of TLS it speaks 1.2 and 1.3.
    ///
    /// Their `server_name` is that of `host` alone, without brackets: others that the library speaks
    /// to, such as a proxy, are checked for their own names.
    pub(crate) async fn for_library(&self, host: &str) -> Result<ClientConfig, Failure> {
        self.library_config(Arc::new(GoRules {
            prepared: self.prepared().await?,
            settings: Arc::clone(&self.settings),
            host: host.to_owned(),
        }))
        .await
    }

    /// A configuration with the versions and the identity of the settings.
    pub(super) async fn library_config(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, Failure> {
        let settings = Arc::clone(&self.settings);
        let identity = tokio::task::spawn_blocking(move || files::identity(&settings)).await;
        let identity = match identity {
            Ok(Ok(identity)) => identity,
            Ok(Err(message)) => return Err(unusable(message)),
            Err(error) => {
                return Err(Failure::new(Stage::Tls, Reason::Internal, error.to_string()));
            }
        };
        let impossible = |error: rustls::Error| {
            Failure::new(Stage::Tls, Reason::InvalidRequest, format!("TLS: {error}"))
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions(&self.settings))
            .map_err(impossible)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
        let (chain, key) = as_der(&identity).map_err(|error| unusable(error.to_string()))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| unusable(error.to_string()))
    }
}

fn unusable(message: String) -> Failure {
    Failure::new(Stage::Tls, Reason::UnusableFile, message)
}

/// The versions of TLS that the settings allow and rustls speaks.
pub(super) fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let wanted = settings.lowest_version()..=settings.highest_version();
    [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| wanted.contains(version))
        .map(|(_, version)| version)
        .collect()
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn as_der(identity: &Identity) -> Result<ChainAndKey, ErrorStack> {
    let mut chain = Vec::new();
    for certificate in std::iter::once(&identity.leaf).chain(&identity.chain) {
        chain.push(CertificateDer::from(certificate.to_der()?));
    }
    let key = PrivatePkcs8KeyDer::from(identity.key.private_key_to_der_pkcs8()?);
    Ok((chain, key.into()))
}

/// Verifies as [`verify`] does.
#[derive(Debug)]
struct GoRules {
    prepared: Arc<Prepared>,
    settings: Arc<TlsSettings>,
    /// Whom `server_name` is for.
    host: String,
}

impl ServerCertVerifier for GoRules {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.settings.insecure_skip_verify {
            return Ok(ServerCertVerified::assertion());
        }
        let read = |der: &CertificateDer<'_>| Certificate::from_der(der).map(Arc::new);
        // A server's own certificate must be one; what else it sends may be odd.
        let sent: Vec<_> = match read(end_entity) {
            Some(leaf) => {
                std::iter::once(leaf).chain(intermediates.iter().filter_map(read)).collect()
            }
            None => Vec::new(),
        };
        let asked = server_name.to_str();
        let host = match self.settings.server_name.as_str() {
            configured if !configured.is_empty() && asked.eq_ignore_ascii_case(&self.host) => {
                configured
            }
            _ => asked.as_ref(),
        };
        let host = to_ascii(host).map_err(|error| rustls::Error::General(error.to_string()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let verification = verify::verify(&sent, &self.prepared.trust, &host, now);
        // A key that did not fit leaves an error behind.
        drop(ErrorStack::get());
        let session = TlsSession::judged(sent, verification);
        if session.verify_result == VerifyResult::Ok {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::Other(OtherError(Arc::new(failure::of_verification(&session)))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        signature::verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        signature::SCHEMES.to_vec()
    }
}
