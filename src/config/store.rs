//! The active configuration, and its reload while probes run.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use boring::sha::sha256;
use thiserror::Error;

use crate::config::{
    Config, ConfigError, Diagnostic,
    source::{Source, Unreadable},
};

/// The active configuration. A reload replaces it atomically.
#[derive(Debug)]
pub struct ConfigStore {
    /// The file of the command line. If it is `None`, the default file of the working directory or
    /// the built-in configuration is used.
    file: Option<PathBuf>,
    current: ArcSwap<Config>,
    /// Locked during a reload, so reloads do not overlap.
    loaded: Mutex<Loaded>,
    last_reload: ArcSwap<LastReload>,
}

/// The content that the active configuration was loaded from.
#[derive(Debug)]
struct Loaded {
    digest: [u8; 32],
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
    #[error("error parsing config file: {0}")]
    Invalid(ConfigError),
}

impl ConfigStore {
    /// Loads `file`. Without a file, loads `blackbox.yml` of the working directory or, if it does
    /// not exist, the built-in configuration.
    pub fn load(file: Option<PathBuf>) -> Result<Self, LoadError> {
        let (config, digest) = parse(&Source::read(file.as_deref())?)?;
        let now = LastReload { succeeded: true, success_time: SystemTime::now() };
        Ok(Self {
            file,
            current: ArcSwap::from_pointee(config),
            loaded: Mutex::new(Loaded { digest }),
            last_reload: ArcSwap::from_pointee(now),
        })
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

    /// Reads the file again and activates it. If it has errors, the active configuration stays.
    ///
    /// Blocks while it reads, and while another reload runs.
    pub fn reload(&self) -> Result<Reload, LoadError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.replace(&mut loaded);
        let last_reload = match &result {
            Ok(_) => LastReload { succeeded: true, success_time: SystemTime::now() },
            Err(_) => LastReload { succeeded: false, ..self.last_reload() },
        };
        self.last_reload.store(Arc::new(last_reload));
        result
    }

    fn replace(&self, loaded: &mut Loaded) -> Result<Reload, LoadError> {
        let source = Source::read(self.file.as_deref())?;
        if sha256(&source.bytes) == loaded.digest {
            log::debug!("Configuration file is unchanged");
            return Ok(Reload::Unchanged);
        }
        let (config, digest) = parse(&source)?;
        self.current.store(Arc::new(config));
        loaded.digest = digest;
        Ok(Reload::Changed)
    }
}

/// Parses a configuration, and logs its warnings.
fn parse(source: &Source) -> Result<(Config, [u8; 32]), LoadError> {
    let config = source.parse().map_err(LoadError::Invalid)?;
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
        (ConfigStore::load(Some(file.clone())).unwrap(), file)
    }

    #[test]
    fn reload_activates_a_changed_file_and_running_probes_keep_their_module() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = store(&directory);
        let before = store.current().module("a").unwrap();
        fs::write(&file, OTHER).unwrap();
        assert_eq!(store.reload().unwrap(), Reload::Changed);
        assert!(store.current().module("a").is_none());
        assert!(store.current().module("b").is_some());
        assert_eq!(before.prober_name(), "tcp");
    }

    #[test]
    fn reload_of_an_unchanged_file_succeeds_without_parsing() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _file) = store(&directory);
        let (config, first) = (store.current(), store.last_reload());
        assert_eq!(store.reload().unwrap(), Reload::Unchanged);
        assert!(Arc::ptr_eq(&config, &store.current()));
        assert!(store.last_reload().success_time >= first.success_time);
    }

    #[test]
    fn invalid_file_keeps_the_active_configuration() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = store(&directory);
        let first = store.last_reload();
        fs::write(&file, BAD).unwrap();
        for _ in 0..2 {
            let error = store.reload().unwrap_err().to_string();
            let expected = format!("error parsing config file: {}:1:23: modules.a", file.display());
            assert!(error.starts_with(&expected), "{error}");
            assert!(store.current().module("a").is_some());
            assert_eq!(store.last_reload(), LastReload { succeeded: false, ..first });
        }
        fs::write(&file, GOOD).unwrap();
        assert_eq!(store.reload().unwrap(), Reload::Unchanged);
        assert!(store.last_reload().succeeded);
    }

    #[test]
    fn missing_file_has_the_error_of_upstream() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("none.yml");
        let error = ConfigStore::load(Some(file.clone())).unwrap_err().to_string();
        let start = "failed to generate initial checksum for configuration file: error reading \
                     YAML file: open ";
        assert!(error.starts_with(&format!("{start}{}", file.display())), "{error}");
        let (store, file) = store(&directory);
        fs::remove_file(file).unwrap();
        assert!(store.reload().is_err());
        assert!(store.current().module("a").is_some());
    }
}
