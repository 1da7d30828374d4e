//! The configuration in force, and how it is replaced while probes run.

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

/// Holds the configuration in force.
#[derive(Debug)]
pub struct ConfigStore {
    /// The file that was asked for; without one, that of the working directory is used, or else
    /// the default that is built in.
    file: Option<PathBuf>,
    current: ArcSwap<Config>,
    /// Locked for as long as a reload takes, so that reloads never overlap.
    loaded: Mutex<Loaded>,
    last_reload: ArcSwap<LastReload>,
}

/// What the configuration in force was made of.
#[derive(Debug)]
struct Loaded {
    digest: [u8; 32],
}

/// How the last reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastReload {
    /// Whether it succeeded.
    pub succeeded: bool,
    /// When one succeeded last.
    pub success_time: SystemTime,
}

/// What a reload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// The new configuration is in force.
    Changed,
    /// The file is the same as before.
    Unchanged,
}

/// Why a configuration could not be loaded; the texts begin as upstream's do.
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
    /// Loads `file`; without one the `blackbox.yml` of the working directory or, if there is none
    /// either, the default that is built in.
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

    /// The configuration in force.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// How the last reload ended, the first load among them.
    #[must_use]
    pub fn last_reload(&self) -> LastReload {
        **self.last_reload.load()
    }

    /// Reads the file again and puts it in force. One with errors changes nothing.
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

/// Makes a configuration of a text, and tells what is surprising about it.
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
    fn a_changed_file_is_put_in_force_and_running_probes_keep_their_module() {
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
    fn an_unchanged_file_counts_as_a_success_without_being_parsed() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _file) = store(&directory);
        let (config, first) = (store.current(), store.last_reload());
        assert_eq!(store.reload().unwrap(), Reload::Unchanged);
        assert!(Arc::ptr_eq(&config, &store.current()));
        assert!(store.last_reload().success_time >= first.success_time);
    }

    #[test]
    fn a_bad_file_keeps_the_old_configuration_until_it_is_good_again() {
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
    fn a_missing_file_is_told_as_upstream_tells_it() {
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
