//! The active configuration, and its reload while probes run.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use boring::sha::sha256;
use thiserror::Error;

use crate::{
    blocking::BlockingError,
    config::{
        Config, ConfigError, Diagnostic,
        source::{Source, Unreadable},
    },
    diagnostics::Cause,
    policy::Preset,
};

/// The active configuration. A reload replaces it atomically.
#[derive(Debug)]
pub struct ConfigStore {
    /// The file of the command line. If it is `None`, the default file of the working directory or
    /// the built-in configuration is used.
    file: Option<PathBuf>,
    policy_preset: Preset,
    replaced_file: Option<String>,
    current: ArcSwap<Config>,
    /// Locked while a new content is parsed, so that this does not overlap.
    loaded: Mutex<Loaded>,
    /// Number of reloads that have begun.
    begun: AtomicU64,
    last_reload: ArcSwap<LastReload>,
}

/// The content that the active configuration was loaded from.
#[derive(Debug)]
struct Loaded {
    digest: [u8; 32],
    /// The number of the last reload that ended. Earlier ones that end later have no effect.
    reload: u64,
}

/// The content of the file, read for a reload.
#[derive(Debug)]
pub struct Reread {
    reload: u64,
    source: Result<Source, Unreadable>,
}

/// The result of the last reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReload {
    /// True if it succeeded.
    pub succeeded: bool,
    /// The time of the last successful reload.
    pub success_time: SystemTime,
}

/// The effect of a successful reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The new configuration is active.
    Changed,
    /// The file has not changed.
    Unchanged,
}

/// The error of a failed load. The messages begin like upstream's.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The file has errors.
    #[error("{}", with_prefix(.0))]
    Invalid(ConfigError),
    /// There is no thread for it.
    #[error(transparent)]
    Blocking(#[from] BlockingError),
}

impl LoadError {
    /// Returns whether the cause is outside of the file, which may be valid.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreadable(Unreadable { error, .. }) => {
                error.kind() == io::ErrorKind::TimedOut || Cause::of_resources(error).is_some()
            }
            Self::Invalid(_) => false,
            Self::Blocking(_) => true,
        }
    }
}

/// Returns the errors, one per line, each with the prefix of upstream.
fn with_prefix(error: &ConfigError) -> String {
    let text = error.to_string();
    let lines: Vec<_> =
        text.lines().map(|line| format!("error parsing config file: {line}")).collect();
    lines.join("\n")
}

impl ConfigStore {
    /// Loads `file`. Without a file, loads `blackbox.yml` of the working directory or, if it does
    /// not exist, the built-in configuration. A preset adds to its policy.
    pub fn load(file: Option<PathBuf>, policy_preset: Preset) -> Result<Self, LoadError> {
        let source = Source::read(file.as_deref())?;
        let (config, digest) = parse(&source, policy_preset)?;
        let now = LastReload { succeeded: true, success_time: SystemTime::now() };
        Ok(Self {
            file,
            policy_preset,
            replaced_file: source.replaced_file(),
            current: ArcSwap::from_pointee(config),
            loaded: Mutex::new(Loaded { digest, reload: 0 }),
            begun: AtomicU64::new(0),
            last_reload: ArcSwap::from_pointee(now),
        })
    }

    /// Returns a text about the missing default file, if the built-in configuration was loaded.
    #[must_use]
    pub fn replaced_file(&self) -> Option<&str> {
        self.replaced_file.as_deref()
    }

    /// Returns the active configuration.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Returns the result of the last reload; the first load counts as one.
    #[must_use]
    pub fn last_reload(&self) -> LastReload {
        **self.last_reload.load()
    }

    /// Reads the file again. A file that does not respond is an error after some seconds.
    pub async fn read_again(&self) -> Reread {
        let reload = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Reread { reload, source: Source::read_again(self.file.as_deref()).await }
    }

    /// Activates what was read. If it has errors, the active configuration stays.
    ///
    /// Blocks while it parses, and while another reload does.
    pub fn activate(&self, reread: Reread) -> Result<Reload, LoadError> {
        let Reread { reload, source } = reread;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if reload < loaded.reload {
            // The content of a later read is active. This reload has nothing to add but its error.
            return source.map(|_| Reload::Unchanged).map_err(Into::into);
        }
        loaded.reload = reload;
        let result = self.replace(&mut loaded, source);
        let last_reload = match &result {
            Ok(_) => LastReload { succeeded: true, success_time: SystemTime::now() },
            Err(_) => LastReload { succeeded: false, ..self.last_reload() },
        };
        self.last_reload.store(Arc::new(last_reload));
        result
    }

