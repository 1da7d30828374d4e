//! Search for certificate chains by the rules of Go's verifier.
//!
//! A verifier with stricter rules would report servers as down that upstream reports as up. The
//! search only proposes chains: a chain counts once BoringSSL has verified it too
//! ([`cross_check`]).

use std::{cmp::Reverse, sync::Arc};

use crate::net::tls::{
    certificate::Certificate,
    cross_check,
    effort::Effort,
    trust_store::TrustStore,
    usage::{Authority, Signature},
    verify_result::VerifyResult,
};

/// Maximum number of issuers that one search tries, as in Go.
const MAX_ATTEMPTS: usize = 100;

/// Minimum size of an RSA key in bits.
const MIN_RSA_BITS: u32 = 1024;

/// The reason to reject a certificate or a chain: the result, and its explanation for users.
pub(super) struct Rejection(pub(super) VerifyResult, pub(super) String);

/// The result of a search.
pub(super) struct Found {
    /// Every chain from the leaf to a trusted certificate.
    pub(super) chains: Vec<Vec<Arc<Certificate>>>,
    /// The first rejection of a chain that leads to a trusted certificate.
    pub(super) rejection: Option<Rejection>,
}

/// Searches all chains from `leaf` over `intermediates` to a certificate in `trust`, whose
/// certificates other than `leaf` are valid at the Unix time `now`. The search ends early when `effort` is exhausted.
pub(super) fn search(
    leaf: &Arc<Certificate>,
    intermediates: &[Arc<Certificate>],
    trust: &TrustStore,
    now: i64,
    effort: &Effort,
) -> Found {
    let found = Found { chains: Vec::new(), rejection: None };
    let mut search = Search { intermediates, trust, now, effort, attempts: 0, found };
    let path = vec![Arc::clone(leaf)];
    if trust.contains(leaf) {
        search.finish(path);
    } else {
        search.extend(&path);
    }
    search.found
}

/// A depth-first search over the issuers of issuers.
struct Search<'a> {
    intermediates: &'a [Arc<Certificate>],
    trust: &'a TrustStore,
    now: i64,
    effort: &'a Effort,
    attempts: usize,
    found: Found,
}

