//! TLS client of the probers, on BoringSSL.
//!
//! Versions, ciphers, groups, signature algorithms and verification rules are those of Go's client,
//! so that a server that is up for upstream is up here.

mod alert;
mod buffered_stream;
mod certificate;
mod certificate_cache;
mod certificate_details;
mod chain_search;
mod client;
mod client_identity;
mod cross_check;
mod der;
mod distinguished_name;
mod effort;
mod engine;
mod failure;
mod fallback;
mod handshake;
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
mod stored_session;
mod stream;
mod tls_files;
mod trust_store;
mod usage;
mod verdict;
mod verify;
mod verify_result;
mod x509_extensions;

#[cfg(feature = "http3")]
pub(in crate::net) use crate::net::tls::quic::QuicTls;
pub(in crate::net) use crate::net::tls::{alert::alert_text, client_identity::private_key_of};
pub use crate::net::tls::{
    certificate::Certificate,
    certificate_details::{Names, Validity},
    client::TlsClient,
    handshake::Handshake,
    session::{
        CIPHER_INFO, EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, METRICS, TlsSession,
        VERIFY_INFO, VERSION_INFO,
    },
    stored_session::StoredSession,
    stream::TlsStream,
    trust_store::system_authorities,
    verify_result::VerifyResult,
};

#[cfg(test)]
mod tests;
