//! BoringSSL contexts and connections that offer what Go's client offers.

use boring::{
    error::ErrorStack,
    ssl::{
        Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslVerifyMode,
        SslVersion, StatusType,
    },
};

use crate::{
    net::tls::{
        client_identity::ClientIdentity, host, session::TlsSession, verify::CertificateVerifier,
    },
    settings::tls::{TlsSettings, TlsVersion},
};

/// Cipher suites up to TLS 1.2, in Go's order. Those of TLS 1.3 are fixed.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
     ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
     ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:\
     ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384:P-521";

/// Without the large key share of ML-KEM, so that a `ClientHello` fits into one datagram. Some
/// servers lose the second one, and answer only its retransmission.
#[cfg(feature = "http3")]
const GROUPS_OVER_QUIC: &str = "X25519:P-256:P-384:P-521";

const SIGNATURE_ALGORITHMS: &str = "rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256:ed25519:\
     rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:\
     rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:\
     ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:\
     rsa_pkcs1_sha1:ecdsa_sha1";

/// Maximum size of the server's certificates in bytes, as in Go's client.
pub(super) const MAX_CERTIFICATES: usize = 256 << 10;

/// Maximum size of the server's certificates over QUIC in bytes. The engine parses them on the thread of
/// the probe.
///
/// Unlike upstream, which accepts as many as over TCP.
#[cfg(feature = "http3")]
pub(super) const MAX_CERTIFICATES_OVER_QUIC: usize = 32 << 10;

/// Creates a context with the versions of the settings and the client certificate.
///
/// It has no trusted certificates, since `verify` decides about them.
pub(super) fn context(
    settings: &TlsSettings,
    identity: Option<&ClientIdentity>,
) -> Result<SslContext, ErrorStack> {
    builder(settings, identity).map(SslContextBuilder::build)
}

/// Creates the builder of a context for QUIC.
#[cfg(feature = "http3")]
pub(super) fn over_quic(
    settings: &TlsSettings,
    identity: Option<&ClientIdentity>,
) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = builder(settings, identity)?;
    builder.set_curves_list(GROUPS_OVER_QUIC)?;
    boring_ext::set_max_cert_list(&mut builder, MAX_CERTIFICATES_OVER_QUIC);
    Ok(builder)
}

fn builder(
    settings: &TlsSettings,
    identity: Option<&ClientIdentity>,
) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls())?;
    builder.set_min_proto_version(Some(version(settings.lowest_version())))?;
    builder.set_max_proto_version(Some(version(settings.highest_version())))?;
    builder.set_strict_cipher_list(CIPHERS)?;
    builder.set_curves_list(GROUPS)?;
    builder.set_sigalgs_list(SIGNATURE_ALGORITHMS)?;
    boring_ext::set_max_cert_list(&mut builder, MAX_CERTIFICATES);
    // Sessions are never resumed.
    builder.set_options(SslOptions::NO_TICKET);
    if let Some(identity) = identity {
        builder.set_certificate(&identity.leaf)?;
        for certificate in &identity.chain {
            builder.add_extra_chain_cert(certificate.clone())?;
        }
        builder.set_private_key(&identity.key)?;
    }
    Ok(builder)
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}

/// Creates a connection.
pub(super) fn connection(
    context: &SslContext,
    alpn: &[&[u8]],
    verifier: CertificateVerifier,
) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    configure(&mut ssl, alpn, verifier)?;
    Ok(ssl)
}

/// Configures a connection: SNI, ALPN, OCSP and the verifier.
pub(super) fn configure(
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
pub(super) fn complete(session: &mut TlsSession, ssl: &SslRef) {
    session.version = ssl.version2().and_then(agreed_version);
    session.cipher = ssl.current_cipher().map(|cipher| {
        let number = || format!("0x{:04X}", cipher.protocol_id());
        cipher.standard_name().map_or_else(number, str::to_owned)
    });
    session.alpn = ssl.selected_alpn_protocol().map(<[u8]>::to_vec);
}

/// Converts a negotiated version.
fn agreed_version(version: SslVersion) -> Option<TlsVersion> {
    match version {
        SslVersion::TLS1 => Some(TlsVersion::Tls10),
        SslVersion::TLS1_1 => Some(TlsVersion::Tls11),
        SslVersion::TLS1_2 => Some(TlsVersion::Tls12),
        SslVersion::TLS1_3 => Some(TlsVersion::Tls13),
        _ => None,
    }
}
