//! Verification of the certificates that a server sent, during the handshake.

use std::{
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use boring::{
    error::ErrorStack,
    ssl::{SslAlert, SslRef, SslVerifyError},
};

use crate::net::tls::{
    certificate::Certificate,
    certificate_cache,
    chain_search::{self, Found, Rejection},
    host, mismatch, revocation,
    session::TlsSession,
    trust_store::TrustStore,
    verify_result::VerifyResult,
};

/// The verifier of one handshake.
#[derive(Debug)]
pub(super) struct CertificateVerifier {
    pub(super) trust: Arc<TrustStore>,
    /// The host that the leaf must be for.
    pub(super) host: String,
    /// True if the handshake continues with any certificate. It is verified all the same.
    pub(super) skip_verify: bool,
    /// The result, set when the server has sent its certificates.
    pub(super) verdict: Arc<Mutex<Option<TlsSession>>>,
}

impl CertificateVerifier {
    /// Verifies the certificates that BoringSSL received.
    pub(super) fn verify_ssl(&self, ssl: &SslRef) -> Result<(), SslVerifyError> {
        let sent = ssl.peer_cert_chain().into_iter().flatten().map(certificate_cache::from_x509);
        self.verify_sent(sent, ssl.ocsp_status()).map_err(|result| {
            SslVerifyError::Invalid(match result {
                VerifyResult::Expired => SslAlert::CERTIFICATE_EXPIRED,
                VerifyResult::UnknownAuthority => SslAlert::UNKNOWN_CA,
                VerifyResult::Revoked => SslAlert::CERTIFICATE_REVOKED,
                _ => SslAlert::BAD_CERTIFICATE,
            })
        })
    }

    /// Verifies the certificates that a server sent, the leaf first, each `None` if it cannot be
    /// parsed, and the stapled OCSP response. An error ends the handshake.
    pub(super) fn verify_sent(
        &self,
        mut sent: impl Iterator<Item = Option<Arc<Certificate>>>,
        ocsp_response: Option<&[u8]>,
    ) -> Result<(), VerifyResult> {
        // Unreadable certificates after the leaf are ignored.
        let sent: Vec<_> = match sent.next().flatten() {
            Some(leaf) => iter::once(leaf).chain(sent.flatten()).collect(),
            None => Vec::new(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let mut verification = verify(&sent, &self.trust, &self.host, now);
        if let Some(response) = ocsp_response {
            verification.apply_stapled_ocsp(response, now);
        }
        // A failed check leaves an error on the queue of this thread. BoringSSL would take it for
        // an error of the handshake the next time that it has to wait.
        drop(ErrorStack::get());
        let result = verification.result;
        let session = TlsSession {
            version: None,
            cipher: None,
            alpn: None,
            peer_chain: sent,
            verified_chains: verification.chains,
            verify_result: verification.result,
            verify_detail: verification.detail,
        };
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        if self.skip_verify || result == VerifyResult::Ok { Ok(()) } else { Err(result) }
    }
}

/// The result of a verification.
#[derive(Debug, Clone)]
pub(super) struct Verification {
    pub(super) result: VerifyResult,
    /// The explanation of the result for users; empty if the certificate is good.
    pub(super) detail: String,
    /// Every chain from the leaf to a trusted certificate, whether or not the host matches.
    pub(super) chains: Vec<Vec<Arc<Certificate>>>,
}

impl Verification {
    /// Applies the OCSP response that the server sent with its certificate. It can only turn a good
    /// result into a bad one.
    ///
    /// Unlike upstream, which requests the response and ignores it.
    pub(super) fn apply_stapled_ocsp(&mut self, response: &[u8], now: i64) {
        if self.result != VerifyResult::Ok {
            return;
        }
        let revoked_at = self.chains.iter().find_map(|chain| match chain.as_slice() {
            [leaf, issuer, ..] => revocation::revoked_at(response, leaf, issuer, now),
            _ => None,
        });
        if let Some(at) = revoked_at {
            let since = chrono::DateTime::from_timestamp(at, 0).unwrap_or_default();
            self.result = VerifyResult::Revoked;
            self.detail = format!(
                "the certificate was revoked at {since:?} according to the stapled OCSP response"
            );
        }
    }
}

/// The message for a leaf that cannot be parsed.
const UNREADABLE: &str = "the server's certificate is malformed";

/// Verifies the certificates that a server sent, the leaf first, at the Unix time `now`. An empty
/// `host` is not checked.
pub(super) fn verify(
    sent: &[Arc<Certificate>],
    trust: &TrustStore,
    host: &str,
    now: i64,
) -> Verification {
    let verdict = |result, detail, chains| Verification { result, detail, chains };
    let Some((leaf, intermediates)) = sent.split_first() else {
        return verdict(VerifyResult::Invalid, UNREADABLE.to_owned(), Vec::new());
    };
    if let Err(Rejection(result, detail)) = chain_search::check_certificate(leaf, now) {
        return verdict(result, detail, Vec::new());
    }
    let Found { chains, rejection } = chain_search::search(leaf, intermediates, trust, now);
    if !host.is_empty() && !host::is_for(leaf, host) {
        return verdict(VerifyResult::WrongHost, mismatch::wrong_host(leaf, host), chains);
    }
    if !chains.is_empty() {
        return verdict(VerifyResult::Ok, String::new(), chains);
    }
    let Rejection(result, detail) = rejection.unwrap_or_else(|| {
        Rejection(VerifyResult::UnknownAuthority, mismatch::unknown_authority(sent, trust))
    });
    verdict(result, detail, chains)
}
