//! A cache of the certificates that peers sent.
//!
//! A cached certificate is not parsed again, and its signature is not verified again, which saves a
//! fifth of the CPU time of an HTTPS probe. Only results that depend on nothing but the bytes of
//! the certificate are kept with it. Validity, names, constraints and trust are checked at every
//! handshake.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use boring::x509::X509Ref;

use crate::net::tls::{certificate::Certificate, recent_cache::RecentCache};

/// Maximum size of one generation of the cache in bytes: about 300 certificates.
const MAX_BYTES: usize = 2 << 20;

/// Maximum length of a cached certificate in bytes. A longer one may consist of many small parts,
/// each of which takes more memory than its bytes.
const MAX_CERTIFICATE: usize = 8 << 10;

/// Returns a certificate that a peer sent; `None` if it cannot be parsed.
pub(super) fn from_x509(x509: &X509Ref) -> Option<Arc<Certificate>> {
    of_x509(&x509.to_der().ok()?, x509)
}

/// Returns the certificate `x509` with the encoding `der`.
pub(super) fn of_x509(der: &[u8], x509: &X509Ref) -> Option<Arc<Certificate>> {
    get_or_parse(der, || Certificate::from_x509(der, x509))
}

/// Returns the certificate with this DER; `None` if it cannot be parsed.
pub(super) fn from_der(der: &[u8]) -> Option<Arc<Certificate>> {
    get_or_parse(der, || Certificate::from_der(der))
}

/// Certificates by their DER.
type Certificates = RecentCache<Arc<[u8]>, Arc<Certificate>>;

fn get_or_parse(
    der: &[u8],
    parse: impl FnOnce() -> Option<Certificate>,
) -> Option<Arc<Certificate>> {
    static CACHE: LazyLock<Mutex<Certificates>> =
        LazyLock::new(|| Mutex::new(RecentCache::new(MAX_BYTES)));
    let cache = || CACHE.lock().unwrap_or_else(PoisonError::into_inner);

    let found = cache().get(der);
    if found.is_some() {
        return found;
    }
    // The lock is not held while parsing.
    let certificate = Arc::new(parse()?);
    if der.len() <= MAX_CERTIFICATE {
        let weight = certificate.weight();
        cache().insert(Arc::clone(&certificate.der), Arc::clone(&certificate), weight);
    }
    Some(certificate)
}

#[cfg(test)]
mod tests {
    use boring::x509::X509;

    use super::*;
    use crate::net::tls::tests::fixtures;

    #[test]
    fn a_certificate_that_is_sent_again_is_the_same() {
        let sent = fixtures::leaf("host.test").self_signed().certificate;
        let again = X509::from_der(&sent.to_der().unwrap()).unwrap();
        let [first, second] = [sent, again].map(|x509| from_x509(&x509).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
    }
}
