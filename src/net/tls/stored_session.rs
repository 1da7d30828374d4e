//! A TLS session as reports store it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    net::tls::{certificate::Certificate, session::TlsSession, verify_result::VerifyResult},
    scheduling::pool,
    settings::tls::TlsVersion,
};

/// The results of a handshake for reports.
///
/// It contains certificates as DER and parses them again when they are displayed. Parsed certificates
/// take many times the memory of their DER, up to forty times if they have many parts. Peers choose
/// them, and the history keeps reports.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StoredSession {
    /// The negotiated version; absent if the handshake was not completed.
    pub version: Option<TlsVersion>,
    /// The IANA name of the negotiated cipher; absent if the handshake was not completed.
    pub cipher: Option<String>,
    /// The negotiated ALPN protocol.
    pub alpn: Option<Vec<u8>>,
    /// The DER of the certificates that the server sent, the leaf first.
    pub sent: Vec<Arc<[u8]>>,
    /// The result of the verification, also if the module accepts any certificate.
    pub verify_result: VerifyResult,
    /// The explanation of the result for users; empty if the certificate is good.
    pub verify_detail: String,
}

/// Maximum size of certificates whose parsed parts are freed on the thread of the probe, in bytes.
const MAX_FREED_INLINE: usize = 16 << 10;

impl StoredSession {
    /// Returns the certificates that the server sent, the leaf first. Each is parsed.
    pub fn certificates(&self) -> impl Iterator<Item = Certificate> {
        self.sent.iter().filter_map(|der| Certificate::from_der(der))
    }
}

impl From<TlsSession> for StoredSession {
    fn from(session: TlsSession) -> Self {
        let TlsSession { version, cipher, alpn, peer_chain, verified_chains, .. } = session;
        let TlsSession { verify_result, verify_detail, .. } = session;
        let sent: Vec<_> = peer_chain.iter().map(|one| Arc::clone(&one.der)).collect();
        if sent.iter().map(|der| der.len()).sum::<usize>() > MAX_FREED_INLINE {
            // Without a thread, they are freed here.
            drop(pool::start(move || drop((peer_chain, verified_chains))));
        }
        Self { version, cipher, alpn, sent, verify_result, verify_detail }
    }
}
