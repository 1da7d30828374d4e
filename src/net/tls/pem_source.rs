//! Texts in PEM: from the settings or from a file that they name.

use std::fmt;

use crate::net::tls::tls_files::Contents;

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

    /// Returns the text; `files` contains the contents of files.
    pub(super) fn text<'t>(&'t self, files: &'t Contents) -> &'t [u8] {
        match self {
            Self::Inline(_, text) => text.as_bytes(),
            Self::File(key, _) => {
                files.iter().find(|(of, _)| of == key).map_or(&[], |(_, content)| content)
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