impl Search<'_> {
    /// Tries all possible issuers of the last certificate of `path`.
    fn extend(&mut self, path: &[Arc<Certificate>]) {
        let Some(child) = path.last() else { return };
        let trust = self.trust;
        for root in ranked(child, trust.named(&child.issuer)) {
            if let Some(chain) = self.append(path, root, Trusted::Yes) {
                self.finish(chain);
            }
        }
        let named = self.intermediates.iter().filter(|other| other.subject == child.issuer);
        for intermediate in ranked(child, named) {
            if let Some(longer) = self.append(path, intermediate, Trusted::No) {
                self.extend(&longer);
            }
        }
    }

    /// Returns `path` with `issuer` appended, if `issuer` signed its last certificate and may do
    /// so.
    fn append(
        &mut self,
        path: &[Arc<Certificate>],
        issuer: &Arc<Certificate>,
        trusted: Trusted,
    ) -> Option<Vec<Arc<Certificate>>> {
        if self.attempts >= MAX_ATTEMPTS || self.effort.is_exhausted() || path.contains(issuer) {
            return None;
        }
        self.attempts += 1;
        let child = path.last()?;
        let checked = check_signature(child, issuer, self.effort).and_then(|()| {
            check_authority(issuer, trusted)?;
            check_certificate(issuer, self.now)?;
            check_path_length(issuer, path.len() - 1)
        });
        match checked {
            Ok(()) => Some(path.iter().chain([issuer]).map(Arc::clone).collect()),
            Err(rejection) => {
                self.reject(rejection);
                None
            }
        }
    }

    /// Keeps a chain that ends with a trusted certificate, if all of its certificates may be used
    /// for servers and BoringSSL accepts it.
    fn finish(&mut self, chain: Vec<Arc<Certificate>>) {
        let unfit = chain.iter().find(|certificate| !certificate.usage.serves);
        if let Some(certificate) = unfit {
            let detail = format!(
                "{} is not valid for servers (extended key usage)",
                certificate.description()
            );
            self.reject(Rejection(VerifyResult::Invalid, detail));
        } else if let Err(detail) = self.cross_check(&chain) {
            self.reject(Rejection(VerifyResult::Invalid, detail));
        } else {
            self.found.chains.push(chain);
        }
    }

    /// Has BoringSSL verify a chain. Of one whose leaf is not valid now, it would say only that; such a
    /// chain is not used, but it tells that nothing else is wrong with it.
    fn cross_check(&self, chain: &[Arc<Certificate>]) -> Result<(), String> {
        match chain {
            [leaf, ..] if check_certificate(leaf, self.now).is_ok() => {
                cross_check::check(chain, self.now, self.effort)
            }
            _ => Ok(()),
        }
    }

    fn reject(&mut self, rejection: Rejection) {
        if rejection.0 != VerifyResult::UnknownAuthority {
            self.found.rejection.get_or_insert(rejection);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trusted {
    Yes,
    No,
}

/// Sorts possible issuers: first those with the key identifier that `child` names, last those with
/// another one.
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

/// Checks a certificate by itself: its form, its validity at `now`, its key.
pub(super) fn check_certificate(certificate: &Certificate, now: i64) -> Result<(), Rejection> {
    let (result, problem) = if let Some(defect) = &certificate.usage.defect {
        (VerifyResult::Invalid, defect.clone())
    } else if now < certificate.not_before() {
        (
            VerifyResult::NotYetValid,
            format!("is not valid before {}", date(certificate.not_before())),
        )
    } else if now > certificate.not_after() {
        (VerifyResult::Expired, format!("expired on {}", date(certificate.not_after())))
    } else if certificate.rsa_bits().is_some_and(|bits| bits < MIN_RSA_BITS) {
        (VerifyResult::Invalid, format!("has an RSA key shorter than {MIN_RSA_BITS} bits"))
    } else {
        return Ok(());
    };
    Err(Rejection(result, format!("{} {problem}", certificate.description())))
}

fn check_signature(
    child: &Certificate,
    issuer: &Certificate,
    effort: &Effort,
) -> Result<(), Rejection> {
    let (result, problem) = match child.usage.signature {
        Signature::Sound if child.is_signed_by(issuer, effort) => return Ok(()),
        Signature::Sound => (VerifyResult::UnknownAuthority, "by another key"),
        Signature::Weak => (VerifyResult::WeakSignature, "with SHA-1 or MD5"),
        Signature::Unknown => (VerifyResult::Invalid, "with an unknown algorithm"),
    };
    Err(Rejection(result, format!("{} is signed {problem}", child.description())))
}

fn check_authority(issuer: &Certificate, trusted: Trusted) -> Result<(), Rejection> {
    match (issuer.usage.authority, trusted) {
        (Authority::Yes, _) | (Authority::Unsaid, Trusted::Yes) => Ok(()),
        _ => {
            let detail = format!(
                "{} is not allowed to sign certificates (basic constraints or key usage)",
                issuer.description()
            );
            Err(Rejection(VerifyResult::Invalid, detail))
        }
    }
}

fn check_path_length(issuer: &Certificate, intermediates: usize) -> Result<(), Rejection> {
    let max = issuer.usage.max_intermediates.and_then(|max| usize::try_from(max).ok());
    if max.is_some_and(|max| intermediates > max) {
        let detail = format!(
            "{} allows fewer intermediate certificates (path length constraint)",
            issuer.description()
        );
        return Err(Rejection(VerifyResult::Invalid, detail));
    }
    Ok(())
}

fn date(time: i64) -> String {
    chrono::DateTime::from_timestamp(time, 0).map_or_else(
        || format!("{time} s after 1970"),
        |time| time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
