//! Values that must not be shown: passwords, tokens, keys.

use std::{cell::RefCell, fmt};

use serde::{Deserialize, Serialize, Serializer};

use crate::settings::redact;

/// What is printed in place of a secret, as upstream prints it.
pub const HIDDEN: &str = "<secret>";

/// Parts of names whose values are secret.
const SECRET: [&str; 8] =
    ["api-key", "apikey", "authorization", "cookie", "credential", "passw", "secret", "token"];

/// Ends of names that only say where to find the value.
const HARMLESS: [&str; 5] = ["_file", "_ref", "_url", "files", "-url"];

/// Whether a key of a configuration, or a header, of that name is likely to have a secret value,
/// also where nobody declared it as one: a key may be misspelled, and a header is only a text.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_known = name == "key" || name.ends_with("_key");
    (is_known || SECRET.iter().any(|part| name.contains(part)))
        && !HARMLESS.iter().any(|end| name.ends_with(end))
}

/// A string that cannot be printed by accident.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value that is not to be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that has to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
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
    /// The secrets that are written on this thread, while somebody wants to know them.
    static WRITTEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// All secrets in settings: whatever is hidden when they are written.
///
/// So there is no second list of where secrets are.
pub fn written_by<T>(write: impl FnOnce() -> T) -> Vec<String> {
    WRITTEN.with_borrow_mut(|written| *written = Some(Vec::new()));
    drop(write());
    let mut secrets = WRITTEN.take().unwrap_or_default();
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

/// Notes the secrets of a URL that is being written without them.
pub fn collect_of_url(url: &str) {
    for secret in redact::secrets_of(url) {
        collect(&secret);
    }
}

/// Notes a secret that is being hidden.
fn collect(secret: &str) {
    if !secret.is_empty() {
        WRITTEN.with_borrow_mut(|written| {
            if let Some(written) = written {
                written.push(secret.to_owned());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_can_be_asked_for() {
        let section = [Secret::new("b"), Secret::default(), Secret::new("a"), Secret::new("b")];
        assert_eq!(written_by(|| serde_json::to_string(&section)), ["a", "b"]);
        assert!(written_by(|| ()).is_empty());
    }

    #[test]
    fn names_tell_of_secrets() {
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
    fn a_secret_is_readable_only_on_purpose() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"<secret>\"");
        assert_eq!(serde_json::to_string(&Secret::default()).unwrap(), "\"\"");
    }
}
