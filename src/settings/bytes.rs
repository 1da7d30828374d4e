//! Byte strings in a configuration file: text, or any bytes with `!!binary`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::secret::Secret;

/// Bytes to send or to expect: UTF-8 text, or decoded `!!binary` data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// Returns the bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// Returns true if there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes as text, if they are UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        str::from_utf8(&self.0).ok()
    }
}

/// Bytes to print, redacted if they are secret.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum ShownBytes<'b> {
    /// Bytes that are not secret.
    Plain(&'b Bytes),
    /// Secret bytes.
    Secret(Secret),
}

impl Bytes {
    /// Returns the bytes for printing, redacted if `hide` is set.
    #[must_use]
    pub fn shown(&self, hide: bool) -> ShownBytes<'_> {
        if hide {
            ShownBytes::Secret(Secret::new(String::from_utf8_lossy(&self.0)))
        } else {
            ShownBytes::Plain(self)
        }
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes::from(text))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Visitor)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_bytes(&self.0),
        }
    }
}
