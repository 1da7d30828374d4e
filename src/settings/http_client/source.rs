//! Values that are set in the configuration or read from a file.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::settings::{
    file,
    rule::{KeyPath, RuleError},
    secret::Secret,
};

/// The source of a value. A file is read at each use, so changes take effect without a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The value is in the configuration.
    Inline(Secret),
    /// The file with the value, relative to the working directory.
    File(PathBuf),
}

/// Maximum size of a file with a value in MiB.
const MAX_MIB: u64 = 1;

impl Source {
    /// Returns the value. White space around the content of a file is removed.
    pub async fn read(&self) -> io::Result<Secret> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_file(path).await.map(Secret::new),
        }
    }

    /// Returns the path of the file; empty if the value is in the configuration.
    pub(crate) fn file(&self) -> String {
        match self {
            Self::Inline(_) => String::new(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Reads the file at `path`, and removes white space around its content.
pub async fn read_file(path: &Path) -> io::Result<String> {
    let bytes = file::load(path, MAX_MIB).await?;
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "the file is not valid UTF-8");
    let text = str::from_utf8(&bytes).map_err(not_text)?;
    Ok(text.trim().to_owned())
}

/// Three keys of which at most one can be set: the value, a file, or a name in a secret manager.
pub(super) struct SourceKeys<'k> {
    /// The key of the section, for the position of errors; `key` is that of the value.
    pub(super) section: &'k str,
    pub(super) key: &'k str,
    pub(super) inline: Secret,
    pub(super) file: String,
    pub(super) reference: String,
}

impl SourceKeys<'_> {
    /// Rejects more than one of the three with the message `too_many`.
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

    /// Returns the source of the value, if it is set.
    pub(super) fn source(self) -> Result<Option<Source>, RuleError> {
        if !self.reference.is_empty() {
            let message = format!(
                "secret managers are not supported; use {key} or {key}_file",
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
