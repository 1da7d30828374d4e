//! The key `metadata`: additional headers of the request.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};

use crate::settings::{
    bytes::Bytes,
    rule::{KeyPath, RuleError},
    secret::is_secret_name,
};

/// Keys and values as configured. All of them are valid headers.
///
/// Unlike in upstream, values are redacted if the name of the key suggests a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, Vec<Bytes>>")]
pub struct Metadata(BTreeMap<String, Vec<Bytes>>);

/// Suffix of keys with binary values.
const BINARY: &str = "-bin";

/// Headers that gRPC sets or HTTP/2 forbids. Upstream also omits those that gRPC sets.
const RESERVED: [&str; 13] = [
    "connection",
    "content-length",
    "content-type",
    "grpc-encoding",
    "grpc-message",
    "grpc-message-type",
    "grpc-status",
    "grpc-timeout",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, values)| {
            let hide = is_secret_name(key);
            (key, values.iter().map(|value| value.shown(hide)).collect::<Vec<_>>())
        }))
    }
}

impl Metadata {
    /// Returns the headers that are sent.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let sent = self.0.iter().filter(|(key, _)| !RESERVED.contains(&key.as_str()));
        sent.flat_map(|(key, values)| {
            values.iter().filter_map(|value| {
                // The configuration parser has validated both.
                Some((HeaderName::from_bytes(key.as_bytes()).ok()?, header_value(key, value)?))
            })
        })
    }

    /// Returns the keys that are not sent.
    pub(super) fn ignored(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|key| RESERVED.contains(key))
    }
}

fn header_value(key: &str, value: &Bytes) -> Option<HeaderValue> {
    if key.ends_with(BINARY) {
        return HeaderValue::try_from(BASE64.encode(value.as_slice())).ok();
    }
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
    let printable = Some(value.as_slice()).filter(|value| value.iter().all(is_printable))?;
    HeaderValue::from_bytes(printable).ok()
}

/// Rejects invalid metadata. Upstream accepts it, and every probe fails.
impl TryFrom<BTreeMap<String, Vec<Bytes>>> for Metadata {
    type Error = RuleError;

    fn try_from(metadata: BTreeMap<String, Vec<Bytes>>) -> Result<Self, RuleError> {
        for (key, values) in &metadata {
            let is_allowed =
                |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
            if key.is_empty() || !key.bytes().all(is_allowed) {
                let message = format!(
                    "'{key}' is not a valid metadata key; use lower-case letters, digits, '-', \
                     '_' and '.'"
                );
                return Err(RuleError::at(key.as_str(), message));
            }
            let wrong = values.iter().position(|value| header_value(key, value).is_none());
            if let Some(index) = wrong {
                let message = format!(
                    "a metadata value must be printable ASCII; for other bytes, use a key that \
                     ends in '{BINARY}'"
                );
                return Err(RuleError::at(KeyPath::from(key.as_str()).index(index), message));
            }
        }
        Ok(Self(metadata))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<Metadata, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn each_value_is_a_header() {
        let metadata =
            parse(json!({"b-bin": ["\u{0}a", ""], "a": ["x y", "z"], "te": ["gzip"]})).unwrap();
        let headers: Vec<_> = metadata
            .headers()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        assert_eq!(headers, ["a: x y", "a: z", "b-bin: AGE", "b-bin: "]);
        assert_eq!(metadata.ignored().collect::<Vec<_>>(), ["te"]);
    }

    #[test]
    fn invalid_metadata_is_rejected() {
        for (metadata, place) in [
            (json!({"Key": ["a"]}), "Key: 'Key' is not a valid metadata key"),
            (json!({"a b": ["a"]}), "\"a b\": 'a b' is not"),
            (json!({":path": ["a"]}), "\":path\": ':path' is not"),
            (json!({"a": ["b", "c\n"]}), "a[1]: a metadata value"),
            (json!({"a": ["ä"]}), "a[0]: a metadata value"),
        ] {
            let error = parse(metadata).unwrap_err();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
