//! Access control of the listener by a web config file: TLS, rate limit, users, headers.
//!
//! The file is read at the start, and again when it or a file that it names has changed. Requests
//! and handshakes use the prepared rules.

mod basic_auth;
mod client_certificates;
mod handshake;
mod login_queue;
mod middleware;
mod rate_limit;
mod rules;
mod tls;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use boring::sha::Sha256;
use thiserror::Error;

use self::{basic_auth::Authenticator, rules::AccessRules, tls::ServerTls};
pub(super) use self::{handshake::accept, middleware::admit};
use crate::{
    blocking::{self, BlockingError},
    config::{ConfigError, Diagnostic, web::WebConfig},
    settings::file::{self, DEFAULT_MAX_MIB, Stamp},
};

/// The active rules, and the state for reloading them.
#[derive(Debug)]
pub struct AccessControl {
    file: PathBuf,
    rules: ArcSwap<AccessRules>,
    authenticator: Authenticator,
    failed_reloads: AtomicU64,
    /// False if the last attempt to load the file failed.
    is_current: AtomicBool,
    loaded: Mutex<LoadedFiles>,
}

/// The files of the active rules, and the result of the last check of them.
#[derive(Debug, Clone)]
struct LoadedFiles {
    /// The files, with their stamps when they were loaded.
    files: Vec<(PathBuf, Option<Stamp>)>,
    /// Digest of the content of all files.
    digest: [u8; 32],
    /// The stamps of the last check.
    latest: Vec<Option<Stamp>>,
    /// The error of the last attempt to load.
    error: Option<String>,
}

/// The result of a check of the files.
struct FileCheck {
    latest: Vec<Option<Stamp>>,
    /// The content that was read, if a file has changed.
    read: Option<Result<(AccessRules, LoadedFiles), WebConfigError>>,
}

impl LoadedFiles {
    /// Reads the files, if one has changed and none is being written. Blocks.
    fn check(&self, file: &Path) -> FileCheck {
        let before = self.files.iter().map(|(_, stamp)| stamp);
        let latest: Vec<_> = self.files.iter().map(|(file, _)| Stamp::of(file).ok()).collect();
        let has_changed = !before.eq(&latest);
        let is_stable = latest == self.latest;
        // After an error the list of files may be incomplete, so they are read at every check.
        let is_due = is_stable && (has_changed || self.error.is_some());
        FileCheck { latest, read: is_due.then(|| read(file)) }
    }
}

/// An error of a web config file.
#[derive(Debug, Error)]
pub enum WebConfigError {
    /// The file cannot be read.
    #[error("open {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The file has errors.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// The file had content before; it is probably being written.
    #[error("{}: the file is now empty, which would remove all restrictions; restart the exporter \
             to apply this", .0.display())]
    Emptied(PathBuf),
    /// The file had users before; it is probably truncated.
    #[error("{}: all users were removed, which would allow access without a password; restart the \
             exporter to apply this", .0.display())]
    UsersRemoved(PathBuf),
    /// TLS cannot be enabled or disabled while the listeners are open.
    #[error("{}: TLS cannot be enabled or disabled by a reload; restart the exporter to apply \
             this", .0.display())]
    TlsToggled(PathBuf),
}

impl AccessControl {
    /// Loads the file. Blocks.
    pub fn load(file: PathBuf) -> Result<Self, WebConfigError> {
        let (rules, loaded) = read(&file)?;
        rules.log_warnings(&file);
        Ok(Self {
            file,
            rules: ArcSwap::from_pointee(rules),
            authenticator: Authenticator::default(),
            failed_reloads: AtomicU64::new(0),
            is_current: AtomicBool::new(true),
            loaded: Mutex::new(loaded),
        })
    }

    /// Returns true if the listeners use TLS. This does not change while the exporter runs.
    #[must_use]
    pub fn uses_tls(&self) -> bool {
        self.rules.load().tls.is_some()
    }

    /// Checks whether a file has changed, and reloads them all if it has not changed further since
    /// the previous check: until then it may be incomplete. If the file is invalid or a file does not
    /// respond, the active rules stay, and the error is logged once.
    pub async fn reload_if_changed(&self) {
        let before = self.loaded().clone();
        let file = self.file.clone();
        let check = move || before.check(&file);
        match blocking::on_file(&self.file, check).await {
            Ok(check) => self.apply(check),
            Err(BlockingError::Panicked) => log::error!("The check of the web config panicked"),
            Err(error) if error.is_hung() => {
                let file = self.file.display();
                self.note_error(&format!("'{file}' or a file that it names does not respond"));
            }
            Err(error) => self.note_error(&error.to_string()),
        }
    }

