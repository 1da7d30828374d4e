//! The certificates that a probe trusts.

use std::{
    collections::HashMap,
    env, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use boring::sha::sha256;

use crate::{
    blocking,
    diagnostics::{Cause, Failure, Stage},
    net::tls::certificate::Certificate,
    settings::file::{self, Stamp},
};

/// Trusted certificates, by subject.
#[derive(Debug, Default)]
pub(super) struct TrustStore {
    /// True if these are the system's trusted certificates, not those of a module.
    is_system: bool,
    by_subject: HashMap<Vec<u8>, Vec<Arc<Certificate>>>,
}

impl TrustStore {
    /// Creates a store from a PEM text. Malformed certificates are ignored, as in Go.
    ///
    /// Stores of the same text are shared while they are in use.
    pub(super) fn from_pem(text: &[u8]) -> Arc<Self> {
        static SHARED: Mutex<Option<HashMap<[u8; 32], Weak<TrustStore>>>> = Mutex::new(None);

        let digest = sha256(text);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let stores = shared.get_or_insert_default();
        if let Some(store) = stores.get(&digest).and_then(Weak::upgrade) {
            return store;
        }
        let store = Arc::new(Self::of(certificates(text)));
        stores.retain(|_, store| store.strong_count() > 0);
        stores.insert(digest, Arc::downgrade(&store));
        store
    }

    /// Returns whether these are the system's trusted certificates, not those of a module.
    pub(super) fn is_system(&self) -> bool {
        self.is_system
    }

    /// Returns whether the store is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.by_subject.is_empty()
    }

    /// Iterates over all trusted certificates.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.values().flatten()
    }

    /// Iterates over the trusted certificates of a subject.
    pub(super) fn named(&self, subject: &[u8]) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.get(subject).into_iter().flatten()
    }

    /// Returns whether this certificate itself is trusted.
    pub(super) fn contains(&self, certificate: &Certificate) -> bool {
        self.named(&certificate.subject).any(|trusted| **trusted == *certificate)
    }

    fn of(mut certificates: Vec<Vec<u8>>) -> Self {
        certificates.sort_unstable();
        certificates.dedup();
        let mut store = Self::default();
        for certificate in certificates.iter().filter_map(|der| Certificate::from_der(der)) {
            let named = store.by_subject.entry(certificate.subject.clone()).or_default();
            named.push(Arc::new(certificate));
        }
        store
    }
}

/// Returns the DER of every certificate in a PEM text.
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

/// Returns the DER of the system's trusted certificates. Blocks.
pub fn system_authorities() -> io::Result<Vec<Vec<u8>>> {
    let system = system()?;
    Ok(system.iter().map(|certificate| certificate.der().to_vec()).collect())
}

/// Files with trusted certificates in common distributions. The first existing one is read.
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

/// Maximum size of a file with trusted certificates in MiB.
const MAX_MIB: u64 = 64;

/// Directories with trusted certificates. All of their files are read.
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// The locations of the system's trusted certificates. `SSL_CERT_FILE` and `SSL_CERT_DIR` replace
/// the default ones.
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

    /// Reads all files. Those that cannot be read are left out, as in Go.
    ///
    /// # Errors
    /// If a resource is exhausted, since every server would be untrusted then.
    fn read(&self) -> io::Result<TrustStore> {
        let mut found = Vec::new();
        for file in &self.files {
            if let Some(text) = read(file)? {
                found.extend(certificates(&text));
                break;
            }
        }
        for directory in &self.directories {
            for entry in unless_exhausted(fs::read_dir(directory))?.into_iter().flatten().flatten()
            {
                // Links within the directory are duplicates of files that are read anyway.
                let target = fs::read_link(entry.path());
                let within = target.is_ok_and(|target| target.components().count() == 1);
                if !within && let Some(text) = read(&entry.path())? {
                    found.extend(certificates(&text));
                }
            }
        }
        Ok(TrustStore { is_system: true, ..TrustStore::of(found) })
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    unless_exhausted(file::read(path, MAX_MIB))
}

fn unless_exhausted<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if Cause::of_resources(&error).is_some() => Err(error),
        result => Ok(result.ok()),
    }
}

/// The system's trusted certificates, and the stamps of their files.
type Known = (Vec<Option<Stamp>>, Arc<TrustStore>);

/// Returns the system's trusted certificates like [`system`], without blocking.
pub(super) async fn load_system() -> Result<Arc<TrustStore>, Failure> {
    let doing = "the system's trusted certificates";
    match blocking::on_file(Path::new("/etc/ssl"), system).await {
        Ok(loaded) => loaded.map_err(|error| Failure::file(Stage::Tls, doing, &error)),
        Err(error) => Err(Failure::blocking(Stage::Tls, doing, error)),
    }
}

/// Returns the system's trusted certificates. They are read again if their files have changed.
/// Blocks.
pub(super) fn system() -> io::Result<Arc<TrustStore>> {
    static SYSTEM: Mutex<Option<Known>> = Mutex::new(None);

    let lock = || SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    let places = Places::from_environment();
    let stamps = places.stamps();
    if let Some((known, store)) = &*lock()
        && *known == stamps
    {
        return Ok(Arc::clone(store));
    }
    // Without the lock, since a file may not respond.
    let store = Arc::new(places.read()?);
    *lock() = Some((stamps, Arc::clone(&store)));
    Ok(store)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::net::tls::tests::fixtures;

    #[test]
    fn the_first_file_and_all_directories_are_read() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let [first, second, third] =
            ["first", "second", "third"].map(|name| fixtures::authority(name).self_signed());
        fs::write(path("first.pem"), first.pem() + "junk\n" + &first.pem()).unwrap();
        fs::write(path("second.pem"), second.pem()).unwrap();
        fs::create_dir(path("directory")).unwrap();
        let places = Places {
            files: vec![path("missing.pem"), path("first.pem"), path("second.pem")],
            directories: vec![path("nowhere"), path("directory")],
        };
        let stamps = places.stamps();
        let trusts = |authority: &fixtures::Issued| {
            let der = authority.certificate.to_der().unwrap();
            places.read().unwrap().contains(&Certificate::from_der(&der).unwrap())
        };
        assert_eq!([&first, &second, &third].map(trusts), [true, false, false]);

        fs::write(path("directory/third.pem"), third.pem()).unwrap();
        symlink("third.pem", path("directory/0a1b2c3d.0")).unwrap();
        symlink(path("second.pem"), path("directory/second.pem")).unwrap();
        assert_eq!([&first, &second, &third].map(trusts), [true, true, true]);
        assert_eq!(places.read().unwrap().by_subject.len(), 3);
        assert_ne!(places.stamps(), stamps);
        assert_eq!(places.stamps(), places.stamps());
    }

    #[test]
    fn stores_of_the_same_text_are_shared() {
        let text = fixtures::authority("shared").self_signed().pem();
        let store = TrustStore::from_pem(text.as_bytes());
        assert!(Arc::ptr_eq(&store, &TrustStore::from_pem(text.as_bytes())));
        assert!(!store.is_empty());
        assert!(TrustStore::from_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n").is_empty());
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
        assert!(!TrustStore::from_pem((bad + &text).as_bytes()).is_empty());
    }
}