    fn replace(
        &self,
        loaded: &mut Loaded,
        source: Result<Source, Unreadable>,
    ) -> Result<Reload, LoadError> {
        let source = source?;
        if sha256(&source.bytes) == loaded.digest {
            log::debug!("Configuration file is unchanged");
            return Ok(Reload::Unchanged);
        }
        let (config, digest) = parse(&source, self.policy_preset)?;
        self.current.store(Arc::new(config));
        loaded.digest = digest;
        Ok(Reload::Changed)
    }
}

/// Parses a configuration, and logs its warnings.
fn parse(source: &Source, preset: Preset) -> Result<(Config, [u8; 32]), LoadError> {
    let config = source.parse().map_err(LoadError::Invalid)?.with_policy_preset(preset);
    let config = config.with_location(source.location());
    let file = source.name.as_str();
    for Diagnostic { location, message } in config.warnings() {
        let key = location.key_path().to_string();
        log::warn!(file, line = location.position.line, key; "{message}");
    }
    log::info!(file, modules = config.modules().count(); "Loaded config file");
    Ok((config, sha256(&source.bytes)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = "modules: {a: {prober: tcp}}";
    const OTHER: &str = "modules: {b: {prober: icmp}}";
    const BAD: &str = "modules: {a: {prober: tpc}}";

    fn store(directory: &tempfile::TempDir) -> (ConfigStore, PathBuf) {
        let file = directory.path().join("blackbox.yml");
        fs::write(&file, GOOD).unwrap();
        (ConfigStore::load(Some(file.clone()), Preset::None).unwrap(), file)
    }

    async fn reload(store: &ConfigStore) -> Result<Reload, LoadError> {
        store.activate(store.read_again().await)
    }

    #[tokio::test]
    async fn reload_activates_a_changed_file_and_running_probes_keep_their_module() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = store(&directory);
        let before = store.current().module("a").unwrap();
        fs::write(&file, OTHER).unwrap();
        assert_eq!(reload(&store).await.unwrap(), Reload::Changed);
        assert!(store.current().module("a").is_none());
        assert!(store.current().module("b").is_some());
        assert_eq!(before.prober_name(), "tcp");
    }

    #[tokio::test]
    async fn reload_of_an_unchanged_file_succeeds_without_parsing() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _file) = store(&directory);
        let (config, first) = (store.current(), store.last_reload());
        assert_eq!(reload(&store).await.unwrap(), Reload::Unchanged);
        assert!(Arc::ptr_eq(&config, &store.current()));
        assert!(store.last_reload().success_time >= first.success_time);
    }

    #[tokio::test]
    async fn invalid_file_keeps_the_active_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = store(&directory);
        let first = store.last_reload();
        fs::write(&file, BAD).unwrap();
        for _ in 0..2 {
            let error = reload(&store).await.unwrap_err().to_string();
            let expected = format!("error parsing config file: {}:1:23: modules.a", file.display());
            assert!(error.starts_with(&expected), "{error}");
            assert!(store.current().module("a").is_some());
            assert_eq!(store.last_reload(), LastReload { succeeded: false, ..first });
        }
        fs::write(&file, GOOD).unwrap();
        assert_eq!(reload(&store).await.unwrap(), Reload::Unchanged);
        assert!(store.last_reload().succeeded);
    }

    #[tokio::test]
    async fn missing_file_has_the_error_of_upstream() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("none.yml");
        let error = ConfigStore::load(Some(file.clone()), Preset::None).unwrap_err().to_string();
        let start = "failed to generate initial checksum for configuration file: error reading \
                     YAML file: open ";
        assert!(error.starts_with(&format!("{start}{}", file.display())), "{error}");
        let (store, file) = store(&directory);
        fs::remove_file(file).unwrap();
        assert!(reload(&store).await.is_err());
        assert!(store.current().module("a").is_some());
    }

    #[tokio::test]
    async fn a_later_reload_wins() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = store(&directory);
        fs::write(&file, OTHER).unwrap();
        let earlier = store.read_again().await;
        fs::write(&file, GOOD).unwrap();
        assert_eq!(reload(&store).await.unwrap(), Reload::Unchanged);
        assert_eq!(store.activate(earlier).unwrap(), Reload::Unchanged);
        assert!(store.current().module("a").is_some());
        fs::remove_file(&file).unwrap();
        let earlier = store.read_again().await;
        fs::write(&file, OTHER).unwrap();
        assert_eq!(reload(&store).await.unwrap(), Reload::Changed);
        assert!(store.activate(earlier).is_err());
        assert!(store.last_reload().succeeded);
    }
}
