//! The authorities that a probe trusts.

use std::{
    collections::HashMap,
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boring::sha::sha256;

use crate::net::tls::{certificate::Certificate, files::Stamp};

/// Trusted certificates, by subject.
#[derive(Debug, Default)]
pub(super) struct TrustStore {
    by_subject: HashMap<Vec<u8>, Vec<Arc<Certificate>>>,
}

impl TrustStore {
    /// The certificates in PEM text; what is not one is passed over, as Go does.
    ///
    /// Stores of the same text are shared for as long as somebody uses them.
    pub(super) fn from_pem(text: &[u8]) -> Arc<Self> {
        static SHARED: Mutex<Option<HashMap<[u8; 32], Weak<TrustStore>>>> = Mutex::new(None);

        let digest = sha256(text);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let stores = shared.get_or_insert_default();
        if let Some(store) = stores.get(&digest).and_then(Weak::upgrade) {
            return store;
        }
        let mut store = Self::default();
        store.extend(text);
        let store = Arc::new(store);
        stores.retain(|_, store| store.strong_count() > 0);
        stores.insert(digest, Arc::downgrade(&store));
        store
    }

    /// Whether nothing is trusted.
    pub(super) fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// The trusted certificates of a subject.
    pub(super) fn named(&self, subject: &[u8]) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.get(subject).into_iter().flatten()
    }

    /// Whether this very certificate is trusted.
    pub(super) fn contains(&self, certificate: &Certificate) -> bool {
        self.named(&certificate.subject).any(|trusted| **trusted == *certificate)
    }

    fn extend(&mut self, pem: &[u8]) {
        for certificate in certificates(pem).iter().filter_map(|der| Certificate::from_der(der)) {
            if !self.contains(&certificate) {
                self.by_subject
                    .entry(certificate.subject.clone())
                    .or_default()
                    .push(Arc::new(certificate));
            }
        }
    }
}

/// The DER of every certificate in PEM text.
pub(super) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";

    let text = String::from_utf8_lossy(pem);
    text.split(BEGIN)
        .skip(1)
        .filter_map(|rest| {
            let (body, _) = rest.split_once(END)?;
            let body: String = body.split_ascii_whitespace().collect();
            STANDARD.decode(body).ok()
        })
        .collect()
}

/// Where distributions keep their authorities; the first file that is there counts.
const FILES: [&str; 8] = [
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL 6
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/pki/tls/cacert.pem",            // OpenELEC
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7
    "/etc/ssl/cert.pem",                  // Alpine, macOS, OpenBSD
    "/usr/local/etc/ssl/cert.pem",        // FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt", // DragonFly
];

/// And the directories, of which all files count.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Where to look for the system's authorities: `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the
/// usual places.
struct Places {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Places {
    fn from_environment() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            files: match variable("SSL_CERT_FILE") {
                Some(file) => vec![file.into()],
                None => FILES.map(PathBuf::from).to_vec(),
            },
            directories: match variable("SSL_CERT_DIR") {
                Some(directories) => env::split_paths(&directories).collect(),
                None => DIRECTORIES.map(PathBuf::from).to_vec(),
            },
        }
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files.iter().chain(&self.directories).map(|path| Stamp::of(path).ok()).collect()
    }

    fn read(&self) -> TrustStore {
        let mut store = TrustStore::default();
        if let Some(text) = self.files.iter().find_map(|file| fs::read(file).ok()) {
            store.extend(&text);
        }
        for directory in &self.directories {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            for entry in entries.flatten() {
                // Links within the directory are other names of files that are read anyway.
                let path = entry.path();
                let within = fs::read_link(&path).is_ok_and(|target| {
                    target.parent().is_some_and(|it| it.as_os_str().is_empty())
                });
                if !within && let Ok(text) = fs::read(&path) {
                    store.extend(&text);
                }
            }
        }
        store
    }
}

/// The system's authorities, and the state of the places that they were read from.
type Known = (Vec<Option<Stamp>>, Arc<TrustStore>);

/// The system's authorities; read anew when their files have changed. Blocks.
pub(super) fn system() -> Arc<TrustStore> {
    static SYSTEM: Mutex<Option<Known>> = Mutex::new(None);

    let places = Places::from_environment();
    let stamps = places.stamps();
    let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    match &*system {
        Some((known, store)) if *known == stamps => Arc::clone(store),
        _ => {
            let store = Arc::new(places.read());
            *system = Some((stamps, Arc::clone(&store)));
            store
        }
    }
}
