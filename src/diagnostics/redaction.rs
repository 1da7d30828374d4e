//! Redaction of the secrets that a probe uses: passwords, tokens, and data of secret steps.
//!
//! A peer may repeat a secret in text that the log or a failure quotes. Therefore all texts of a
//! report are searched for the secrets of the probe.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Secrets of a probe, each with its replacement.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Vec<(String, String)>>);

/// Replaces secrets in texts.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Sorted by decreasing length, so that no part of a secret remains.
    known: Vec<(String, String)>,
}

/// Minimum length of a secret in bytes. Shorter texts occur anywhere: replacing them would reveal them.
const MIN_SECRET: usize = 4;

/// Minimum length of a word that is redacted as a part of a longer secret; commands have up to six
/// letters.
const MIN_WORD: usize = 7;

/// Maximum number of secrets of a probe, since a peer chooses the number of redirects.
const MAX_SECRETS: usize = 256;

impl Secrets {
    /// Records a secret; `shown` replaces it.
    pub fn note(&self, secret: impl Into<String>, shown: impl Into<String>) {
        let mut noted = self.noted();
        let secret = secret.into();
        if secret.len() >= MIN_SECRET && noted.len() < MAX_SECRETS {
            noted.push((secret, shown.into()));
        }
    }

    /// Returns a redactor for all recorded secrets and `others`, and removes them.
    #[must_use]
    pub fn take(&self, others: impl Iterator<Item = (String, String)>) -> Redactor {
        let mut noted = std::mem::take(&mut *self.noted());
        noted.extend(others.filter(|(secret, _)| secret.len() >= MIN_SECRET));
        // Most probes have no secrets.
        if noted.is_empty() {
            return Redactor::default();
        }
        let mut known = Vec::with_capacity(noted.len());
        for (secret, shown) in noted {
            for form in forms(&secret) {
                // The replacement is not secret.
                if !shown.contains(&form) {
                    known.push((form, shown.clone()));
                }
            }
        }
        known.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then(one.cmp(other)));
        known.dedup_by(|(one, _), (other, _)| one == other);
        Redactor { known }
    }

    fn noted(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a secret and its words: unchanged, quoted as in logs and messages, and percent-encoded.
fn forms(secret: &str) -> Vec<String> {
    // A secret step may send a command and a password, and the peer may repeat one of them.
    let words = secret.split_ascii_whitespace();
    let words = words.filter(|word| word.len() >= MIN_WORD && word.len() < secret.len());
    let mut forms: Vec<_> = words.chain([secret]).flat_map(forms_of).collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn forms_of(secret: &str) -> [String; 5] {
    let encoded = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
    [
        secret.to_owned(),
        secret.escape_debug().to_string(),
        secret.as_bytes().escape_ascii().to_string(),
        encoded.replace('+', "%20"),
        encoded,
    ]
}

/// Returns the position in `text` of a prefix of `secret` that `text` ends with.
fn prefix_position(text: &str, secret: &str) -> Option<usize> {
    let first = text.floor_char_boundary(text.len().saturating_sub(secret.len()));
    let last = text.len().checked_sub(MIN_SECRET)?;
    (first..=last).find(|start| text.get(*start..).is_some_and(|rest| secret.starts_with(rest)))
}

/// Returns the next end of a quotation in `text`, complete or shortened, from `done` on.
fn next_end(text: &str, done: usize) -> Option<usize> {
    let from = text.ceil_char_boundary(done);
    text.get(from..)?.find(['"', '…']).map(|at| from + at)
}

impl Redactor {
    /// Returns true if there are no secrets.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.known.is_empty()
    }

    /// Replaces prefixes of secrets at the end of a quotation: the text may have been quoted before the
    /// peer had sent all of the secret, or the quotation is shortened.
    pub fn redact_prefixes(&self, text: &mut String) {
        for (secret, shown) in &self.known {
            let mut done = 0;
            while let Some(end) = next_end(text, done) {
                done = end + 1;
                let quoted = text.get(..end).unwrap_or_default();
                // The replacement is not secret, such as the scheme of a URL.
                let is_secret =
                    |start: &usize| !quoted.get(*start..).is_some_and(|rest| shown.contains(rest));
                if let Some(start) = prefix_position(quoted, secret).filter(is_secret) {
                    text.replace_range(start..end, shown);
                    done = start + shown.len() + 1;
                }
            }
        }
    }

    /// Replaces the secrets in `text`.
    pub fn redact(&self, text: &mut String) {
        for (secret, shown) in &self.known {
            if text.contains(secret) {
                *text = text.replace(secret, shown);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secrets: &[&str], text: &str) -> String {
        let recorded = Secrets::default();
        for secret in secrets {
            recorded.note(*secret, "<secret>");
        }
        let mut text = text.to_owned();
        recorded.take(std::iter::empty()).redact(&mut text);
        text
    }

    #[test]
    fn secrets_are_replaced_in_every_form() {
        for (secrets, text, expected) in [
            (&["hunter2"][..], "I heard hunter2, hunter2!", "I heard <secret>, <secret>!"),
            (&["hunter", "hunter2"], "hunter2", "<secret>"),
            (&["a \"b\""], r#"got "a \"b\"""#, "got \"<secret>\""),
            (&["p\u{e4}ss"], r"got p\xc3\xa4ss", "got <secret>"),
            (&["a/b c"], "?x=a%2Fb+c&y=a%2Fb%20c", "?x=<secret>&y=<secret>"),
            (&["abc"], "abc", "abc"),
            (&["AUTH hunter2"], "-ERR AUTH of hunter2 failed", "-ERR AUTH of <secret> failed"),
            (&["secret"], "<secret> and secret", "<secret> and secret"),
            (&[], "text", "text"),
        ] {
            assert_eq!(redacted(secrets, text), expected, "{secrets:?}");
        }
    }

    #[test]
    fn prefixes_of_secrets_are_replaced_at_the_end_of_a_quotation() {
        const HIDDEN: &str = "<secret>";
        let url = ("http://u:hunter2@h/", "http://u:xxxxx@h/");
        for (secrets, text, expected) in [
            (&[("hunter2", HIDDEN)][..], r#"got "login: hunt" (4"#, r#"got "login: <secret>" (4"#),
            (&[("hunter2", HIDDEN)], "hunter… (9 bytes)", "<secret>… (9 bytes)"),
            (&[("hunter2", HIDDEN)], r#""hunte"; "hunt""#, r#""<secret>"; "<secret>""#),
            (&[("hunter2", HIDDEN)], r#"the hunt is "hun" on"#, r#"the hunt is "hun" on"#),
            (&[("h\u{fc}nter", HIDDEN)], "\"x h\u{fc}nt\"", "\"x <secret>\""),
            (&[url], r#""http""#, r#""http""#),
            (&[url], r#""http://u:hunt""#, r#""http://u:xxxxx@h/""#),
            (&[], r#""hunt""#, r#""hunt""#),
        ] {
            let recorded = Secrets::default();
            for (secret, shown) in secrets {
                recorded.note(*secret, *shown);
            }
            let mut shown = text.to_owned();
            recorded.take(std::iter::empty()).redact_prefixes(&mut shown);
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn secrets_of_the_module_are_replaced_too() {
        let secrets = Secrets::default();
        assert!(secrets.take(std::iter::empty()).is_idle());
        let others = [("http://u:hunter2@h/".to_owned(), "http://u:xxxxx@h/".to_owned())];
        let mut text = "probing http://u:hunter2@h/".to_owned();
        secrets.take(others.into_iter()).redact(&mut text);
        assert_eq!(text, "probing http://u:xxxxx@h/");
    }

    #[test]
    fn the_number_of_secrets_is_limited() {
        let secrets = Secrets::default();
        for number in 0..2 * MAX_SECRETS {
            secrets.note(format!("secret {number}"), "");
        }
        assert_eq!(secrets.noted().len(), MAX_SECRETS);
    }
}