    fn apply(&self, check: FileCheck) {
        let FileCheck { latest, read } = check;
        self.loaded().latest = latest;
        match read.map(|read| self.activate(read?)) {
            None => {}
            Some(Ok(is_new)) => {
                self.is_current.store(true, Ordering::Relaxed);
                if is_new {
                    log::info!(file:% = self.file.display(); "Reloaded web config file");
                }
            }
            Some(Err(error)) => self.note_error(&error.to_string()),
        }
    }

    fn note_error(&self, text: &str) {
        let mut loaded = self.loaded();
        if loaded.error.as_deref() == Some(text) {
            return;
        }
        self.is_current.store(false, Ordering::Relaxed);
        self.failed_reloads.fetch_add(1, Ordering::Relaxed);
        for line in text.lines() {
            log::error!(err = line; "Error reloading web config; the previous one stays active");
        }
        loaded.error = Some(text.to_owned());
    }

    /// Activates the rules. Returns whether they are new, or the first ones after an error.
    fn activate(&self, read: (AccessRules, LoadedFiles)) -> Result<bool, WebConfigError> {
        let (mut rules, read) = read;
        let mut loaded = self.loaded();
        let current = self.rules.load();
        let is_changed = read.digest != loaded.digest;
        if is_changed {
            if !rules.has_content && current.has_content {
                return Err(WebConfigError::Emptied(self.file.clone()));
            }
            if rules.users.is_empty() && !current.users.is_empty() {
                return Err(WebConfigError::UsersRemoved(self.file.clone()));
            }
            if rules.tls.is_some() != current.tls.is_some() {
                return Err(WebConfigError::TlsToggled(self.file.clone()));
            }
            if rules.limit.has_limit_of(&current.limit) {
                rules.limit = Arc::clone(&current.limit);
            }
            self.authenticator.retain(&rules.users);
            rules.log_warnings(&self.file);
            self.rules.store(Arc::new(rules));
        }
        let is_new = is_changed || loaded.error.is_some();
        *loaded = read;
        Ok(is_new)
    }

    fn loaded(&self) -> MutexGuard<'_, LoadedFiles> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules(&self) -> Arc<AccessRules> {
        self.rules.load_full()
    }

    fn tls(&self) -> Option<ServerTls> {
        self.rules.load().tls.clone()
    }

    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    pub(super) fn failed_reloads(&self) -> u64 {
        self.failed_reloads.load(Ordering::Relaxed)
    }
}

/// Checks the text of `file` and the files that it names, like [`AccessControl::load`]. Returns the
/// warnings. Blocks.
pub fn check(text: &[u8], file: &Path) -> Result<Vec<Diagnostic>, ConfigError> {
    let load = |config| AccessRules::load(config, |_| {});
    WebConfig::read_and_remark(text, file, load).map(|(_, warnings)| warnings)
}

