//! The files that a `tls_config` names.

use std::{io, path::Path, sync::Arc};

use futures_util::future::join_all;

use crate::{
    blocking,
    diagnostics::{Failure, Reason, Stage},
    settings::{
        file::{self, DEFAULT_MAX_MIB},
        tls::TlsSettings,
    },
};

/// Contents of the files, by key.
pub(super) type Contents = Vec<(&'static str, Vec<u8>)>;

/// Returns the files in the settings, each with its key.
pub(super) fn names(settings: &TlsSettings) -> Vec<(&'static str, &str)> {
    [
        ("ca_file", settings.ca_file.as_str()),
        ("cert_file", &settings.cert_file),
        ("key_file", &settings.key_file),
    ]
    .into_iter()
    .filter(|(_, file)| !file.is_empty())
    .collect()
}

/// Describes the wait for the files.
pub(super) fn awaited(settings: &TlsSettings) -> String {
    let files: Vec<_> = names(settings).iter().map(|(key, file)| format!("{key} {file}")).collect();
    match files.as_slice() {
        [] => "reading the system's trusted certificates".to_owned(),
        files => format!("reading {}", files.join(", ")),
    }
}

/// Runs `work` for each file at once. Returns the results by key, or the first failure.
pub(super) async fn each<T: Send + 'static>(
    settings: &TlsSettings,
    work: impl Fn(&Path) -> io::Result<T> + Copy + Send + 'static,
) -> Result<Vec<(&'static str, T)>, Failure> {
    let files = names(settings).into_iter().map(|(key, file)| async move {
        match file::on_thread(Path::new(file), work).await {
            Ok(done) => Ok((key, done)),
            Err(error) => Err(Failure::file(Stage::Tls, &format!("{key} {file}"), &error)),
        }
    });
    join_all(files).await.into_iter().collect()
}

/// Reads the files, and runs `work` with their contents on a thread for files.
pub(super) async fn with_contents<T: Send + 'static>(
    settings: &Arc<TlsSettings>,
    work: impl FnOnce(&TlsSettings, &Contents) -> Result<T, String> + Send + 'static,
) -> Result<T, Failure> {
    let contents = each(settings, |path| file::read(path, DEFAULT_MAX_MIB)).await?;
    let settings = Arc::clone(settings);
    match blocking::run(move || work(&settings, &contents)).await {
        Ok(done) => done.map_err(|message| Failure::new(Stage::Tls, Reason::UnusableFile, message)),
        Err(error) => Err(Failure::blocking(Stage::Tls, "preparing tls_config", error)),
    }
}
