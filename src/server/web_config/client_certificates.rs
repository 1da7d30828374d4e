//! Verification of client certificates.

use std::{net::IpAddr, sync::Arc};

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use crate::config::web::ClientAuth;

/// Verifies client certificates.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    is_mandatory: bool,
    /// Verifies the chain. Without it, any certificate is accepted.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// The trusted CA certificates.
    trusted: Vec<CertificateDer<'static>>,
    /// The allowed subject alternative names; all if none are configured.
    allowed_sans: Option<Vec<String>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub(super) fn new(
        auth: ClientAuth,
        trusted: Vec<CertificateDer<'static>>,
        allowed_sans: Option<Vec<String>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let verifier = if auth.verifies() {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(trusted.iter().cloned());
            let builder =
                WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
            Some(builder.build().map_err(|error| format!("no usable CA certificate: {error}"))?)
        } else {
            None
        };
        Ok(Self {
            is_mandatory: auth.is_mandatory(),
            verifier,
            trusted,
            allowed_sans,
            algorithms: provider.signature_verification_algorithms,
        })
    }

    /// Checks that one of the subject alternative names is allowed.
    fn check_names(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let Some(allowed) = &self.allowed_sans else { return Ok(()) };
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let mut names = names.iter().flat_map(|names| &names.value.general_names);
        if names.any(|name| allowed.iter().any(|allowed| is_name(name, allowed))) {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}

fn is_name(name: &GeneralName<'_>, allowed: &str) -> bool {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            *text == allowed
        }
        GeneralName::IPAddress(bytes) => {
            allowed.parse().is_ok_and(|allowed: IpAddr| match allowed {
                IpAddr::V4(address) => address.octets() == *bytes,
                IpAddr::V6(address) => address.octets() == *bytes,
            })
        }
        _ => false,
    }
}

/// Verifies a client certificate that is itself one of the trusted certificates, such as a
/// self-signed one. Go accepts these; the verifier of rustls does not.
fn verify_trusted(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let wrong = |error| Err(Error::InvalidCertificate(error));
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return wrong(CertificateError::BadEncoding);
    };
    let (now, validity) =
        (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), certificate.validity());
    if now < validity.not_before.timestamp() {
        return wrong(CertificateError::NotValidYet);
    }
    if now > validity.not_after.timestamp() {
        return wrong(CertificateError::Expired);
    }
    match certificate.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if usage.value.any || usage.value.client_auth => Ok(()),
        Ok(Some(_)) => wrong(CertificateError::InvalidPurpose),
        Err(_) => wrong(CertificateError::BadEncoding),
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(verifier) = &self.verifier {
            if self.trusted.contains(certificate) {
                verify_trusted(certificate, now)?;
            } else {
                verifier.verify_client_cert(certificate, chain, now)?;
            }
        }
        self.check_names(certificate)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
