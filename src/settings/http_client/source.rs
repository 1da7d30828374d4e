//! A text that stands in the configuration, or in a file of its own.

use std::{
    io,
    path::{Path, PathBuf},
};

use tokio::{fs::File, io::AsyncReadExt};

use crate::settings::{
    rule::{KeyPath, RuleError},
    secret::Secret,
};

/// Where a text comes from. A file is read at each use, so that it can be changed at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The text itself.
    Inline(Secret),
    /// The file that holds it, relative to the working directory.
    File(PathBuf),
}

/// A file with more bytes than this holds no credentials.
const LARGEST_FILE: u64 = 1 << 20;

impl Source {
    /// The text; that of a file without the white space around it.
    pub async fn read(&self) -> io::Result<Secret> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_file(path).await.map(Secret::new),
        }
    }

    /// The file's name, if it is in a file.
    pub(crate) fn file(&self) -> String {
        match self {
            Self::Inline(_) => String::new(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// The text of the file at `path`, without the white space around it.
pub async fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path).await?.take(LARGEST_FILE + 1).read_to_string(&mut text).await?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is over 1 MiB"));
    }
    Ok(text.trim().to_owned())
}

/// Three keys of which at most one may be set: a text, a file and the name in a secret manager.
pub(super) struct Trio<'k> {
    /// The section's key, the text's key, for the place of errors.
    pub(super) section: &'k str,
    pub(super) key: &'k str,
    pub(super) inline: Secret,
    pub(super) file: String,
    pub(super) reference: String,
}

impl Trio<'_> {
    /// Refuses more than one of the three with the text `too_many`.
    pub(super) fn check_single(&self, too_many: &str) -> Result<(), RuleError> {
        let set = [
            (!self.inline.is_empty(), ""),
            (!self.file.is_empty(), "_file"),
            (!self.reference.is_empty(), "_ref"),
        ];
        let mut set = set.iter().filter(|(is_set, _)| *is_set).skip(1);
        match set.next() {
            Some((_, suffix)) => Err(RuleError::at(self.path(suffix), too_many)),
            None => Ok(()),
        }
    }

    /// Where the text comes from, if it is given at all.
    pub(super) fn source(self) -> Result<Option<Source>, RuleError> {
        if !self.reference.is_empty() {
            let message = format!(
                "needs a secret manager, which an exporter does not have: use {key} or {key}_file",
                key = self.key
            );
            return Err(RuleError::at(self.path("_ref"), message));
        }
        if !self.file.is_empty() {
            return Ok(Some(Source::File(self.file.into())));
        }
        Ok((!self.inline.is_empty()).then_some(Source::Inline(self.inline)))
    }

    fn path(&self, suffix: &str) -> KeyPath {
        KeyPath::from(self.section).key(format!("{}{suffix}", self.key))
    }
}
