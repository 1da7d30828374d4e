//! TLS settings of the listener, for rustls.

use std::{fmt, sync::Arc};

use boring::{pkey::Id, x509::X509};
use tokio_rustls::rustls::{
    Error, ServerConfig, SupportedProtocolVersion,
    crypto::{
        CryptoProvider,
        ring::{default_provider, kx_group},
    },
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};

use crate::{
    config::web::{ClientAuth, Curve, Pem, TlsServer},
    net::tls::system_authorities,
    server::web_config::client_certificates::ClientVerifier,
    settings::{
        file::{self, DEFAULT_MAX_MIB},
        pem,
        rule::RuleError,
        tls::TlsVersion,
    },
};

/// TLS of the listener, ready for use.
#[derive(Debug, Clone)]
pub(super) struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    /// True if a signature takes longer than the thread of other connections can wait.
    pub(super) signs_slowly: bool,
}

/// Maximum size of an RSA key that signs in less than a millisecond, in bits.
const MAX_QUICK_RSA_BITS: u32 = 2048;

/// Reads certificate, key and CA certificates, and passes the content of files to `note`. Blocks.
pub(super) fn server_tls(
    settings: &TlsServer,
    mut note: impl FnMut(&[u8]),
) -> Result<ServerTls, RuleError> {
    let mut read = |pem: &Pem| {
        let text = content(pem)?;
        if pem.file().is_some() {
            note(&text);
        }
        Ok::<_, RuleError>(text)
    };
    let chain = certificates(&settings.certificate, &read(&settings.certificate)?)?;
    let text = read(&settings.key)?;
    let key = PrivateKeyDer::from_pem_slice(pem::without_byte_order_mark(&text))
        .map_err(|_| wrong(&settings.key, pem::no_private_key(&text)))?;
    let authorities = settings
        .client_authorities
        .as_ref()
        .map(|pem| certificates(pem, &read(pem)?))
        .transpose()?;
    let provider = Arc::new(provider(settings));
    let versions: Vec<_> =
        settings.versions.iter().filter_map(|version| spoken(*version)).collect();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions)
        .map_err(|error| RuleError::at("min_version", error.to_string()))?;
    let builder = if settings.client_auth == ClientAuth::None {
        builder.with_no_client_auth()
    } else {
        let authorities = match authorities {
            Some(authorities) => authorities,
            None => system_authorities()
                .map_err(|error| RuleError::at("client_auth_type", error.to_string()))?
                .into_iter()
                .map(CertificateDer::from)
                .collect(),
        };
        let sans = settings.client_allowed_sans.clone();
        let clients = ClientVerifier::new(settings.client_auth, authorities, sans, &provider)
            .map_err(|message| match &settings.client_authorities {
                Some(pem) => wrong(pem, message),
                None => RuleError::at("client_auth_type", message),
            })?;
        builder.with_client_cert_verifier(Arc::new(clients))
    };
    let signs_slowly = chain.first().is_some_and(|certificate| has_large_rsa_key(certificate));
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| unusable_key(settings, &text, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(ServerTls { config: Arc::new(config), signs_slowly })
}

fn has_large_rsa_key(certificate: &[u8]) -> bool {
    let key = X509::from_der(certificate).and_then(|certificate| certificate.public_key());
    key.is_ok_and(|key| key.id() == Id::RSA && key.bits() > MAX_QUICK_RSA_BITS)
}

/// The crypto provider with the configured curves and cipher suites.
fn provider(settings: &TlsServer) -> CryptoProvider {
    let mut provider = default_provider();
    if let Some(wanted) = &settings.cipher_suites {
        provider.cipher_suites.retain(|suite| {
            let name = suite.suite().as_str().unwrap_or_default();
            suite.tls13().is_some() || wanted.contains(&name)
        });
    }
    if !settings.curves.is_empty() {
        let group = |curve: &Curve| match curve {
            Curve::X25519 => kx_group::X25519,
            Curve::P256 => kx_group::SECP256R1,
            Curve::P384 => kx_group::SECP384R1,
        };
        provider.kx_groups = settings.curves.iter().map(group).collect();
    }
    provider
}

fn spoken(version: TlsVersion) -> Option<&'static SupportedProtocolVersion> {
    match version {
        TlsVersion::Tls12 => Some(&TLS12),
        TlsVersion::Tls13 => Some(&TLS13),
        TlsVersion::Tls10 | TlsVersion::Tls11 => None,
    }
}

fn content(pem: &Pem) -> Result<Vec<u8>, RuleError> {
    match pem {
        Pem::Text(_, text) => Ok(text.expose().as_bytes().to_vec()),
        Pem::File(_, file) => file::read(file, DEFAULT_MAX_MIB).map_err(|error| wrong(pem, error)),
    }
}

/// Parses PEM certificates, at least one.
fn certificates(source: &Pem, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, RuleError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem::without_byte_order_mark(text))
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(source, pem::no_certificate(text)))?;
    if certificates.is_empty() {
        return Err(wrong(source, pem::no_certificate(text)));
    }
    Ok(certificates)
}

/// The error for a key that rustls rejects, alone or with the certificate.
fn unusable_key(settings: &TlsServer, text: &[u8], error: &Error) -> RuleError {
    match error {
        Error::InconsistentKeys(_) => {
            let message = "the key does not belong to the first certificate in cert or cert_file; \
                           use the key that the certificate was issued for";
            wrong(&settings.key, message)
        }
        Error::InvalidCertificate(_) => {
            wrong(&settings.certificate, "the PEM certificate is invalid")
        }
        // A PEM block that is not a usable key, such as an encrypted one of the traditional format.
        Error::General(_) => wrong(&settings.key, pem::no_private_key(text)),
        error => wrong(&settings.key, format_args!("unusable key: {error}")),
    }
}

/// An error at the configuration key of a PEM text, with the name of the file if there is one.
fn wrong(pem: &Pem, message: impl fmt::Display) -> RuleError {
    match pem {
        Pem::Text(key, _) => RuleError::at(*key, message.to_string()),
        Pem::File(key, file) => RuleError::at(*key, format!("{}: {message}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use boring::{
        asn1::Asn1Time,
        bn::BigNum,
        ec::{EcGroup, EcKey},
        hash::MessageDigest,
        nid::Nid,
        pkey::{PKey, Private, Public},
        rsa::Rsa,
        x509::X509Builder,
    };

    use super::*;

    fn certificate(key: &PKey<Public>, issuer: &PKey<Private>) -> Vec<u8> {
        let mut certificate = X509Builder::new().unwrap();
        certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        certificate.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        certificate.set_pubkey(key).unwrap();
        certificate.sign(issuer, MessageDigest::sha256()).unwrap();
        certificate.build().to_der().unwrap()
    }

    #[test]
    fn large_rsa_keys_sign_slowly() {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let issuer = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        for (bits, expected) in [(2048, false), (3072, true), (4096, true)] {
            let mut modulus = BigNum::new().unwrap();
            modulus.set_bit(bits - 1).unwrap();
            modulus.set_bit(0).unwrap();
            let exponent = BigNum::from_u32(65537).unwrap();
            let key = Rsa::from_public_components(modulus, exponent).unwrap();
            let certificate = certificate(&PKey::from_rsa(key).unwrap(), &issuer);
            assert_eq!(has_large_rsa_key(&certificate), expected, "{bits}");
        }
        let public = PKey::public_key_from_der(&issuer.public_key_to_der().unwrap()).unwrap();
        assert!(!has_large_rsa_key(&certificate(&public, &issuer)), "P-256");
    }
}
