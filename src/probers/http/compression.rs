//! Compressions of a body, and their names in the configuration.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A way of compressing a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 7932.
    Brotli,
    /// RFC 1951, without a wrapper.
    Deflate,
    /// RFC 1952.
    Gzip,
    /// None.
    Identity,
}

/// The name of a compression as it is written: `Accept-Encoding` is compared with exactly that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct CompressionName(pub(super) String);

impl Compression {
    const ALL: [Self; 4] = [Self::Brotli, Self::Deflate, Self::Gzip, Self::Identity];

    /// Its name in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl CompressionName {
    /// Returns the compression of this name, in any case.
    pub(super) fn algorithm(&self) -> Option<Compression> {
        Compression::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&self.0))
    }
}

impl<'de> Deserialize<'de> for CompressionName {
    /// Upstream takes any text and then fails every probe.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = Self(String::deserialize(deserializer)?);
        if !key.0.is_empty() && key.algorithm().is_none() {
            let names = Compression::ALL.map(Compression::name).join(", ");
            let message = format!("compression '{}' is not valid; use one of {names}", key.0);
            return Err(de::Error::custom(message));
        }
        Ok(key)
    }
}