/// Reads the file and the files that it names.
fn read(file: &Path) -> Result<(AccessRules, LoadedFiles), WebConfigError> {
    // Stamps are taken before reading, so that the next check detects a change in between.
    let stamp = Stamp::of(file).ok();
    let unreadable = |error| WebConfigError::Unreadable { file: file.to_owned(), error };
    let text = file::read(file, DEFAULT_MAX_MIB).map_err(unreadable)?;
    let mut files = vec![(file.to_owned(), stamp)];
    let mut digest = Sha256::new();
    digest.update(&text);
    let rules = WebConfig::read(&text, file, |config| {
        let named = config.tls.iter().flat_map(|tls| {
            let others = tls.client_authorities.iter();
            [&tls.certificate, &tls.key].into_iter().chain(others).filter_map(|pem| pem.file())
        });
        files.extend(named.map(|file| (file.to_owned(), Stamp::of(file).ok())));
        AccessRules::load(config, |content| digest.update(content))
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

    fn access_control(text: &str) -> (AccessControl, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.yml");
        fs::write(&file, text).unwrap();
        (AccessControl::load(file).unwrap(), folder)
    }

    /// Checks twice: the first check sees the change, the second one applies it.
    async fn check_twice(access_control: &AccessControl) {
        access_control.reload_if_changed().await;
        access_control.reload_if_changed().await;
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_is_not_read() {
        let (access_control, _folder) = access_control(LIMITED);
        let before = access_control.rules();
        for text in ["rate_", "rate_limit: {}\n", "rate_limit: {}\n#"] {
            fs::write(&access_control.file, text).unwrap();
            access_control.reload_if_changed().await;
            assert!(
                Arc::ptr_eq(&before, &access_control.rules()) && access_control.is_current(),
                "{text}"
            );
        }
        access_control.reload_if_changed().await;
        assert!(!Arc::ptr_eq(&before, &access_control.rules()) && access_control.is_current());
    }

    #[tokio::test]
    async fn an_error_is_counted_once_for_any_number_of_checks() {
        let (access_control, _folder) = access_control("");
        let failures =
            || (access_control.is_current(), access_control.failed_reloads.load(Ordering::Relaxed));
        assert_eq!(failures(), (true, 0));
        for (text, expected) in
            [("x: 1", (false, 1)), ("y: 1", (false, 2)), ("", (true, 2)), ("y: 1", (false, 3))]
        {
            fs::write(&access_control.file, text).unwrap();
            access_control.reload_if_changed().await;
            for _ in 0..3 {
                access_control.reload_if_changed().await;
                assert_eq!(failures(), expected, "{text}");
            }
        }
        fs::remove_file(&access_control.file).unwrap();
        check_twice(&access_control).await;
        assert_eq!(failures(), (false, 4));
    }

    #[tokio::test]
    async fn a_file_without_new_content_changes_nothing() {
        let (access_control, _folder) = access_control(LIMITED);
        let before = access_control.rules();
        File::options()
            .append(true)
            .open(&access_control.file)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        check_twice(&access_control).await;
        assert!(Arc::ptr_eq(&before, &access_control.rules()));
        fs::write(&access_control.file, LIMITED.replace("1h", "2h")).unwrap();
        check_twice(&access_control).await;
        assert!(!Arc::ptr_eq(&before, &access_control.rules()));
    }

    #[tokio::test]
    async fn an_empty_file_is_rejected() {
        for text in [" \n", "# nothing\n", "{}\n", "rate_limit:\n"] {
            let (access_control, _folder) = access_control(LIMITED);
            assert!(access_control.rules().limit.admits());
            fs::write(&access_control.file, text).unwrap();
            check_twice(&access_control).await;
            assert!(
                !access_control.rules().limit.admits() && !access_control.is_current(),
                "{text}"
            );
        }
        let (access_control, _folder) = access_control(LIMITED);
        fs::write(&access_control.file, "rate_limit: {}\n").unwrap();
        check_twice(&access_control).await;
        assert!(
            access_control.rules().limit.admits() && access_control.is_current(),
            "an explicitly empty limit is applied"
        );
    }

    #[tokio::test]
    async fn removing_all_users_is_rejected() {
        let user = format!("basic_auth_users:\n  alice: {}\n", bcrypt::hash("secret", 4).unwrap());
        let (access_control, _folder) = access_control(&format!("{LIMITED}{user}"));
        for text in [LIMITED.to_owned(), format!("{LIMITED}basic_auth_users:\n")] {
            fs::write(&access_control.file, &text).unwrap();
            check_twice(&access_control).await;
            assert!(
                !access_control.rules().users.is_empty() && !access_control.is_current(),
                "{text}"
            );
        }
        fs::write(&access_control.file, user.replace("alice", "bob")).unwrap();
        check_twice(&access_control).await;
        assert!(!access_control.rules().users.is_empty() && access_control.is_current());
    }

    #[tokio::test]
    async fn other_changes_do_not_refill_the_token_bucket() {
        let (access_control, _folder) = access_control(LIMITED);
        assert!(access_control.rules().limit.admits());
        fs::write(&access_control.file, format!("# the same\n{LIMITED}")).unwrap();
        check_twice(&access_control).await;
        assert!(access_control.is_current() && !access_control.rules().limit.admits());
        fs::write(&access_control.file, LIMITED.replace("1h", "2h")).unwrap();
        check_twice(&access_control).await;
        assert!(access_control.is_current() && access_control.rules().limit.admits());
    }
}
