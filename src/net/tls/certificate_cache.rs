//! The certificates that peers sent lately, so that those of the next handshake with the same peer
//! need neither be read nor have their signatures checked again, which saves a fifth of the CPU time
//! of an HTTPS probe.
//!
//! Only what follows from a certificate's own bytes is shared. Times, names, constraints and trust
//! are judged at every handshake.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use boring::x509::X509Ref;

use crate::net::tls::certificate::Certificate;

/// What peers send must not fill the memory: so many bytes are kept, or twice as many when some
/// are used and others are not. It is room for three hundred certificates of usual size.
const MOST_BYTES: usize = 2 << 20;

/// What a certificate takes beside its DER, as measured: BoringSSL's reading of it, and its texts.
const BESIDE: usize = 5000;

/// A certificate with a longer DER is odd, and not kept: it may be made of many small parts, of
/// which each takes more than its share.
const LONGEST: usize = 8 << 10;

/// A certificate that a peer sent; `None` if it cannot be read.
pub(super) fn from_x509(x509: &X509Ref) -> Option<Arc<Certificate>> {
    let der = x509.to_der().ok()?;
    find_or_read(&der, || Certificate::from_x509(&der, x509))
}

/// The same from its DER.
pub(super) fn from_der(der: &[u8]) -> Option<Arc<Certificate>> {
    find_or_read(der, || Certificate::from_der(der))
}

fn find_or_read(
    der: &[u8],
    read: impl FnOnce() -> Option<Certificate>,
) -> Option<Arc<Certificate>> {
    static KNOWN: LazyLock<Mutex<RecentCertificates>> =
        LazyLock::new(|| Mutex::new(RecentCertificates::new(MOST_BYTES)));
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);

    let found = known().find(der);
    if found.is_some() {
        return found;
    }
    // Without the lock, since reading takes a while.
    let certificate = Arc::new(read()?);
    if der.len() <= LONGEST {
        known().keep(&certificate);
    }
    Some(certificate)
}

/// Certificates by their DER, in two generations.
struct RecentCertificates {
    most_bytes: usize,
    /// What was used since `older` was filled.
    recent: HashMap<Arc<[u8]>, Arc<Certificate>>,
    /// What those in `recent` take.
    bytes: usize,
    older: HashMap<Arc<[u8]>, Arc<Certificate>>,
}

impl RecentCertificates {
    fn new(most_bytes: usize) -> Self {
        Self { most_bytes, recent: HashMap::new(), bytes: 0, older: HashMap::new() }
    }

    fn find(&mut self, der: &[u8]) -> Option<Arc<Certificate>> {
        if let Some(certificate) = self.recent.get(der) {
            return Some(Arc::clone(certificate));
        }
        let certificate = self.older.remove(der)?;
        self.keep(&certificate);
        Some(certificate)
    }

    /// Forgets what was used before all of `recent` when that is full.
    fn keep(&mut self, certificate: &Arc<Certificate>) {
        let bytes = certificate.der.len() + BESIDE;
        if self.bytes + bytes > self.most_bytes {
            self.older = mem::take(&mut self.recent);
            self.bytes = 0;
        }
        let known = self.recent.insert(Arc::clone(&certificate.der), Arc::clone(certificate));
        if known.is_none() {
            self.bytes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use boring::x509::X509;

    use super::*;
    use crate::net::tls::tests::fixtures;

    fn some_certificate() -> Arc<Certificate> {
        let der = fixtures::leaf("host.test").self_signed().certificate.to_der().unwrap();
        Arc::new(Certificate::from_der(&der).unwrap())
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let (used, unused) = (some_certificate(), some_certificate());
        let most = 4 * (used.der().len() + BESIDE);
        let mut known = RecentCertificates::new(most);
        known.keep(&used);
        known.keep(&unused);
        for _ in 0..20 {
            known.keep(&some_certificate());
            assert!(known.find(used.der()).is_some_and(|found| Arc::ptr_eq(&found, &used)));
            let kept = |generation: &HashMap<Arc<[u8]>, _>| {
                generation.keys().map(|der| der.len() + BESIDE).sum::<usize>()
            };
            assert_eq!(kept(&known.recent), known.bytes);
            assert!(known.bytes <= most && kept(&known.older) <= most);
        }
        assert!(known.find(unused.der()).is_none());
    }

    #[test]
    fn a_certificate_that_is_sent_again_is_the_same() {
        let sent = fixtures::leaf("host.test").self_signed().certificate;
        let again = X509::from_der(&sent.to_der().unwrap()).unwrap();
        let [first, second] = [sent, again].map(|x509| from_x509(&x509).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
    }
}
