//! Second opinion on a certificate chain: BoringSSL's own verification.
//!
//! The search ([`chain_search`](super::chain_search)) proposes a chain by Go's rules. BoringSSL
//! then verifies exactly that chain, with the last certificate as the only trust anchor:
//! signatures, validity periods, authorities, path lengths, critical extensions, name constraints
//! and policies. A chain that BoringSSL refuses is not trusted, unless the refusal is a known
//! [`Difference`] from Go's verifier.
//!
//! BoringSSL is not asked about the extended key usage, since the safe interface of `boring` cannot
//! set a purpose, does not look at the path length of the trust anchor, and cannot tell authorities
//! where it cannot follow the chain. These are read again by the parsers of `x509-parser`, not by
//! those of the search. Host names rest on [`host`](super::host) alone.

mod difference;
mod refusal;

use std::{
    ops::RangeInclusive,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use boring::{
    asn1::{Asn1Time, Asn1TimeRef},
    error::ErrorStack,
    sha::Sha256,
    stack::Stack,
    x509::{
        X509, X509Ref, X509StoreContext, X509VerifyError, store::X509StoreBuilder,
        verify::X509VerifyFlags,
    },
};
use x509_parser::{
    certificate::X509Certificate, extensions::ExtendedKeyUsage, prelude::FromDer as _,
};

use self::{
    difference::{Difference, difference, may_differ},
    refusal::Refusal,
};
use crate::net::tls::{certificate::Certificate, effort::Effort, recent_cache::RecentCache};

/// Maximum number of agreements in one generation of the cache, of about 70 bytes each.
const MAX_AGREEMENTS: usize = 4096;

/// Checks that BoringSSL accepts `chain`, which begins with the leaf, at the Unix time `now`. The
/// error explains the refusal.
///
/// BoringSSL is asked once for each chain. Its agreement holds while all certificates of the chain
/// are valid, by BoringSSL's reading of their dates.
pub(super) fn check(chain: &[Arc<Certificate>], now: i64, effort: &Effort) -> Result<(), String> {
    static AGREEMENTS: LazyLock<Mutex<Agreements>> =
        LazyLock::new(|| Mutex::new(Agreements::new(MAX_AGREEMENTS)));
    let agreements = || AGREEMENTS.lock().unwrap_or_else(PoisonError::into_inner);

    let key = digest(chain);
    let known = agreements().get(&key);
    let validity = if let Some(validity) = known {
        validity
    } else {
        let mut keys = chain.iter().skip(1).filter_map(|issuer| issuer.public_key());
        if !(keys.all(|key| effort.spend(&key)) && effort.spend_on_names(comparisons(chain))) {
            return Err("the chain takes too long to verify".to_owned());
        }
        let (validity, _) = verify(chain).map_err(|refusal| refusal.describe(chain))?;
        agreements().insert(key, validity.clone(), 1);
        validity
    };
    if validity.contains(&now) {
        Ok(())
    } else {
        Err(Refusal::Error(X509VerifyError::CERT_HAS_EXPIRED).describe(chain))
    }
}

/// The periods for which BoringSSL accepts chains, by the digest of the chain.
type Agreements = RecentCache<[u8; 32], RangeInclusive<i64>>;

/// Returns the number of comparisons of names with name constraints.
fn comparisons(chain: &[Arc<Certificate>]) -> usize {
    let constraints: usize = chain.iter().map(|certificate| certificate.constraints).sum();
    // Most chains have none.
    match chain.first().filter(|_| constraints > 0) {
        Some(leaf) => leaf.alternative_names().count().saturating_mul(constraints),
        None => 0,
    }
}

fn digest(chain: &[Arc<Certificate>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for certificate in chain {
        hasher.update(certificate.digest());
    }
    hasher.finish()
}

/// Asks BoringSSL about `chain`. Returns the period for which the chain is accepted, and the
/// difference that BoringSSL was overruled for.
fn verify(
    chain: &[Arc<Certificate>],
) -> Result<(RangeInclusive<i64>, Option<Difference>), Refusal> {
    check_extensions(chain)?;
    let certificates: Vec<&X509> = chain.iter().filter_map(|it| it.x509()).collect();
    if certificates.len() < chain.len() {
        // A certificate that is trusted itself was compared byte by byte; there is no chain.
        let [pinned] = chain else { return Err(Refusal::Unreadable) };
        return Ok((pinned.not_before()..=pinned.not_after(), Some(Difference::ExtensionForm)));
    }
    let validity = validity(&certificates)?;
    let flags = X509VerifyFlags::PARTIAL_CHAIN;
    let at = *validity.start();
    let is_critical = |refusal: &Refusal| {
        matches!(refusal, Refusal::Error(X509VerifyError::UNHANDLED_CRITICAL_EXTENSION))
    };
    let refusal = match ask(&certificates, at, flags) {
        Ok(()) => return Ok((validity, None)),
        Err(refusal) if is_critical(&refusal) && may_differ(chain) => {
            match ask(&certificates, at, flags | X509VerifyFlags::IGNORE_CRITICAL) {
                Ok(()) => return Ok((validity, Some(Difference::CriticalExtension))),
                Err(refusal) => refusal,
            }
        }
        Err(refusal) => refusal,
    };
    let difference = difference(chain, &certificates, refusal)?;
    Ok((validity, Some(difference)))
}

/// Checks that the issuers are authorities for chains of this length and that all certificates are
/// for servers, as `x509-parser` reads them.
fn check_extensions(chain: &[Arc<Certificate>]) -> Result<(), X509VerifyError> {
    const INVALID: X509VerifyError = X509VerifyError::INVALID_EXTENSION;

    for (index, certificate) in chain.iter().enumerate() {
        let parsed = X509Certificate::from_der(certificate.der()).map_err(|_| INVALID)?.1;
        let usage = parsed.extended_key_usage().map_err(|_| INVALID)?;
        if usage.is_some_and(|usage| !is_for_servers(usage.value)) {
            return Err(X509VerifyError::INVALID_PURPOSE);
        }
        let Some(intermediates) = index.checked_sub(1) else { continue };
        let usage = parsed.key_usage().map_err(|_| INVALID)?;
        if usage.is_some_and(|usage| usage.value.flags != 0 && !usage.value.key_cert_sign()) {
            return Err(X509VerifyError::KEYUSAGE_NO_CERTSIGN);
        }
        let constraints = parsed.basic_constraints().map_err(|_| INVALID)?.map(|it| it.value);
        let is_anchor = index + 1 == chain.len();
        if !is_anchor && !constraints.is_some_and(|it| it.ca) {
            return Err(X509VerifyError::INVALID_CA);
        }
        let max = constraints.filter(|it| it.ca).and_then(|it| it.path_len_constraint);
        if max.is_some_and(|max| usize::try_from(max).is_ok_and(|max| intermediates > max)) {
            return Err(X509VerifyError::PATH_LENGTH_EXCEEDED);
        }
    }
    Ok(())
}

fn is_for_servers(usage: &ExtendedKeyUsage<'_>) -> bool {
    let others = [
        usage.client_auth,
        usage.code_signing,
        usage.email_protection,
        usage.time_stamping,
        usage.ocsp_signing,
        !usage.other.is_empty(),
    ];
    usage.any || usage.server_auth || !others.contains(&true)
}

/// Has BoringSSL verify the chain at the Unix time `at`, and checks that it followed all of it.
fn ask(certificates: &[&X509], at: i64, flags: X509VerifyFlags) -> Result<(), Refusal> {
    let (Some(leaf), Some(anchor)) = (certificates.first(), certificates.last()) else {
        return Err(Refusal::Unreadable);
    };
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(*anchor)?;
    let mut intermediates = Stack::new()?;
    for certificate in certificates.iter().skip(1).take(certificates.len().saturating_sub(2)) {
        intermediates.push(X509::clone(certificate))?;
    }
    X509StoreContext::new()?.init(&store.build(), leaf, &intermediates, |context| {
        context.verify_param_mut().set_flags(flags);
        context.verify_param_mut().set_time(at);
        if !context.verify_cert()? {
            let error = context.verify_result().err().unwrap_or(X509VerifyError::UNSPECIFIED);
            return Ok(Err(error.into()));
        }
        let followed = context.chain().into_iter().flatten().map(X509Ref::to_der);
        let followed = followed.collect::<Result<Vec<_>, _>>()?;
        let proposed = certificates.iter().map(|it| it.to_der()).collect::<Result<Vec<_>, _>>()?;
        Ok(if followed == proposed { Ok(()) } else { Err(Refusal::OtherPath) })
    })?
}

/// Returns the period in which all certificates are valid, both ends included, as BoringSSL reads
/// their dates.
fn validity(certificates: &[&X509]) -> Result<RangeInclusive<i64>, ErrorStack> {
    let epoch = Asn1Time::from_unix(0)?;
    let seconds = |time: &Asn1TimeRef| {
        let since = epoch.diff(time)?;
        Ok(i64::from(since.days) * 86_400 + i64::from(since.secs))
    };
    certificates.iter().try_fold(i64::MIN..=i64::MAX, |all, certificate| {
        let begin = seconds(certificate.not_before())?.max(*all.start());
        let end = seconds(certificate.not_after())?.min(*all.end());
        Ok(begin..=end)
    })
}

#[cfg(test)]
mod tests;
