//! The verifier for handshakes of rustls. Certificates are verified by [`verify`](super::verify),
//! and signatures of handshakes by BoringSSL, which supports the keys of old servers: RSA of 1024
//! bits, ECDSA on P-521, SHA-1 up to TLS 1.2.

use boring::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, PKeyRef, Public},
    rsa::Padding,
    sign::{RsaPssSaltlen, Verifier},
};
use rustls::{
    CertificateError, DigitallySignedStruct, PeerMisbehaved, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::net::tls::{
    certificate, certificate_cache, effort::Effort, verify::CertificateVerifier,
};

/// The verifier of one handshake.
#[derive(Debug)]
pub(super) struct RustlsVerifier(pub(super) CertificateVerifier);

impl ServerCertVerifier for RustlsVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let sent = std::iter::once(end_entity)
            .chain(intermediates)
            .map(|der| certificate_cache::from_der(der));
        let response = Some(ocsp_response).filter(|response| !response.is_empty());
        match self.0.verify_sent(sent, response, &Effort::default()) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            // The details are in the verdict.
            Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

/// The signature algorithms to offer, the preferred one first, as with BoringSSL.
const SCHEMES: [SignatureScheme; 12] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::RSA_PKCS1_SHA1,
    SignatureScheme::ECDSA_SHA1_Legacy,
];

/// Verifies a signature of TLS 1.3, which does not allow all schemes.
fn verify_tls13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    match signed.scheme {
        SignatureScheme::RSA_PKCS1_SHA1
        | SignatureScheme::RSA_PKCS1_SHA256
        | SignatureScheme::RSA_PKCS1_SHA384
        | SignatureScheme::RSA_PKCS1_SHA512
        | SignatureScheme::ECDSA_SHA1_Legacy => {
            Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
        }
        _ => verify(message, certificate, signed),
    }
}

/// Verifies a signature with the key of a certificate, regardless of its other fields.
fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let key = certificate::parse(certificate)
        .and_then(|parsed| PKey::public_key_from_der(parsed.public_key().raw).ok());
    let valid = key.as_ref().map(|key| is_signed(message, key, signed).unwrap_or(false));
    // A failed check leaves an error on the queue of this thread.
    drop(ErrorStack::get());
    match valid {
        Some(true) => Ok(HandshakeSignatureValid::assertion()),
        Some(false) => Err(CertificateError::BadSignature.into()),
        None => Err(rustls::Error::General(UNSUPPORTED_KEY.to_owned())),
    }
}

/// The message for an unsupported type of key.
const UNSUPPORTED_KEY: &str = "the key type of the server's certificate is not supported; use \
                               RSA, ECDSA (P-256, P-384 or P-521) or Ed25519";

fn is_signed(
    message: &[u8],
    key: &PKeyRef<Public>,
    signed: &DigitallySignedStruct,
) -> Option<bool> {
    let (digest, is_pss) = match signed.scheme {
        SignatureScheme::ED25519 => {
            let mut verifier = Verifier::new_without_digest(key).ok()?;
            return verifier.verify_oneshot(signed.signature(), message).ok();
        }
        SignatureScheme::RSA_PSS_SHA256 => (MessageDigest::sha256(), true),
        SignatureScheme::RSA_PSS_SHA384 => (MessageDigest::sha384(), true),
        SignatureScheme::RSA_PSS_SHA512 => (MessageDigest::sha512(), true),
        SignatureScheme::RSA_PKCS1_SHA256 | SignatureScheme::ECDSA_NISTP256_SHA256 => {
            (MessageDigest::sha256(), false)
        }
        SignatureScheme::RSA_PKCS1_SHA384 | SignatureScheme::ECDSA_NISTP384_SHA384 => {
            (MessageDigest::sha384(), false)
        }
        SignatureScheme::RSA_PKCS1_SHA512 | SignatureScheme::ECDSA_NISTP521_SHA512 => {
            (MessageDigest::sha512(), false)
        }
        SignatureScheme::RSA_PKCS1_SHA1 | SignatureScheme::ECDSA_SHA1_Legacy => {
            (MessageDigest::sha1(), false)
        }
        _ => return None,
    };
    let mut verifier = Verifier::new(digest, key).ok()?;
    if is_pss {
        verifier.set_rsa_padding(Padding::PKCS1_PSS).ok()?;
        verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).ok()?;
    }
    verifier.verify_oneshot(signed.signature(), message).ok()
}
