//! Verification of the certificates that a server sent, during the handshake.

use std::{
    iter,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use boring::{
    error::ErrorStack,
    ssl::{SslAlert, SslRef, SslVerifyError},
    x509::{X509, X509Ref},
};

use crate::{
    memory::ProbeMemory,
    net::tls::{
        certificate::{self, Certificate},
        certificate_cache,
        chain_search::{self, Found, Rejection},
        effort::{self, Effort},
        host, mismatch, revocation,
        session::TlsSession,
        trust_store::TrustStore,
        verdict::Verdict,
        verify_result::VerifyResult,
    },
    scheduling::{poll_times::section, pool},
};

/// The verifier of one handshake.
#[derive(Debug, Clone)]
pub(super) struct CertificateVerifier {
    pub(super) trust: Arc<TrustStore>,
    /// The host that the leaf must be for.
    pub(super) host: String,
    /// True if the handshake continues with any certificate. It is verified all the same.
    pub(super) skip_verify: bool,
    /// The result, set when the server has sent its certificates.
    pub(super) verdict: Arc<Verdict>,
    /// Counts the memory of the certificates.
    pub(super) memory: Arc<ProbeMemory>,
}

/// Maximum number of certificates that are verified on the thread of the probe, and of their bytes.
const MAX_INLINE: usize = 8;
const MAX_INLINE_BYTES: usize = 16 << 10;

impl CertificateVerifier {
    /// Verifies the certificates that BoringSSL received. If that takes long, it is done on another
    /// thread, and BoringSSL asks again.
    pub(super) fn verify_ssl(&self, ssl: &SslRef) -> Result<(), SslVerifyError> {
        if self.verdict.is_running() {
            return Err(SslVerifyError::Retry);
        }
        let result = match self.verdict.take_result() {
            Some(result) => result,
            None if pool::is_worker() => self.verify_here(ssl),
            None => match self.verify_at_once(ssl) {
                Some(result) => result,
                None => return self.verify_elsewhere(ssl),
            },
        };
        result.map_err(|result| SslVerifyError::Invalid(alert(result)))
    }

    /// Verifies the certificates; returns nothing if that takes long.
    fn verify_at_once(&self, ssl: &SslRef) -> Option<Result<(), VerifyResult>> {
        let chain = ssl.peer_cert_chain();
        if chain.is_some_and(|chain| chain.len() > MAX_INLINE) {
            return None;
        }
        let mut bytes = 0;
        let mut sent = Vec::new();
        for x509 in chain.into_iter().flatten() {
            let der = x509.to_der().unwrap_or_default();
            bytes += der.len();
            if bytes > MAX_INLINE_BYTES {
                return None;
            }
            sent.push(section("parsing", || certificate_cache::of_x509(&der, x509)));
        }
        let weights = sent.iter().flatten().map(|certificate| certificate.weight());
        if let Err(error) = self.hold(weights.sum()) {
            return Some(Err(error));
        }
        let effort = Effort::new(effort::INLINE);
        let result = self.verify_sent(sent.into_iter(), ssl.ocsp_status(), &effort);
        if effort.is_exhausted() { self.verdict.take_session().and(None) } else { Some(result) }
    }

    /// Verifies the certificates, however long that takes.
    fn verify_here(&self, ssl: &SslRef) -> Result<(), VerifyResult> {
        let chain = || ssl.peer_cert_chain().into_iter().flatten();
        let ders = chain().filter_map(|certificate| certificate.to_der().ok());
        self.hold(ders.map(|der| certificate::weight(&der)).sum())?;
        let sent = chain().map(certificate_cache::from_x509);
        self.verify_sent(sent, ssl.ocsp_status(), &Effort::default())
    }

    /// Counts the memory of the parsed certificates, until the connection is closed.
    fn hold(&self, bytes: usize) -> Result<(), VerifyResult> {
        let mut held = self.memory.hold();
        held.resize(bytes).map_err(|error| {
            self.verdict.set_session(session(Vec::new(), invalid(error.to_string())));
            VerifyResult::Invalid
        })?;
        self.verdict.set_held(held);
        Ok(())
    }

    /// Starts the verification on another thread.
    fn verify_elsewhere(&self, ssl: &SslRef) -> Result<(), SslVerifyError> {
        let sent: Vec<X509> =
            ssl.peer_cert_chain().into_iter().flatten().map(X509Ref::to_owned).collect();
        let ders = sent.iter().filter_map(|certificate| certificate.to_der().ok());
        if self.hold(ders.map(|der| certificate::weight(&der)).sum()).is_err() {
            return Err(SslVerifyError::Invalid(SslAlert::INTERNAL_ERROR));
        }
        let ocsp_response = ssl.ocsp_status().map(<[u8]>::to_vec);
        let verifier = self.clone();
        self.verdict.begin();
        let started = pool::start(move || {
            // The probe may be over by now.
            if Arc::strong_count(&verifier.verdict) > 1 {
                let sent = sent.iter().map(|x509| certificate_cache::from_x509(x509));
                let effort = Effort::default();
                let result = verifier.verify_sent(sent, ocsp_response.as_deref(), &effort);
                verifier.verdict.end(result);
            }
        });
        match started {
            Ok(()) => Err(SslVerifyError::Retry),
            Err(error) => {
                let detail = format!("there is no thread to verify the certificates: {error}");
                self.verdict.set_session(session(Vec::new(), invalid(detail)));
                self.verdict.end(Err(VerifyResult::Invalid));
                Err(SslVerifyError::Invalid(SslAlert::INTERNAL_ERROR))
            }
        }
    }

    /// Verifies the certificates that a server sent, the leaf first, each `None` if it cannot be
    /// parsed, and the stapled OCSP response. An error ends the handshake.
    pub(super) fn verify_sent(
        &self,
        mut sent: impl Iterator<Item = Option<Arc<Certificate>>>,
        ocsp_response: Option<&[u8]>,
        effort: &Effort,
    ) -> Result<(), VerifyResult> {
        // Unreadable certificates after the leaf are ignored.
        let sent: Vec<_> = match sent.next().flatten() {
            Some(leaf) => iter::once(leaf).chain(sent.flatten()).collect(),
            None => Vec::new(),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let too_large = sent.iter().find_map(|certificate| certificate.too_large_key());
        let mut verification = section("verification", || match &too_large {
            Some(detail) => invalid(detail.clone()),
            None => verify(&sent, &self.trust, &self.host, now, effort),
        });
        if let Some(response) = ocsp_response {
            section("OCSP response", || {
                verification.apply_stapled_ocsp(response, now, effort);
            });
        }
        // A failed check leaves an error on the queue of this thread. BoringSSL would take it for
        // an error of the handshake the next time that it has to wait.
        drop(ErrorStack::get());
        if let Some(leaf) = sent.first().filter(|_| pool::is_worker()) {
            leaf.prepare_texts();
        }
        let result = verification.result;
        self.verdict.set_session(session(sent, verification));
        let is_accepted = self.skip_verify && too_large.is_none();
        if is_accepted || result == VerifyResult::Ok { Ok(()) } else { Err(result) }
    }
}

fn alert(result: VerifyResult) -> SslAlert {
    match result {
        VerifyResult::Expired => SslAlert::CERTIFICATE_EXPIRED,
        VerifyResult::UnknownAuthority => SslAlert::UNKNOWN_CA,
        VerifyResult::Revoked => SslAlert::CERTIFICATE_REVOKED,
        _ => SslAlert::BAD_CERTIFICATE,
    }
}

/// Returns the session of a handshake that is not complete.
fn session(peer_chain: Vec<Arc<Certificate>>, verification: Verification) -> TlsSession {
    TlsSession {
        version: None,
        cipher: None,
        alpn: None,
        peer_chain,
        verified_chains: verification.chains,
        verify_result: verification.result,
        verify_detail: verification.detail,
    }
}

fn invalid(detail: String) -> Verification {
    Verification { result: VerifyResult::Invalid, detail, chains: Vec::new() }
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
    pub(super) fn apply_stapled_ocsp(&mut self, response: &[u8], now: i64, effort: &Effort) {
        if self.result != VerifyResult::Ok {
            return;
        }
        let revoked_at = self.chains.iter().find_map(|chain| match chain.as_slice() {
            [leaf, issuer, ..] => revocation::revoked_at(response, leaf, issuer, now, effort),
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

/// The message for certificates that were not checked to the end.
const EXHAUSTED: &str = "the certificates take too long to check: there are too many, with too large \
                         keys, or with too many names";

/// Verifies the certificates that a server sent, the leaf first, at the Unix time `now`. An empty
/// `host` is not checked. Signatures are checked until `effort` is exhausted.
///
/// The result is that of the first defect. The explanation has all of them, since each must be
/// mended.
pub(super) fn verify(
    sent: &[Arc<Certificate>],
    trust: &TrustStore,
    host: &str,
    now: i64,
    effort: &Effort,
) -> Verification {
    let Some((leaf, intermediates)) = sent.split_first() else { return invalid(UNREADABLE.into()) };
    let own = chain_search::check_certificate(leaf, now).err();
    let Found { chains, rejection } = chain_search::search(leaf, intermediates, trust, now, effort);
    let wrong_host = (!host.is_empty() && !host::is_for(leaf, host))
        .then(|| Rejection(VerifyResult::WrongHost, mismatch::wrong_host(leaf, host)));
    let untrusted = chains.is_empty().then(|| {
        if effort.is_exhausted() {
            return Rejection(VerifyResult::Invalid, EXHAUSTED.to_owned());
        }
        rejection.unwrap_or_else(|| {
            Rejection(VerifyResult::UnknownAuthority, mismatch::unknown_authority(sent, trust))
        })
    });
    let chains = if own.is_some() { Vec::new() } else { chains };
    let mut defects = [own, wrong_host, untrusted].into_iter().flatten();
    let Some(Rejection(result, mut detail)) = defects.next() else {
        return Verification { result: VerifyResult::Ok, detail: String::new(), chains };
    };
    for Rejection(_, other) in defects {
        detail = format!("{detail}; also, {other}");
    }
    Verification { result, detail, chains }
}
