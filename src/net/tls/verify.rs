//! Whether a server's certificate is good, and every chain that makes it so.
//!
//! The rules are those of Go's verifier, since a prober with stricter ones would report servers as
//! down that upstream reports as up. BoringSSL checks the signatures, and whole chains where names
//! or policies are constrained.

use std::{
    cmp::Reverse,
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use boring::{
    error::ErrorStack,
    pkey::Id,
    ssl::{SslAlert, SslRef, SslVerifyError},
    stack::Stack,
    x509::{
        X509, X509StoreContext, X509VerifyError, X509VerifyResult, store::X509StoreBuilder,
        verify::X509VerifyFlags,
    },
};

use crate::net::tls::{
    certificate::Certificate,
    certificate_cache, host, mismatch,
    prepared_config::PreparedConfig,
    revocation,
    session::{TlsSession, VerifyResult},
    trust_store::TrustStore,
    usage::{Authority, Signature},
};

/// Judges the certificates of one handshake, in the midst of it.
#[derive(Debug)]
pub(super) struct CertificateVerifier {
    pub(super) prepared: Arc<PreparedConfig>,
    /// The name that the server's own certificate must have.
    pub(super) host: String,
    /// Whether a bad certificate is accepted; it is judged all the same.
    pub(super) skip_verify: bool,
    /// What was found, once the server has sent its certificates.
    pub(super) verdict: Arc<Mutex<Option<TlsSession>>>,
}

impl CertificateVerifier {
    /// Judges what BoringSSL has received.
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

    /// Judges the certificates that a server sent, its own first, each `None` if it cannot be read,
    /// and what it says of them by OCSP. An error is why the handshake must not go on.
    pub(super) fn verify_sent(
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
        let mut verification = verify(&sent, &self.prepared.trust, &self.host, now);
        if let Some(response) = ocsp_response {
            verification.apply_stapled_ocsp(response, now);
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

/// The verdict on what a server sent.
#[derive(Debug, Clone)]
pub(super) struct Verification {
    pub(super) result: VerifyResult,
    /// What exactly is wrong, for people; empty when nothing is.
    pub(super) detail: String,
    /// Every chain from the first certificate to a trusted one, whatever host it is for.
    pub(super) chains: Vec<Vec<Arc<Certificate>>>,
}

impl Verification {
    /// Takes in what the server sends along about its certificate: that can only make a good one
    /// bad.
    ///
    /// Unlike upstream, which asks for it and looks away.
    pub(super) fn apply_stapled_ocsp(&mut self, response: &[u8], now: i64) {
        if self.result != VerifyResult::Ok {
            return;
        }
        let told = self.chains.iter().find_map(|chain| match chain.as_slice() {
            [leaf, issuer, ..] => revocation::revoked_at(response, leaf, issuer, now),
            _ => None,
        });
        if let Some(at) = told {
            let since = chrono::DateTime::from_timestamp(at, 0).unwrap_or_default();
            self.result = VerifyResult::Revoked;
            self.detail = format!(
                "the certificate was revoked at {since:?}, as the OCSP response says that the \
                 server sends along"
            );
        }
    }
}

/// As many parents are tried as Go tries; no honest server needs them.
const MOST_ATTEMPTS: usize = 100;

/// The words for a server's own certificate that is none.
const UNREADABLE: &str = "the server's own certificate cannot be read: it is malformed";

/// RSA keys below this many bits are as good as none.
const LEAST_RSA_BITS: u32 = 1024;

/// Judges the certificates that a server sent, its own first, at the Unix time `now`; an empty
/// `host` is not checked.
pub(super) fn verify(
    sent: &[Arc<Certificate>],
    trust: &TrustStore,
    host: &str,
    now: i64,
) -> Verification {
    let verdict = |result, detail, chains| Verification { result, detail, chains };
    let Some((leaf, others)) = sent.split_first() else {
        return verdict(VerifyResult::Invalid, UNREADABLE.to_owned(), Vec::new());
    };
    if let Err(Objection(result, detail)) = fit(leaf, now) {
        return verdict(result, detail, Vec::new());
    }
    let mut search =
        Search { others, trust, now, attempts: 0, objection: None, chains: Vec::new() };
    search.run(leaf);
    let Search { objection, chains, .. } = search;
    if !host.is_empty() && !host::is_for(leaf, host) {
        return verdict(VerifyResult::WrongHost, mismatch::wrong_host(leaf, host), chains);
    }
    if !chains.is_empty() {
        return verdict(VerifyResult::Ok, String::new(), chains);
    }
    let Objection(result, detail) = objection.unwrap_or_else(|| {
        Objection(VerifyResult::UnknownAuthority, mismatch::unknown_authority(sent, trust))
    });
    verdict(result, detail, chains)
}

/// What speaks against a certificate.
struct Objection(VerifyResult, String);

/// A search through all parents of parents, with the chains found so far.
struct Search<'a> {
    others: &'a [Arc<Certificate>],
    trust: &'a TrustStore,
    now: i64,
    attempts: usize,
    /// The first objection to a chain that would lead to an authority.
    objection: Option<Objection>,
    chains: Vec<Vec<Arc<Certificate>>>,
}

impl Search<'_> {
    fn run(&mut self, leaf: &Arc<Certificate>) {
        let path = vec![Arc::clone(leaf)];
        if self.trust.contains(leaf) {
            self.finish(path);
        } else {
            self.extend(&path);
        }
    }

    /// Tries all parents of the last certificate of `path`.
    fn extend(&mut self, path: &[Arc<Certificate>]) {
        let Some(child) = path.last() else { return };
        let trust = self.trust;
        for root in ranked(child, trust.named(&child.issuer)) {
            if let Some(chain) = self.lengthen(path, root, Trusted::Yes) {
                self.finish(chain);
            }
        }
        let named = self.others.iter().filter(|other| other.subject == child.issuer);
        for intermediate in ranked(child, named) {
            if let Some(longer) = self.lengthen(path, intermediate, Trusted::No) {
                self.extend(&longer);
            }
        }
    }

    /// `path` with `parent` at its end, if `parent` signed the last of it and may do so.
    fn lengthen(
        &mut self,
        path: &[Arc<Certificate>],
        parent: &Arc<Certificate>,
        trusted: Trusted,
    ) -> Option<Vec<Arc<Certificate>>> {
        if self.attempts >= MOST_ATTEMPTS || path.contains(parent) {
            return None;
        }
        self.attempts += 1;
        let child = path.last()?;
        let checked = signed_by(child, parent).and_then(|()| {
            may_sign(parent, trusted)?;
            fit(parent, self.now)?;
            room_below(parent, path.len() - 1)
        });
        match checked {
            Ok(()) => Some(path.iter().chain([parent]).map(Arc::clone).collect()),
            Err(objection) => {
                self.object(objection);
                None
            }
        }
    }

    /// Keeps a chain that has reached a trusted certificate, if it is for servers and within the
    /// constraints of its authorities.
    fn finish(&mut self, chain: Vec<Arc<Certificate>>) {
        let unfit = chain.iter().find(|certificate| !certificate.usage.serves);
        if let Some(certificate) = unfit {
            let detail = format!("{} is not for servers", describe(certificate));
            self.object(Objection(VerifyResult::Invalid, detail));
        } else if let Err(objection) = within_constraints(&chain) {
            self.object(objection);
        } else {
            self.chains.push(chain);
        }
    }

    fn object(&mut self, objection: Objection) {
        if objection.0 != VerifyResult::UnknownAuthority {
            self.objection.get_or_insert(objection);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusted {
    Yes,
    No,
}

/// The candidates with those in front whose key identifier is the one that `child` names; an
/// identifier that differs is tried too, last.
fn ranked<'c>(
    child: &Certificate,
    candidates: impl Iterator<Item = &'c Arc<Certificate>>,
) -> Vec<&'c Arc<Certificate>> {
    let mut candidates: Vec<_> = candidates.collect();
    candidates.sort_by_key(|candidate| {
        Reverse(match (&child.authority_key_id, &candidate.subject_key_id) {
            (Some(wanted), Some(known)) if wanted == known => 2,
            (Some(_), Some(_)) => 0,
            _ => 1,
        })
    });
    candidates
}

/// Whether the certificate by itself is acceptable now.
fn fit(certificate: &Certificate, now: i64) -> Result<(), Objection> {
    let (result, what) = if let Some(defect) = &certificate.usage.defect {
        (VerifyResult::Invalid, defect.clone())
    } else if now < certificate.not_before() {
        (VerifyResult::NotYetValid, format!("is valid from {}", date(certificate.not_before())))
    } else if now > certificate.not_after() {
        (VerifyResult::Expired, format!("expired on {}", date(certificate.not_after())))
    } else if rsa_bits(certificate).is_some_and(|bits| bits < LEAST_RSA_BITS) {
        (VerifyResult::Invalid, format!("has an RSA key of less than {LEAST_RSA_BITS} bits"))
    } else {
        return Ok(());
    };
    Err(Objection(result, format!("{} {what}", describe(certificate))))
}

fn rsa_bits(certificate: &Certificate) -> Option<u32> {
    let key = certificate.x509()?.public_key().ok()?;
    (key.id() == Id::RSA).then(|| key.bits())
}

fn signed_by(child: &Certificate, parent: &Certificate) -> Result<(), Objection> {
    let objection = |result, what: &str| {
        Err(Objection(result, format!("{} is signed {what}", describe(child))))
    };
    match child.usage.signature {
        Signature::Sound => {}
        Signature::Weak => return objection(VerifyResult::WeakSignature, "with SHA-1 or MD5"),
        Signature::Unknown => return objection(VerifyResult::Invalid, "by an unknown algorithm"),
    }
    if child.is_signed_by(parent) {
        Ok(())
    } else {
        objection(VerifyResult::UnknownAuthority, "by another key")
    }
}

fn may_sign(parent: &Certificate, trusted: Trusted) -> Result<(), Objection> {
    match (parent.usage.authority, trusted) {
        (Authority::Yes, _) | (Authority::Unsaid, Trusted::Yes) => Ok(()),
        _ => Err(Objection(
            VerifyResult::Invalid,
            format!("{} may not sign certificates", describe(parent)),
        )),
    }
}

fn room_below(parent: &Certificate, intermediates: usize) -> Result<(), Objection> {
    let most = parent.usage.most_intermediates.and_then(|most| usize::try_from(most).ok());
    if most.is_some_and(|most| intermediates > most) {
        let what = format!("{} allows fewer intermediate certificates", describe(parent));
        return Err(Objection(VerifyResult::Invalid, what));
    }
    Ok(())
}

/// Name and policy constraints are rare and intricate, so BoringSSL judges chains that have any.
/// It knows no constraints on addresses; they are ours.
fn within_constraints(chain: &[Arc<Certificate>]) -> Result<(), Objection> {
    let Some((leaf, authorities)) = chain.split_first() else { return Ok(()) };
    if !chain.iter().any(|certificate| certificate.usage.constrains) {
        return Ok(());
    }
    let refusal = match judged_by_boringssl(chain) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(X509VerifyError::UNSUPPORTED_CONSTRAINT_TYPE)) => {
            let names = leaf.alternative_names();
            match authorities.iter().find(|authority| !authority.allows(names)) {
                Some(authority) => format!("{} does not allow its names", describe(authority)),
                None => return Ok(()),
            }
        }
        Ok(Err(X509VerifyError::PERMITTED_VIOLATION)) => {
            "one of them permits other names only".to_owned()
        }
        Ok(Err(X509VerifyError::EXCLUDED_VIOLATION)) => "one of them excludes this name".to_owned(),
        Ok(Err(refusal)) => refusal.to_string(),
        Err(error) => error.to_string(),
    };
    let what = format!("{} breaks a constraint of its authorities: {refusal}", describe(leaf));
    Err(Objection(VerifyResult::Invalid, what))
}

/// What BoringSSL says of the chain, given the last certificate of it as the only trusted one.
fn judged_by_boringssl(chain: &[Arc<Certificate>]) -> Result<X509VerifyResult, ErrorStack> {
    let chain: Vec<&X509> = chain.iter().filter_map(|certificate| certificate.x509()).collect();
    let [leaf, intermediates @ .., root] = chain.as_slice() else { return Ok(Ok(())) };
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(*root)?;
    let mut stack = Stack::new()?;
    for intermediate in intermediates {
        stack.push(X509::clone(intermediate))?;
    }
    X509StoreContext::new()?.init(&store.build(), leaf, &stack, |context| {
        context.verify_param_mut().set_flags(X509VerifyFlags::PARTIAL_CHAIN);
        if context.verify_cert()? {
            return Ok(Ok(()));
        }
        Ok(Err(context.verify_result().err().unwrap_or(X509VerifyError::UNSPECIFIED)))
    })
}

fn describe(certificate: &Certificate) -> String {
    format!("certificate \"{}\"", certificate.subject())
}

fn date(time: i64) -> String {
    chrono::DateTime::from_timestamp(time, 0).map_or_else(
        || format!("{time} s after 1970"),
        |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
