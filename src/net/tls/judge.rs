//! The verdict on a server's certificates, made while the handshake waits for it.

use std::{
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use boring::{
    error::ErrorStack,
    ssl::{SslAlert, SslRef, SslVerifyError},
};

use crate::net::tls::{Certificate, TlsSession, VerifyResult, files::Prepared, known, verify};

/// Judges the certificates of one handshake, in the midst of it.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) prepared: Arc<Prepared>,
    /// The name that the server's own certificate must have.
    pub(super) host: String,
    /// Whether a bad certificate is accepted; it is judged all the same.
    pub(super) skip_verify: bool,
    /// What was found, once the server has sent its certificates.
    pub(super) verdict: Arc<Mutex<Option<TlsSession>>>,
}

impl Judge {
    /// Judges what BoringSSL has received.
    pub(super) fn judge(&self, ssl: &SslRef) -> Result<(), SslVerifyError> {
        let sent = ssl.peer_cert_chain().into_iter().flatten().map(known::certificate);
        self.decide(sent, ssl.ocsp_status()).map_err(|result| {
            SslVerifyError::Invalid(match result {
                VerifyResult::Expired => SslAlert::CERTIFICATE_EXPIRED,
                VerifyResult::UnknownAuthority => SslAlert::UNKNOWN_CA,
                VerifyResult::Revoked => SslAlert::CERTIFICATE_REVOKED,
                _ => SslAlert::BAD_CERTIFICATE,
            })
        })
    }

    /// Judges the certificates that a server sent, its own first, each `None` if it cannot be read,
    /// and what it says of them by OCSP. An error is why the handshake must not go on.
    pub(super) fn decide(
        &self,
        mut sent: impl Iterator<Item = Option<Arc<Certificate>>>,
        ocsp_response: Option<&[u8]>,
    ) -> Result<(), VerifyResult> {
        // A server's own certificate must be one; what else it sends may be odd.
        let sent: Vec<_> = match sent.next().flatten() {
            Some(leaf) => iter::once(leaf).chain(sent.flatten()).collect(),
            None => Vec::new(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut verification = verify::verify(&sent, &self.prepared.trust, &self.host, now);
        if let Some(response) = ocsp_response {
            verification.heed(response, now);
        }
        // A key that did not fit leaves an error behind, which BoringSSL would take for one of the
        // handshake when that has to wait next.
        drop(ErrorStack::get());
        let result = verification.result;
        let session = TlsSession::judged(sent, verification);
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        if self.skip_verify || result == VerifyResult::Ok { Ok(()) } else { Err(result) }
    }
}
