//! What stands before all routes when there is a web config file: TLS, rate limit, headers, users.
//!
//! The file is read at the start and again when it, or a file that it names, has changed; requests
//! and handshakes find everything ready.

mod basic_auth;
mod client_certificates;
mod handshake;
mod middleware;
mod rate_limit;
mod rules;
mod tls;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use boring::sha::Sha256;
use thiserror::Error;
use tokio_rustls::rustls::ServerConfig;

use self::{basic_auth::Authenticator, rules::AccessRules};
pub(super) use self::{handshake::accept, middleware::admit};
use crate::{
    config::{ConfigError, web::WebConfig},
    settings::file::{self, Stamp, USUAL_MIB},
};

/// The rules in force, and how they are kept current.
#[derive(Debug)]
pub struct AccessControl {
    file: PathBuf,
    rules: ArcSwap<AccessRules>,
    authenticator: Authenticator,
    failed_reloads: AtomicU64,
    /// Whether the file was good when it was last looked at.
    is_current: AtomicBool,
    /// Locked for as long as a look at the files takes, so that looks never overlap.
    seen: Mutex<LoadedFiles>,
}

/// What the rules in force were made of, and what the last look at that found.
#[derive(Debug)]
struct LoadedFiles {
    files: Vec<(PathBuf, Option<Stamp>)>,
    digest: [u8; 32],
    /// The stamps of the last look.
    latest: Vec<Option<Stamp>>,
    error: Option<String>,
}

/// Why a web config file cannot be used.
#[derive(Debug, Error)]
pub enum WebConfigError {
    /// It cannot be read.
    #[error("open {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It has errors.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// It had something in it before; probably it is being written.
    #[error("{}: the file has become empty", .0.display())]
    Emptied(PathBuf),
    /// It had users before; probably its end is missing.
    #[error("{}: without any user the exporter would be open to everybody; restart for that", .0.display())]
    UsersGone(PathBuf),
    /// Listeners cannot change that while they are open.
    #[error("{}: whether TLS is spoken is decided at the start; restart to change it", .0.display())]
    TlsToggled(PathBuf),
}

impl AccessControl {
    /// Reads the file. Blocks.
    pub fn load(file: PathBuf) -> Result<Self, WebConfigError> {
        let (rules, seen) = read(&file)?;
        rules.warn(&file);
        Ok(Self {
            file,
            rules: ArcSwap::from_pointee(rules),
            authenticator: Authenticator::default(),
            failed_reloads: AtomicU64::new(0),
            is_current: AtomicBool::new(true),
            seen: Mutex::new(seen),
        })
    }

    /// Whether listeners speak TLS; that never changes.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.rules.load().tls.is_some()
    }

    /// Looks whether a file has changed, and puts what it asks for in force once it has stood still
    /// from one look to the next: until then somebody may be writing. A file with errors changes
    /// nothing, and is told of once. Blocks.
    pub fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.files.iter().map(|(_, stamp)| stamp);
        let latest: Vec<_> = seen.files.iter().map(|(file, _)| Stamp::of(file).ok()).collect();
        let has_changed = !before.eq(&latest);
        let stands_still = latest == seen.latest;
        seen.latest = latest;
        // After an error, nobody knows which files matter; so all are read each time.
        if !stands_still || (!has_changed && seen.error.is_none()) {
            return;
        }
        match self.renew(&seen) {
            Ok(renewed) => {
                let is_news = renewed.digest != seen.digest || seen.error.is_some();
                *seen = renewed;
                self.is_current.store(true, Ordering::Relaxed);
                if is_news {
                    log::info!(file:% = self.file.display(); "Reloaded web config file");
                }
            }
            Err(error) => {
                let text = error.to_string();
                if seen.error.as_ref() != Some(&text) {
                    self.is_current.store(false, Ordering::Relaxed);
                    self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                    for fault in text.lines() {
                        log::error!(err = fault; "Error reloading web config, the old one stays");
                    }
                    seen.error = Some(text);
                }
            }
        }
    }

    fn renew(&self, before: &LoadedFiles) -> Result<LoadedFiles, WebConfigError> {
        let (mut rules, seen) = read(&self.file)?;
        let current = self.rules.load();
        if seen.digest == before.digest {
            return Ok(seen);
        }
        if !rules.has_content && current.has_content {
            return Err(WebConfigError::Emptied(self.file.clone()));
        }
        if rules.users.is_empty() && !current.users.is_empty() {
            return Err(WebConfigError::UsersGone(self.file.clone()));
        }
        if rules.tls.is_some() != current.tls.is_some() {
            return Err(WebConfigError::TlsToggled(self.file.clone()));
        }
        if rules.limit.has_limit_of(&current.limit) {
            rules.limit = Arc::clone(&current.limit);
        }
        self.authenticator.retain(&rules.users);
        rules.warn(&self.file);
        self.rules.store(Arc::new(rules));
        Ok(seen)
    }

    fn rules(&self) -> Arc<AccessRules> {
        self.rules.load_full()
    }

    fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.rules.load().tls.clone()
    }

    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    pub(super) fn failed_reloads(&self) -> u64 {
        self.failed_reloads.load(Ordering::Relaxed)
    }
}

