//! The engine and trusted certificates of a `tls_config`, cached until its files change.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boring::{
    pkey::{PKey, Private},
    ssl::SslContext,
    x509::X509,
};
use tokio::time::Instant;

#[cfg(feature = "http3")]
use crate::net::tls::quic::QuicEngine;
use crate::{
    net::tls::{
        engine,
        trust_store::{self, TrustStore},
    },
    settings::{
        file::{self, DEFAULT_MAX_MIB, Stamp},
        pem,
        rule::RuleError,
        tls::TlsSettings,
    },
};

/// The engine and the trusted certificates of one `tls_config`.
#[derive(Debug)]
pub(super) struct PreparedConfig {
    pub(super) context: SslContext,
    pub(super) trust: Arc<TrustStore>,
    /// The engine for QUIC, created at its first use.
    #[cfg(feature = "http3")]
    pub(super) quic: QuicEngine,
}

/// A client certificate, its chain and its key.
#[derive(Debug)]
pub(super) struct ClientIdentity {
    pub(super) leaf: X509,
    pub(super) chain: Vec<X509>,
    pub(super) key: PKey<Private>,
}

/// A cache of one prepared configuration.
#[derive(Debug, Default)]
pub(super) struct ConfigCache(Mutex<Option<CachedConfig>>);

#[derive(Debug, Clone)]
struct CachedConfig {
    stamps: Vec<Stamp>,
    checked: Instant,
    prepared: Arc<PreparedConfig>,
}

/// Interval between checks of the system's trusted certificates for changes.
const SYSTEM_CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// Interval between checks of a module's files for changes. A check runs on a blocking thread,
/// which costs more than the check itself, and is shared by concurrent probes.
pub(super) const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

impl ConfigCache {
    /// Returns the cached configuration if no check of its files is due.
    pub(super) fn current(&self, settings: &TlsSettings) -> Option<Arc<PreparedConfig>> {
        let entry = self.entry()?;
        let age = entry.checked.elapsed();
        let holds = if entry.stamps.is_empty() {
            !settings.ca.is_empty() || age < SYSTEM_CHECK_INTERVAL
        } else {
            age < FILE_CHECK_INTERVAL
        };
        holds.then_some(entry.prepared)
    }

