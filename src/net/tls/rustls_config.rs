//! The configuration of rustls for a `tls_config`.

use std::sync::Arc;

use boring::error::ErrorStack;
use rustls::{
    ClientConfig, SupportedProtocolVersion,
    client::danger::ServerCertVerifier,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    version::{TLS12, TLS13},
};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::tls::{client::TlsClient, client_identity::ClientIdentity, tls_files},
    settings::tls::{TlsSettings, TlsVersion},
};

impl TlsClient {
    /// Creates a configuration with the versions and the client certificate of the settings.
    pub(super) async fn rustls_config(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, Failure> {
        let identity = tls_files::with_contents(&self.settings, ClientIdentity::of).await?;
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

/// Returns the TLS versions that the settings allow and rustls supports.
pub(super) fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let wanted = settings.lowest_version()..=settings.highest_version();
    [(TlsVersion::Tls12, &TLS12), (TlsVersion::Tls13, &TLS13)]
        .into_iter()
        .filter(|(version, _)| wanted.contains(version))
        .map(|(_, version)| version)
        .collect()
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn as_der(identity: &ClientIdentity) -> Result<ChainAndKey, ErrorStack> {
    let mut chain = Vec::new();
    for certificate in std::iter::once(&identity.leaf).chain(&identity.chain) {
        chain.push(CertificateDer::from(certificate.to_der()?));
    }
    let key = PrivatePkcs8KeyDer::from(identity.key.private_key_to_der_pkcs8()?);
    Ok((chain, key.into()))
}
