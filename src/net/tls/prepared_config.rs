//! What a `tls_config` needs from files, prepared once and again when the files change.

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
        file::{self, Stamp, USUAL_MIB},
        pem,
        rule::RuleError,
        tls::TlsSettings,
    },
};

/// The engine and the trusted authorities of one `tls_config`.
#[derive(Debug)]
pub(super) struct PreparedConfig {
    pub(super) context: SslContext,
    pub(super) trust: Arc<TrustStore>,
    /// What QUIC needs in place of the context, made when it is first asked for.
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

/// What was prepared for one `tls_config`, with what shows that it still holds.
#[derive(Debug, Default)]
pub(super) struct ConfigCache(Mutex<Option<CachedConfig>>);

#[derive(Debug, Clone)]
struct CachedConfig {
    stamps: Vec<Stamp>,
    checked: Instant,
    prepared: Arc<PreparedConfig>,
}

/// How long the system's authorities are taken to be unchanged.
const SYSTEM_CHECK_INTERVAL: Duration = Duration::from_mins(1);

/// And the files that a module names. A look means a visit to a thread that may block, which costs
/// more than the look; many probes at once can share one.
pub(super) const FILE_CHECK_INTERVAL: Duration = Duration::from_millis(100);

impl ConfigCache {
    /// What was prepared, if that needs no look at any file.
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

    /// What was prepared, or prepares it anew when files have changed; the error names the file.
    /// Blocks.
    pub(super) fn refresh(&self, settings: &TlsSettings) -> Result<Arc<PreparedConfig>, String> {
        // Stamps are taken before reading: a change in between is seen the next time.
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

/// Whether the PEM texts in the settings themselves are usable; files are read when probing.
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

/// The files that the settings name, with their keys.
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

/// Where a PEM text comes from: the key in the settings, and the text or the file's name.
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
                file::read(Path::new(file), USUAL_MIB).map_err(|error| error.to_string())
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

/// The client certificate, if there is one. Blocks.
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

/// At least one certificate.
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

/// The private key in a PEM text, or why there is none.
pub(in crate::net) fn private_key_of(text: &[u8]) -> Result<PKey<Private>, &'static str> {
    // An encrypted key is refused rather than asked a password for.
    PKey::private_key_from_pem_callback(pem::without_byte_order_mark(text), |_| Ok(0))
        .map_err(|_| pem::no_private_key(text))
}
