//! The text of a configuration: a file, or the built-in configuration.

use std::{
    env, io,
    path::{self, Path, PathBuf},
};

use thiserror::Error;

use crate::{
    config::{Config, ConfigError},
    settings::file,
};

/// The bytes of a configuration, and the name of their source.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path of the file as given, or the name of the built-in configuration.
    pub name: String,
    /// The content.
    pub bytes: Vec<u8>,
    /// True for the built-in configuration.
    pub is_built_in: bool,
}

/// The error of a configuration file that cannot be read. The message begins like upstream's.
#[derive(Debug, Error)]
#[error(
    "failed to generate initial checksum for configuration file: error reading YAML file: \
     open {}: {error}", file.display()
)]
pub struct Unreadable {
    /// The file.
    pub file: PathBuf,
    /// The error.
    pub error: io::Error,
}

/// The file that is used if none is set and it exists.
pub const DEFAULT_FILE: &str = "blackbox.yml";

/// The configuration that is used if there is no file.
const BUILT_IN: &str = include_str!("../../config/blackbox.yml");

/// The name of the built-in configuration in errors.
const BUILT_IN_NAME: &str = "built-in configuration";

/// Maximum size of a configuration file in MiB.
const MAX_MIB: u64 = 64;

impl Source {
    /// Reads `file`, which may be a pipe. Without a file, reads `blackbox.yml` of the working
    /// directory or, if it does not exist, the built-in configuration. Blocks.
    pub fn read(file: Option<&Path>) -> Result<Self, Unreadable> {
        Self::of(file, file::read_stream(named(file), MAX_MIB))
    }

    /// Reads like [`read`](Self::read) on a thread for files. A pipe is not read again.
    pub async fn read_again(file: Option<&Path>) -> Result<Self, Unreadable> {
        Self::of(file, file::load_again(named(file), MAX_MIB).await)
    }

    fn of(file: Option<&Path>, content: io::Result<Vec<u8>>) -> Result<Self, Unreadable> {
        let named = named(file);
        match content {
            Ok(bytes) => Ok(Self { name: named.display().to_string(), bytes, is_built_in: false }),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::built_in())
            }
            Err(error) => Err(Unreadable { file: named.to_owned(), error }),
        }
    }

    /// Returns the built-in configuration.
    #[must_use]
    pub fn built_in() -> Self {
        let (name, bytes) = (BUILT_IN_NAME.to_owned(), BUILT_IN.as_bytes().to_vec());
        Self { name, bytes, is_built_in: true }
    }

    /// Says that the built-in configuration replaces a file, and which one; `None` for a file.
    #[must_use]
    pub fn replaced_file(&self) -> Option<String> {
        let folder = env::current_dir().unwrap_or_default();
        self.is_built_in.then(|| format!("there is no {DEFAULT_FILE} in {}", folder.display()))
    }

    /// Returns the absolute path of the file, or the name of the built-in configuration with the file that
    /// it replaces.
    #[must_use]
    pub fn location(&self) -> String {
        match self.replaced_file() {
            Some(replaced) => format!("{} ({replaced})", self.name),
            None => path::absolute(&self.name)
                .map_or_else(|_| self.name.clone(), |path| path.display().to_string()),
        }
    }

    /// Parses the configuration. Returns all errors at once.
    pub fn parse(&self) -> Result<Config, ConfigError> {
        Config::parse(&self.bytes, &self.name)
    }
}

fn named(file: Option<&Path>) -> &Path {
    file.unwrap_or(Path::new(DEFAULT_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_configuration_has_no_warnings() {
        let config = Config::parse(BUILT_IN, BUILT_IN_NAME).unwrap();
        assert!(config.module("http_2xx").is_some());
        assert_eq!(config.warnings(), []);
    }
}
