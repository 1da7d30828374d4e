//! `resolv.conf` and the hosts file, read again when they change.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::time::Instant;

use super::{
    config::{Environment, ResolverConfig},
    hosts::Hosts,
};
use crate::{blocking, diagnostics::Cause, settings::file};

/// The paths of the two files.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) resolv_conf: PathBuf,
    pub(super) hosts: PathBuf,
}

/// The content of the files, read again when they change.
#[derive(Debug)]
pub(super) struct Watched {
    /// Absent if the configuration was passed in.
    files: Option<(Files, Environment)>,
    current: ArcSwap<Loaded>,
    checked: Mutex<Instant>,
}

/// The content of the files.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) config: Arc<ResolverConfig>,
    pub(super) hosts: Hosts,
    changed: [Option<Version>; 2],
}

/// The version of a file; it differs after the file was changed or replaced.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

/// Maximum size of a file in MiB. Hosts files that block advertisements have some MiB.
const MAX_MIB: u64 = 64;

/// Minimum time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

impl Files {
    /// Returns the files of the system.
    pub(super) fn system() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }

    fn versions(&self) -> [Option<Version>; 2] {
        let version = |found: Metadata| Version {
            modified: found.modified().ok(),
            length: found.len(),
            inode: found.ino(),
        };
        [&self.resolv_conf, &self.hosts].map(|path| fs::metadata(path).ok().map(version))
    }
}

impl Watched {
    pub(super) fn of_files(files: Files, environment: Environment) -> Self {
        let loaded = Loaded::read(&files, &environment, None).unwrap_or_default();
        Self::new(Some((files, environment)), loaded)
    }

    pub(super) fn of_config(config: ResolverConfig, hosts: Hosts) -> Self {
        Self::new(None, Loaded { config: Arc::new(config), hosts, ..Loaded::default() })
    }

    fn new(files: Option<(Files, Environment)>, loaded: Loaded) -> Self {
        let current = ArcSwap::from_pointee(loaded);
        Self { files, current, checked: Mutex::new(Instant::now()) }
    }

    /// Returns the content, read again if a file has changed. A file that does not respond has not
    /// changed.
    pub(super) async fn up_to_date(&self) -> Arc<Loaded> {
        let current = self.current.load_full();
        if let Some((files, environment)) = &self.files
            && self.check_is_due()
        {
            let (files, environment) = (files.clone(), environment.clone());
            let resolv_conf = files.resolv_conf.clone();
            let read = move || {
                let is_changed = current.changed != files.versions();
                is_changed.then(|| Loaded::read(&files, &environment, Some(&current)))
            };
            if let Ok(Some(Ok(loaded))) = blocking::on_file(&resolv_conf, read).await {
                self.current.store(Arc::new(loaded));
            }
            return self.current.load_full();
        }
        current
    }

    /// Returns the configuration that was read last.
    pub(super) fn config(&self) -> Arc<ResolverConfig> {
        Arc::clone(&self.current.load().config)
    }

    fn check_is_due(&self) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = checked.elapsed() >= CHECK_INTERVAL;
        if due {
            *checked = Instant::now();
        }
        due
    }
}

impl Loaded {
    /// Reads both files; an unreadable file counts as empty.
    ///
    /// # Errors
    /// If a resource is exhausted.
    fn read(files: &Files, environment: &Environment, before: Option<&Self>) -> io::Result<Self> {
        // The versions are taken first, so that the next check notices a change during the read.
        let changed = files.versions();
        let content = |path: &Path| match file::read(path, MAX_MIB) {
            Err(error) if Cause::of_resources(&error).is_some() => Err(error),
            content => Ok(content.unwrap_or_default()),
        };
        let config = match before {
            Some(before) if before.config.options.no_reload => Arc::clone(&before.config),
            _ => Arc::new(ResolverConfig::parse(&content(&files.resolv_conf)?, environment)),
        };
        Ok(Self { config, hosts: Hosts::parse(&content(&files.hosts)?), changed })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::symlink};

    use super::*;

    /// Makes the next check of the files due.
    fn wait(watched: &Watched) {
        *watched.checked.lock().unwrap() = Instant::now().checked_sub(CHECK_INTERVAL).unwrap();
    }

    async fn first(watched: &Watched, name: &str) -> Option<String> {
        Some(watched.up_to_date().await.hosts.addresses(name)?.first()?.to_string())
    }

    #[tokio::test]
    async fn changed_files_are_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let [resolv_conf, hosts, other] =
            ["resolv.conf", "hosts", "other"].map(|name| folder.path().join(name));
        fs::write(&hosts, "192.0.2.1 web\n").expect("writable");
        let files = Files { resolv_conf: resolv_conf.clone(), hosts: hosts.clone() };
        let watched = Watched::of_files(files, Environment::default());
        assert_eq!(first(&watched, "web").await.as_deref(), Some("192.0.2.1"));
        let modified = fs::metadata(&hosts).unwrap().modified().unwrap();
        fs::write(&hosts, "192.0.2.20 web\n").expect("writable");
        File::options().append(true).open(&hosts).unwrap().set_modified(modified).unwrap();
        assert_eq!(first(&watched, "web").await.as_deref(), Some("192.0.2.1"), "not looked at yet");
        wait(&watched);
        assert_eq!(first(&watched, "web").await.as_deref(), Some("192.0.2.20"), "another length");

        fs::write(&other, "192.0.2.30 web\n").expect("writable");
        File::options().append(true).open(&other).unwrap().set_modified(modified).unwrap();
        fs::remove_file(&hosts).unwrap();
        symlink(&other, &hosts).unwrap();
        wait(&watched);
        assert_eq!(first(&watched, "web").await.as_deref(), Some("192.0.2.30"), "another file");

        fs::write(&resolv_conf, "nameserver 192.0.2.53\noptions no-reload\n").expect("writable");
        wait(&watched);
        assert_eq!(watched.up_to_date().await.config.servers[0].to_string(), "192.0.2.53:53");
        fs::remove_file(&resolv_conf).unwrap();
        fs::remove_file(&hosts).unwrap();
        wait(&watched);
        assert_eq!(first(&watched, "web").await, None, "no file");
        assert_eq!(watched.up_to_date().await.config.servers[0].to_string(), "192.0.2.53:53");
    }
}
