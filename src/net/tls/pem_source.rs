//! Texts in PEM: from the settings or from a file that they name.

use std::{fmt, path::Path};

use crate::settings::file::{self, DEFAULT_MAX_MIB};

/// The source of a PEM text: its key in the settings, and the text or the name of the file.
pub(super) enum PemSource<'a> {
    Inline(&'static str, &'a str),
    File(&'static str, &'a str),
}

impl<'a> PemSource<'a> {
    /// Returns the source that is set, the text first.
    pub(super) fn of(
        text: &'a str,
        text_key: &'static str,
        file: &'a str,
        file_key: &'static str,
    ) -> Option<Self> {
        if !text.is_empty() {
            Some(Self::Inline(text_key, text))
        } else if !file.is_empty() {
            Some(Self::File(file_key, file))
        } else {
            None
        }
    }

    /// Returns the text. Blocks.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Inline(_, text) => Ok(text.as_bytes().to_vec()),
            Self::File(_, file) => {
                file::read(Path::new(file), DEFAULT_MAX_MIB).map_err(|error| error.to_string())
            }
        }
    }

    /// Returns the message of an error in the text.
    pub(super) fn wrong(&self, message: &str) -> String {
        format!("{self}: {message}")
    }
}

impl fmt::Display for PemSource<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(key, _) => write!(formatter, "{key}"),
            Self::File(key, file) => write!(formatter, "{key} {file}"),
        }
    }
}
