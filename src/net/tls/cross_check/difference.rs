//! The known differences between Go's verifier and BoringSSL's.

use std::{cmp::Ordering, sync::Arc};

use boring::x509::{X509, X509NameRef, X509VerifyError};

use super::refusal::Refusal;
use crate::net::tls::{certificate::Certificate, name_constraints};

/// A case in which Go's verifier accepts a chain that BoringSSL refuses.
///
/// For the first four, BoringSSL cannot follow the chain. It then confirms the name of the issuer,
/// the signature and the validity period of each certificate. No difference but the last applies to
/// a chain with constraints, which BoringSSL must accept as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// The authority key identifier of a certificate is that of another key or certificate than
    /// its issuer's. Go only prefers issuers that match.
    KeyIdentifier,
    /// Two certificates have the same name, so that BoringSSL takes one for self-signed, or leaves
    /// out a certificate between them.
    SameName,
    /// An extension is malformed in a part that Go does not read.
    ExtensionForm,
    /// The key usage of an issuer has no bit set. Go ignores it.
    EmptyKeyUsage,
    /// An extension that BoringSSL does not know is critical, and Go knows it. BoringSSL is asked
    /// again without this check.
    CriticalExtension,
    /// The policies of a certificate are malformed, and nothing in the chain depends on policies.
    Policies,
    /// Name constraints apply to IP addresses, which BoringSSL does not support. They are checked
    /// by our [`name_constraints`].
    AddressConstraint,
}

/// Returns the known difference behind a refusal, or the refusal if there is none.
pub(super) fn difference(
    chain: &[Arc<Certificate>],
    certificates: &[&X509],
    refusal: Refusal,
) -> Result<Difference, Refusal> {
    match refusal {
        Refusal::Error(X509VerifyError::UNSUPPORTED_CONSTRAINT_TYPE) => {
            let allows = |authority: &Certificate| {
                chain.first().is_some_and(|leaf| name_constraints::allow(authority, leaf))
            };
            match chain.iter().skip(1).position(|authority| !allows(authority)) {
                Some(index) => Err(Refusal::Names(index + 1)),
                None => Ok(Difference::AddressConstraint),
            }
        }
        _ if !may_differ(chain) => Err(refusal),
        // All other checks come before that of policies.
        Refusal::Error(X509VerifyError::INVALID_POLICY_EXTENSION) => Ok(Difference::Policies),
        Refusal::OtherPath
        | Refusal::Error(
            X509VerifyError::UNABLE_TO_GET_ISSUER_CERT
            | X509VerifyError::UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            | X509VerifyError::DEPTH_ZERO_SELF_SIGNED_CERT
            | X509VerifyError::SELF_SIGNED_CERT_IN_CHAIN
            | X509VerifyError::CERT_SIGNATURE_FAILURE
            | X509VerifyError::INVALID_EXTENSION,
        ) => match obstacle(chain, certificates, &refusal) {
            Some(difference) if are_links_signed(certificates) => Ok(difference),
            _ => Err(refusal),
        },
        refusal => Err(refusal),
    }
}

/// Returns whether differences apply to the chain: nothing in it is constrained, and no certificate
/// has a defect for Go, such as an unknown critical extension.
pub(super) fn may_differ(chain: &[Arc<Certificate>]) -> bool {
    let is_constrained = chain.len() > 1 && chain.iter().any(|it| it.usage.constrains);
    !is_constrained && chain.iter().all(|it| it.usage.defect.is_none())
}

/// Returns the difference that keeps BoringSSL from following the chain.
fn obstacle(
    chain: &[Arc<Certificate>],
    certificates: &[&X509],
    refusal: &Refusal,
) -> Option<Difference> {
    if matches!(refusal, Refusal::Error(X509VerifyError::INVALID_EXTENSION)) {
        return Some(Difference::ExtensionForm);
    }
    let mut found = None;
    let issuers = chain.iter().zip(certificates).skip(1);
    for (child, (issuer, issuer_x509)) in certificates.iter().zip(issuers) {
        let difference = match issuer_x509.issued(child) {
            Ok(()) => continue,
            Err(
                X509VerifyError::AKID_SKID_MISMATCH | X509VerifyError::AKID_ISSUER_SERIAL_MISMATCH,
            ) => Difference::KeyIdentifier,
            Err(X509VerifyError::KEYUSAGE_NO_CERTSIGN) if issuer.has_empty_key_usage() => {
                Difference::EmptyKeyUsage
            }
            Err(X509VerifyError::UNSPECIFIED) => Difference::ExtensionForm,
            Err(_) => return None,
        };
        found.get_or_insert(difference);
    }
    if found.is_some() {
        return found;
    }
    let names: Vec<_> = certificates.iter().map(|it| it.subject_name()).collect();
    let is_repeated = |(index, name): (usize, &&X509NameRef)| {
        names.iter().skip(index + 1).any(|it| same(name, it))
    };
    names.iter().enumerate().any(is_repeated).then_some(Difference::SameName)
}

/// Returns whether each certificate bears the name of the next one as its issuer and is signed by
/// its key.
fn are_links_signed(certificates: &[&X509]) -> bool {
    certificates.iter().zip(certificates.iter().skip(1)).all(|(child, issuer)| {
        same(child.issuer_name(), issuer.subject_name())
            && issuer.public_key().is_ok_and(|key| child.verify(&key).unwrap_or(false))
    })
}

fn same(name: &X509NameRef, other: &X509NameRef) -> bool {
    name.try_cmp(other).is_ok_and(Ordering::is_eq)
}
