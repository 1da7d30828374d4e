//! Values that must not be printed: passwords, tokens, keys.

use std::{cell::RefCell, fmt};

use serde::{Deserialize, Serialize, Serializer};

/// The replacement of a secret in printed settings, the same as upstream's.
pub const HIDDEN: &str = "<secret>";

/// Parts of names that suggest a secret value.
const SECRET: [&str; 8] =
    ["api-key", "apikey", "authorization", "cookie", "credential", "passw", "secret", "token"];

/// Suffixes of names whose values only refer to a secret.
const REFERENCE_SUFFIXES: [&str; 5] = ["_file", "_ref", "_url", "files", "-url"];

/// Returns true if a configuration key or a header of this name is likely to have a secret value.
/// It also covers names that are not declared as secret, such as misspelled keys and headers.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_known = name == "key" || name.ends_with("_key");
    (is_known || SECRET.iter().any(|part| name.contains(part)))
        && !REFERENCE_SUFFIXES.iter().any(|end| name.ends_with(end))
}

/// A string that is redacted when it is printed or serialised.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Returns the value, for the code that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns true if the value is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        collect(self.expose());
        serializer.serialize_str(if self.is_empty() { "" } else { HIDDEN })
    }
}

thread_local! {
    /// The secrets that this thread has serialised, while [`serialized_secrets`] collects them.
    static COLLECTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Returns all secrets that `write` serialises, sorted.
///
/// Serialising a module finds its secrets without a separate list of secret keys.
pub fn serialized_secrets<T>(write: impl FnOnce() -> T) -> Vec<String> {
    COLLECTED.with_borrow_mut(|collected| *collected = Some(Vec::new()));
    drop(write());
    let mut secrets = COLLECTED.take().unwrap_or_default();
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// Records a secret that is being redacted.
pub(super) fn collect(secret: &str) {
    if !secret.is_empty() {
        COLLECTED.with_borrow_mut(|collected| {
            if let Some(collected) = collected {
                collected.push(secret.to_owned());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_serialized_secrets() {
        let section = [Secret::new("b"), Secret::default(), Secret::new("a"), Secret::new("b")];
        assert_eq!(serialized_secrets(|| serde_json::to_string(&section)), ["a", "b"]);
        assert!(serialized_secrets(|| ()).is_empty());
    }

    #[test]
    fn detects_secret_names() {
        for name in
            ["password", "passwrd", "Proxy-Authorization", "X-Api-Key", "key", "bearer_token"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["password_file", "token_url", "username", "secret_files", "keyword", "Accept"]
        {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_redacted_unless_exposed() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"<secret>\"");
        assert_eq!(serde_json::to_string(&Secret::default()).unwrap(), "\"\"");
    }
}
