//! Revocation by the stapled OCSP response (RFC 6960; RFC 6066, section 8).
//!
//! No OCSP server is contacted. A response that is missing, malformed, too old, about another
//! certificate, or not signed by the issuer or its delegate is ignored.

use boring::{
    hash::MessageDigest,
    pkey::{PKey, Public},
    sha::{sha1, sha256},
    sign::Verifier,
};
use x509_parser::asn1_rs::{Any, Class, GeneralizedTime};

use crate::net::tls::{
    certificate::{Certificate, parse},
    der::Elements,
    effort::Effort,
    x509_extensions::{self, oid},
};

/// Tolerated difference of clocks in seconds.
const TOLERANCE: i64 = 300;

/// Maximum size of a response in bytes. Usual ones contain at most two certificates.
const MAX_RESPONSE: usize = 64 << 10;

/// Returns the Unix time at which `leaf`, signed by `issuer`, was revoked, if `response` is valid
/// at the Unix time `now` and says so.
pub(super) fn revoked_at(
    response: &[u8],
    leaf: &Certificate,
    issuer: &Certificate,
    now: i64,
    effort: &Effort,
) -> Option<i64> {
    if response.len() > MAX_RESPONSE {
        return None;
    }
    let basic = Basic::read(response)?;
    let at = basic.revocation(leaf, issuer, now)?;
    basic.is_signed_for(issuer, now, effort).then_some(at)
}

/// A `BasicOCSPResponse`.
struct Basic<'r> {
    /// The DER of the signed part.
    signed: &'r [u8],
    /// The digest of the signature algorithm; absent if the algorithm includes it.
    digest: Option<MessageDigest>,
    signature: &'r [u8],
    /// The DER of the certificates in the response.
    certificates: &'r [u8],
}

impl<'r> Basic<'r> {
    fn read(response: &'r [u8]) -> Option<Self> {
        const SUCCESSFUL: &[u8] = &[0];
        const BASIC: &str = "1.3.6.1.5.5.7.48.1.1";

        let mut outer = Elements(Elements(response).next()?.data);
        if outer.next()?.data != SUCCESSFUL {
            return None;
        }
        let mut body = Elements(outer.tagged(0)?).sequence()?;
        if body.next()?.oid().ok()?.to_id_string() != BASIC {
            return None;
        }
        let mut basic = Elements(body.next()?.data).sequence()?;
        let signed = basic.whole()?;
        let algorithm = basic.sequence()?.next()?.oid().ok()?.to_id_string();
        let digest = match algorithm.as_str() {
            "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" => Some(MessageDigest::sha256()),
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(MessageDigest::sha384()),
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(MessageDigest::sha512()),
            "1.3.101.112" => None,
            _ => return None,
        };
        // The first octet is the number of unused bits in the last one.
        let signature = basic.next()?.data.strip_prefix(&[0])?;
        let certificates = basic.tagged(0).and_then(|list| Some(Elements(list).sequence()?.0));
        Some(Self { signed, digest, signature, certificates: certificates.unwrap_or_default() })
    }

    /// Returns the time of the revocation, if a current answer about the certificate says so.
    fn revocation(&self, leaf: &Certificate, issuer: &Certificate, now: i64) -> Option<i64> {
        let mut data = Elements(self.signed).sequence()?;
        // The version, which is absent for version 1.
        data.tagged(0);
        let _responder = data.next()?;
        let _produced = data.next()?;
        let mut answers = data.sequence()?;
        while let Some(answer) = answers.sequence() {
            if let Some(at) = revocation_of(answer, leaf, issuer, now) {
                return Some(at);
            }
        }
        None
    }

    /// Returns whether the response is signed by the issuer, or by a delegate with a certificate of
    /// the issuer.
    fn is_signed_for(&self, issuer: &Certificate, now: i64, effort: &Effort) -> bool {
        if issuer.public_key().is_some_and(|key| self.is_signed_with(&key, effort)) {
            return true;
        }
        let mut certificates = Elements(self.certificates);
        while let Some(der) = certificates.whole() {
            let delegate = Certificate::from_der(der).filter(|delegate| {
                delegate.issuer == issuer.subject
                    && (delegate.not_before()..=delegate.not_after()).contains(&now)
                    && may_sign_responses(delegate)
                    && delegate.is_signed_by(issuer, effort)
            });
            let key = delegate.as_ref().and_then(Certificate::public_key);
            if key.is_some_and(|key| self.is_signed_with(&key, effort)) {
                return true;
            }
        }
        false
    }

    fn is_signed_with(&self, key: &PKey<Public>, effort: &Effort) -> bool {
        if !effort.spend(key) {
            return false;
        }
        let verifier = match self.digest {
            Some(digest) => Verifier::new(digest, key),
            None => Verifier::new_without_digest(key),
        };
        verifier
            .and_then(|mut verifier| verifier.verify_oneshot(self.signature, self.signed))
            .unwrap_or(false)
    }
}

/// Returns the time of the revocation, if this `SingleResponse` is current, is about `leaf` and
/// says so.
fn revocation_of(
    mut answer: Elements<'_>,
    leaf: &Certificate,
    issuer: &Certificate,
    now: i64,
) -> Option<i64> {
    const REVOKED: u32 = 1;

    let identifier = answer.sequence()?;
    let status = answer.next()?;
    let this_update = time(answer.next()?)?;
    let next_update = answer.tagged(0).and_then(|time_der| time(Elements(time_der).next()?));
    let is_revoked = status.class() == Class::ContextSpecific && status.tag().0 == REVOKED;
    let is_current = this_update <= now.saturating_add(TOLERANCE)
        && next_update.is_none_or(|until| now <= until.saturating_add(TOLERANCE));
    if !is_revoked || !is_current || !is_about(identifier, leaf, issuer)? {
        return None;
    }
    time(Elements(status.data).next()?)
}

/// Returns whether a `CertID` identifies `leaf`.
fn is_about(
    mut identifier: Elements<'_>,
    leaf: &Certificate,
    issuer: &Certificate,
) -> Option<bool> {
    let (leaf, issuer_fields) = (parse(leaf.der())?, parse(issuer.der())?);
    let key = &issuer_fields.public_key().subject_public_key.data;
    let algorithm = identifier.sequence()?.next()?.oid().ok()?.to_id_string();
    let hash = |bytes: &[u8]| match algorithm.as_str() {
        "1.3.14.3.2.26" => sha1(bytes).to_vec(),
        "2.16.840.1.101.3.4.2.1" => sha256(bytes).to_vec(),
        _ => Vec::new(),
    };
    let (name_hash, key_hash) = (identifier.next()?.data, identifier.next()?.data);
    let serial = identifier.next()?.data;
    Some(
        !name_hash.is_empty()
            && name_hash == hash(&issuer.subject)
            && key_hash == hash(key)
            && serial == leaf.raw_serial(),
    )
}

/// Returns whether the certificate is for signing OCSP responses.
fn may_sign_responses(delegate: &Certificate) -> bool {
    /// The purpose `id-kp-OCSPSigning`.
    const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

    parse(delegate.der()).is_some_and(|certificate| {
        certificate.extensions().iter().any(|extension| {
            extension.oid.as_bytes() == oid::EXTENDED_KEY_USAGE
                && x509_extensions::extended_key_usage(extension.value)
                    .is_some_and(|purposes| purposes.contains(&OCSP_SIGNING))
        })
    })
}

/// Converts a `GeneralizedTime` to Unix time.
fn time(element: Any<'_>) -> Option<i64> {
    let time = GeneralizedTime::try_from(element).ok()?;
    Some(time.utc_datetime().ok()?.unix_timestamp())
}
