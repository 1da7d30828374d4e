//! The engine and trusted certificates of a `tls_config`, cached until its files change.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use boring::ssl::SslContext;
use tokio::time::Instant;

#[cfg(feature = "http3")]
use crate::net::tls::quic_engine::QuicEngine;
use crate::{
    diagnostics::Failure,
    net::tls::{
        client_identity::{ClientIdentity, certificates, private_key},
        engine,
        pem_source::PemSource,
        tls_files::{self, Contents},
        trust_store::{self, TrustStore},
    },
    settings::{file::Stamp, pem, rule::RuleError, tls::TlsSettings},
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

    /// Returns the cached configuration, or a new one if files have changed. The failure names the
    /// file.
    pub(super) async fn refresh(
        &self,
        settings: &Arc<TlsSettings>,
    ) -> Result<Arc<PreparedConfig>, Failure> {
        // The stamps are taken before reading, so that a change in between is noticed at the next
        // check.
        let stamps = tls_files::each(settings, Stamp::of).await?;
        let stamps: Vec<_> = stamps.into_iter().map(|(_, stamp)| stamp).collect();
        let uses_system = settings.ca.is_empty() && settings.ca_file.is_empty();
        let system = if uses_system { Some(trust_store::load_system().await?) } else { None };
        let still_holds = |entry: &CachedConfig| {
            let same_system =
                system.as_ref().is_none_or(|store| Arc::ptr_eq(store, &entry.prepared.trust));
            entry.stamps == stamps && same_system
        };
        let prepared = if let Some(entry) = self.entry().filter(still_holds) {
            entry.prepared
        } else {
            let work = |settings: &_, files: &_| prepare(settings, files, system);
            Arc::new(tls_files::with_contents(settings, work).await?)
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
    let no_files = Contents::new();
    if !settings.ca.is_empty() {
        authorities(&PemSource::Inline("ca", &settings.ca), &no_files).map_err(at("ca"))?;
    }
    if !settings.cert.is_empty() {
        certificates(&PemSource::Inline("cert", &settings.cert), &no_files).map_err(at("cert"))?;
    }
    if !settings.key.is_empty() {
        private_key(&PemSource::Inline("key", settings.key.expose()), &no_files)
            .map_err(at("key"))?;
    }
    Ok(())
}

fn prepare(
    settings: &TlsSettings,
    files: &Contents,
    system: Option<Arc<TrustStore>>,
) -> Result<PreparedConfig, String> {
    let source = PemSource::of(&settings.ca, "ca", &settings.ca_file, "ca_file");
    let trust = match (source, system) {
        (Some(source), _) => {
            authorities(&source, files).map_err(|message| source.wrong(&message))?
        }
        (None, system) => system.unwrap_or_default(),
    };
    let identity = ClientIdentity::of(settings, files)?;
    let context = engine::context(settings, identity.as_ref())
        .map_err(|error| format!("cannot use the client certificate: {error}"))?;
    Ok(PreparedConfig {
        context,
        trust,
        #[cfg(feature = "http3")]
        quic: QuicEngine::new(identity),
    })
}

fn authorities(source: &PemSource<'_>, files: &Contents) -> Result<Arc<TrustStore>, String> {
    let text = source.text(files);
    let store = TrustStore::from_pem(text);
    if store.is_empty() {
        return Err(pem::no_certificate(text).to_owned());
    }
    Ok(store)
}