    /// Returns the cached configuration, or a new one if files have changed. The error names the
    /// file. Blocks.
    pub(super) fn refresh(&self, settings: &TlsSettings) -> Result<Arc<PreparedConfig>, String> {
        // The stamps are taken before reading, so that a change in between is noticed at the next
        // check.
        let stamps = files(settings)
            .into_iter()
            .map(|(key, file)| {
                Stamp::of(Path::new(file)).map_err(|error| format!("{key} {file}: {error}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let authorities = PemSource::of(&settings.ca, "ca", &settings.ca_file, "ca_file");
        let system = authorities.is_none().then(trust_store::system);
        let still_holds = |entry: &CachedConfig| {
            let same_system =
                system.as_ref().is_none_or(|store| Arc::ptr_eq(store, &entry.prepared.trust));
            entry.stamps == stamps && same_system
        };
        let prepared = match self.entry().filter(still_holds) {
            Some(entry) => entry.prepared,
            None => Arc::new(prepare(settings, authorities, system)?),
        };
        let entry =
            CachedConfig { stamps, checked: Instant::now(), prepared: Arc::clone(&prepared) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        Ok(prepared)
    }

    fn entry(&self) -> Option<CachedConfig> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Checks the PEM texts in the settings. Files are read by the probe.
pub(super) fn check_inline(settings: &TlsSettings) -> Result<(), RuleError> {
    let at = |key| move |message: String| RuleError::at(key, message);
    if !settings.ca.is_empty() {
        authorities(&PemSource::Inline("ca", &settings.ca)).map_err(at("ca"))?;
    }
    if !settings.cert.is_empty() {
        certificates(&PemSource::Inline("cert", &settings.cert)).map_err(at("cert"))?;
    }
    if !settings.key.is_empty() {
        private_key(&PemSource::Inline("key", settings.key.expose())).map_err(at("key"))?;
    }
    Ok(())
}

fn prepare(
    settings: &TlsSettings,
    source: Option<PemSource<'_>>,
    system: Option<Arc<TrustStore>>,
) -> Result<PreparedConfig, String> {
    let trust = match (source, system) {
        (Some(source), _) => authorities(&source).map_err(|message| source.wrong(&message))?,
        (None, Some(system)) => system,
        (None, None) => trust_store::system(),
    };
    let identity = identity(settings)?;
    let context = engine::context(settings, identity.as_ref())
        .map_err(|error| format!("the client certificate cannot be used: {error}"))?;
    Ok(PreparedConfig {
        context,
        trust,
        #[cfg(feature = "http3")]
        quic: QuicEngine::new(identity),
    })
}

/// Returns the files in the settings, each with its key.
pub(super) fn files(settings: &TlsSettings) -> Vec<(&'static str, &str)> {
    [
        ("ca_file", settings.ca_file.as_str()),
        ("cert_file", &settings.cert_file),
        ("key_file", &settings.key_file),
    ]
    .into_iter()
    .filter(|(_, file)| !file.is_empty())
    .collect()
}

/// The source of a PEM text: its key in the settings, and the text or the name of the file.
enum PemSource<'a> {
    Inline(&'static str, &'a str),
    File(&'static str, &'a str),
}

impl<'a> PemSource<'a> {
    fn of(
        text: &'a str,
        text_key: &'static str,
        file: &'a str,
        file_key: &'static str,
    ) -> Option<Self> {
        if !text.is_empty() {
            Some(Self::Inline(text_key, text))
        } else if !file.is_empty() {
            Some(Self::File(file_key, file))
        } else {
            None
        }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Inline(_, text) => Ok(text.as_bytes().to_vec()),
            Self::File(_, file) => {
                file::read(Path::new(file), DEFAULT_MAX_MIB).map_err(|error| error.to_string())
            }
        }
    }

    fn wrong(&self, message: &str) -> String {
        format!("{self}: {message}")
    }
}

impl fmt::Display for PemSource<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(key, _) => write!(formatter, "{key}"),
            Self::File(key, file) => write!(formatter, "{key} {file}"),
        }
    }
}

fn authorities(source: &PemSource<'_>) -> Result<Arc<TrustStore>, String> {
    let text = source.read()?;
    let store = TrustStore::from_pem(&text);
    if store.is_empty() {
        return Err(pem::no_certificate(&text).to_owned());
    }
    Ok(store)
}

/// Reads the client certificate, if there is one. Blocks.
pub(super) fn identity(settings: &TlsSettings) -> Result<Option<ClientIdentity>, String> {
    let certificate = PemSource::of(&settings.cert, "cert", &settings.cert_file, "cert_file");
    let key = PemSource::of(settings.key.expose(), "key", &settings.key_file, "key_file");
    let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
    let mut chain = certificates(&certificate).map_err(|message| certificate.wrong(&message))?;
    let leaf = chain.remove(0);
    let private = private_key(&key).map_err(|message| key.wrong(&message))?;
    let is_of = |leaf: &X509| leaf.public_key().is_ok_and(|public| public.public_eq(&private));
    if !is_of(&leaf) {
        let place = chain.iter().position(is_of).map(|index| index + 2);
        let advice = place.map_or("use the pair that was made together".to_owned(), |place| {
            format!("it is the key of certificate {place} there, which must stand first")
        });
        return Err(format!("{key}: not the key of the certificate in {certificate}; {advice}"));
    }
    Ok(Some(ClientIdentity { leaf, chain, key: private }))
}

/// Reads one or more certificates.
fn certificates(source: &PemSource<'_>) -> Result<Vec<X509>, String> {
    let text = source.read()?;
    let chain = trust_store::certificates(&text)
        .iter()
        .zip(1..)
        .map(|(der, number)| {
            X509::from_der(der)
                .map_err(|error| format!("certificate {number} is malformed: {error}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(pem::no_certificate(&text).to_owned());
    }
    Ok(chain)
}

fn private_key(source: &PemSource<'_>) -> Result<PKey<Private>, String> {
    private_key_of(&source.read()?).map_err(str::to_owned)
}

/// Parses the private key in a PEM text.
pub(in crate::net) fn private_key_of(text: &[u8]) -> Result<PKey<Private>, &'static str> {
    // The callback gives no password, so that an encrypted key is refused.
    PKey::private_key_from_pem_callback(pem::without_byte_order_mark(text), |_| Ok(0))
        .map_err(|_| pem::no_private_key(text))
}