/// Reads the file and those that it names.
fn read(file: &Path) -> Result<(AccessRules, LoadedFiles), WebConfigError> {
    // Stamps are taken before reading: a change in between is seen the next time.
    let stamp = Stamp::of(file).ok();
    let unreadable = |error| WebConfigError::Unreadable { file: file.to_owned(), error };
    let text = file::read(file, USUAL_MIB).map_err(unreadable)?;
    let mut files = vec![(file.to_owned(), stamp)];
    let mut digest = Sha256::new();
    digest.update(&text);
    let rules = WebConfig::read(&text, file, |config| {
        let named = config.tls.iter().flat_map(|tls| {
            let others = tls.client_authorities.iter();
            [&tls.certificate, &tls.key].into_iter().chain(others).filter_map(|pem| pem.file())
        });
        files.extend(named.map(|file| (file.to_owned(), Stamp::of(file).ok())));
        AccessRules::of(config, |content| digest.update(content))
    })?;
    let latest = files.iter().map(|(_, stamp)| stamp.clone()).collect();
    Ok((rules, LoadedFiles { files, digest: digest.finish(), latest, error: None }))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        time::SystemTime,
    };

    use super::*;

    const LIMITED: &str = "rate_limit: {interval: 1h, burst: 1}\n";

    fn guard(text: &str) -> (AccessControl, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        (AccessControl::load(file).unwrap(), folder)
    }

    fn settle(guard: &AccessControl) {
        guard.look();
        guard.look();
    }

    #[test]
    fn a_file_that_is_being_written_is_not_read() {
        let (guard, _folder) = guard(LIMITED);
        let before = guard.rules();
        for text in ["rate_", "rate_limit: {}\n", "rate_limit: {}\n#"] {
            fs::write(&guard.file, text).unwrap();
            guard.look();
            assert!(Arc::ptr_eq(&before, &guard.rules()) && guard.is_current(), "{text}");
        }
        guard.look();
        assert!(!Arc::ptr_eq(&before, &guard.rules()) && guard.is_current());
    }

    #[test]
    fn an_error_is_told_of_once_however_often_one_looks() {
        let (guard, _folder) = guard("");
        let failures = || (guard.is_current(), guard.failed_reloads.load(Ordering::Relaxed));
        assert_eq!(failures(), (true, 0));
        for (text, expected) in
            [("x: 1", (false, 1)), ("y: 1", (false, 2)), ("", (true, 2)), ("y: 1", (false, 3))]
        {
            fs::write(&guard.file, text).unwrap();
            guard.look();
            for _ in 0..3 {
                guard.look();
                assert_eq!(failures(), expected, "{text}");
            }
        }
        fs::remove_file(&guard.file).unwrap();
        settle(&guard);
        assert_eq!(failures(), (false, 4));
    }

    #[test]
    fn a_file_that_was_only_touched_changes_nothing() {
        let (guard, _folder) = guard(LIMITED);
        let before = guard.rules();
        File::options()
            .append(true)
            .open(&guard.file)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        settle(&guard);
        assert!(Arc::ptr_eq(&before, &guard.rules()));
        fs::write(&guard.file, LIMITED.replace("1h", "2h")).unwrap();
        settle(&guard);
        assert!(!Arc::ptr_eq(&before, &guard.rules()));
    }

    #[test]
    fn a_file_that_becomes_empty_takes_no_protection_away() {
        for text in [" \n", "# nothing\n", "{}\n", "rate_limit:\n"] {
            let (guard, _folder) = guard(LIMITED);
            assert!(guard.rules().limit.admits());
            fs::write(&guard.file, text).unwrap();
            settle(&guard);
            assert!(!guard.rules().limit.admits() && !guard.is_current(), "{text}");
        }
        let (guard, _folder) = guard(LIMITED);
        fs::write(&guard.file, "rate_limit: {}\n").unwrap();
        settle(&guard);
        assert!(guard.rules().limit.admits() && guard.is_current(), "who says so means it");
    }

    #[test]
    fn the_last_user_does_not_leave_while_the_exporter_runs() {
        let user = format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("secret", 4).unwrap());
        let (guard, _folder) = guard(&format!("{LIMITED}{user}"));
        for text in [LIMITED.to_owned(), format!("{LIMITED}basic_auth_users:\n")] {
            fs::write(&guard.file, &text).unwrap();
            settle(&guard);
            assert!(!guard.rules().users.is_empty() && !guard.is_current(), "{text}");
        }
        fs::write(&guard.file, user.replace("alice", "bob")).unwrap();
        settle(&guard);
        assert!(!guard.rules().users.is_empty() && guard.is_current());
    }

    #[test]
    fn other_changes_do_not_fill_the_bucket() {
        let (guard, _folder) = guard(LIMITED);
        assert!(guard.rules().limit.admits());
        fs::write(&guard.file, format!("# the same\n{LIMITED}")).unwrap();
        settle(&guard);
        assert!(guard.is_current() && !guard.rules().limit.admits());
        fs::write(&guard.file, LIMITED.replace("1h", "2h")).unwrap();
        settle(&guard);
        assert!(guard.is_current() && guard.rules().limit.admits());
    }
}
