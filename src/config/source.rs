//! The text of a configuration: a file, or what is built in.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    config::{Config, ConfigError},
    settings::file,
};

/// The bytes of a configuration, and where they are from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, as it was named, or what stands in for a name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Why the text of a configuration cannot be had; the text begins as upstream's does.
#[derive(Debug, Error)]
#[error(
    "failed to generate initial checksum for configuration file: error reading YAML file: \
     open {}: {error}", file.display()
)]
pub struct Unreadable {
    /// The file.
    pub file: PathBuf,
    /// Why not.
    pub error: io::Error,
}

/// The file that is used when none was asked for, if it exists.
const DEFAULT_FILE: &str = "blackbox.yml";

/// The configuration that is used when there is no file at all.
const BUILT_IN: &str = include_str!("../../config/blackbox.yml");

/// The name of that configuration in errors.
const BUILT_IN_NAME: &str = "built-in configuration";

/// No configuration is as large as this, in MiB.
const MOST_MIB: u64 = 64;

impl Source {
    /// Reads the file that was asked for; without one the `blackbox.yml` of the working directory
    /// or, if there is none either, the default that is built in. Blocks.
    pub fn read(file: Option<&Path>) -> Result<Self, Unreadable> {
        let named = file.unwrap_or(Path::new(DEFAULT_FILE));
        match file::read(named, MOST_MIB) {
            Ok(bytes) => Ok(Self { name: named.display().to_string(), bytes }),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { name: BUILT_IN_NAME.to_owned(), bytes: BUILT_IN.as_bytes().to_vec() })
            }
            Err(error) => Err(Unreadable { file: named.to_owned(), error }),
        }
    }

    /// The configuration that it is. All errors are found at once.
    pub fn parse(&self) -> Result<Config, ConfigError> {
        Config::parse(&self.bytes, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_configuration_loads_without_a_warning() {
        let config = Config::parse(BUILT_IN, BUILT_IN_NAME).unwrap();
        assert!(config.module("http_2xx").is_some());
        assert_eq!(config.warnings(), []);
    }
}
