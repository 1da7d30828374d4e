//! Redaction of the secrets that a probe uses: passwords, tokens, and data of secret steps.
//!
//! A peer may repeat a secret in text that the log or a failure quotes. Therefore all texts of a
//! report are searched for the secrets of the probe. A peer also chooses secrets, such as cookies.
//! Their total size is limited; beyond the limit, whole texts are replaced.

pub(crate) mod decoding;
mod forms;
pub(crate) mod places;
mod redactor;

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use forms::{FORMS, basic_password};
pub use redactor::Redactor;

/// Secrets of a probe.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Patterns>);

/// Texts to search for.
#[derive(Debug, Default)]
struct Patterns {
    /// The details of each text. The texts are [folded].
    known: BTreeMap<Vec<u8>, Details>,
    /// Total length of the texts in bytes.
    bytes: usize,
    /// True if a secret was omitted because of a limit.
    is_incomplete: bool,
}

/// Details of a text to search for.
#[derive(Debug, Clone, Copy)]
struct Details {
    /// Length of the beginning that is not secret, in bytes.
    context: usize,
    /// Length of the complete secret with its context, in bytes.
    length: usize,
    /// The replacement of the secret.
    shown: &'static str,
}

/// Minimum length of a secret in bytes. Shorter texts occur anywhere: replacing them would reveal them.
pub const MIN_SECRET: usize = 4;

/// Minimum length of a word that is redacted as a part of a longer secret; commands have up to six
/// letters.
const MIN_WORD: usize = 7;

/// Maximum length of a text that is searched for, in bytes. A longer secret is recognised by its
/// beginning.
const MAX_PATTERN: usize = 64;

/// Length of the beginning of a secret from which the texts are made, in bytes. Decoded, it is longer than
/// a text.
const MAX_BEGINNING: usize = 1 << 10;

/// Maximum total length of the texts in bytes, since a peer chooses the number of cookies and redirects.
/// The automaton is built in less than a millisecond.
const MAX_BYTES: usize = 16 << 10;

/// Maximum length of a secret whose words are redacted, in bytes.
const MAX_WORDS: usize = 64 << 10;

impl Secrets {
    /// Records a secret; `shown` replaces it.
    pub fn note(&self, secret: &[u8], shown: &'static str) {
        self.noted().add(b"", secret, shown);
    }

    /// Records a secret and its words. A secret step may send a command and a password, and the peer
    /// may repeat one of them.
    pub fn note_with_words(&self, secret: &[u8], shown: &'static str) {
        self.noted().add_with_words(secret, shown);
    }

    /// Records a secret that is redacted only after a `context`. It may be short.
    pub fn note_after(&self, context: &str, secret: &str, shown: &'static str) {
        self.noted().add(context.as_bytes(), secret.as_bytes(), shown);
    }

    /// Records that there are secrets that were not recorded. All texts will be replaced.
    pub fn note_omission(&self) {
        self.noted().is_incomplete = true;
    }

    /// Returns a redactor for all recorded secrets and for those of the module, and removes them.
    /// `shown` replaces the secrets of the module.
    #[must_use]
    pub fn take(&self, of_module: &[String], shown: &'static str) -> Redactor {
        let mut patterns = std::mem::take(&mut *self.noted());
        for secret in of_module {
            // A secret of many lines is a key. No peer receives it.
            if secret.contains('\n') {
                patterns.add(b"", secret.as_bytes(), shown);
            } else {
                patterns.add_with_words(secret.as_bytes(), shown);
            }
        }
        Redactor::new(patterns)
    }

    fn noted(&self) -> MutexGuard<'_, Patterns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Patterns {
    fn add_with_words(&mut self, secret: &[u8], shown: &'static str) {
        self.add(b"", secret, shown);
        if let Some(password) = basic_password(secret) {
            self.add(b"", &password, shown);
        }
        let Some(searched) = secret.get(..MAX_WORDS.min(secret.len())) else { return };
        self.is_incomplete |= searched.len() < secret.len();
        for word in searched.split(u8::is_ascii_whitespace) {
            if word.len() >= MIN_WORD && word.len() < secret.len() {
                self.add(b"", word, shown);
            }
        }
    }

    /// Adds a secret in all forms in which texts may contain it. The `context` before it is not secret.
    fn add(&mut self, context: &[u8], secret: &[u8], shown: &'static str) {
        // All texts are replaced if it is incomplete.
        if self.is_incomplete {
            return;
        }
        let (beginning, rest) = secret.split_at(secret.len().min(MAX_BEGINNING));
        self.add_form([context, beginning], rest.len(), shown);
        for form in FORMS {
            let texts = [context, beginning].map(form);
            if texts.iter().any(|text| matches!(text, Cow::Owned(_))) {
                let [context, form] = &texts;
                // The rest of a long secret grows too.
                let rest = rest.len() * form.len().div_ceil(beginning.len().max(1));
                self.add_form([context, form], rest, shown);
            }
        }
    }

    /// Adds a context with the beginning of a secret after it. So many bytes of the secret follow.
    fn add_form(&mut self, texts: [&[u8]; 2], rest: usize, shown: &'static str) {
        let [context, secret] = texts;
        let text = texts.concat();
        // The replacement is not secret.
        if secret.is_empty() || text.len() < MIN_SECRET || contains(shown.as_bytes(), &text) {
            return;
        }
        let length = text.len() + rest;
        self.insert(&text, Details { context: context.len(), length, shown });
    }

    fn insert(&mut self, text: &[u8], details: Details) {
        let text = text.get(..MAX_PATTERN).unwrap_or(text);
        // A long context leaves no room for the secret.
        self.is_incomplete |= details.context >= text.len();
        let text: Vec<_> = text.iter().map(|byte| folded(*byte)).collect();
        match self.known.entry(text) {
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.length = known.length.max(details.length);
                known.context = known.context.min(details.context);
            }
            Entry::Vacant(vacant) if self.bytes + vacant.key().len() <= MAX_BYTES => {
                self.bytes += vacant.key().len();
                vacant.insert(details);
            }
            Entry::Vacant(_) => self.is_incomplete = true,
        }
    }
}

/// Returns a byte in lower case, and a space for `+`, as in forms. Texts are compared so: servers change
/// the case of header names and hosts.
fn folded(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "<secret>";

    fn redacted(secrets: &[&str], text: &str) -> String {
        let recorded = Secrets::default();
        for secret in secrets {
            recorded.note(secret.as_bytes(), SHOWN);
        }
        let mut text = text.to_owned();
        recorded.take(&[], SHOWN).redact(&mut text);
        text
    }

    #[test]
    fn words_are_redacted_only_where_a_person_wrote_them() {
        let secrets = Secrets::default();
        secrets.note(b"session of=hunter2", SHOWN);
        secrets.note_with_words(b"AUTH hunter3", SHOWN);
        let module = ["Bearer hunter4", "-----BEGIN KEY-----\nhunter5\n", "basic dTpodW50ZXI2"];
        let module = module.map(str::to_owned);
        let redactor = secrets.take(&module, SHOWN);
        for (text, expected) in [
            ("of=hunter2", "of=hunter2"),
            ("session of=hunter2", "<secret>"),
            ("-ERR AUTH of hunter3 failed", "-ERR AUTH of <secret> failed"),
            ("hunter4", "<secret>"),
            ("hunter5", "hunter5"),
            ("dTpodW50ZXI2 is u:hunter6", "<secret> is u:<secret>"),
            ("-----BEGIN KEY-----\nhunter5\n", "<secret>"),
        ] {
            let mut shown = text.to_owned();
            redactor.redact(&mut shown);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn a_short_secret_is_redacted_in_its_context() {
        let secrets = Secrets::default();
        secrets.note_after("?token=", "ab", "xxxxx");
        let redactor = secrets.take(&[], SHOWN);
        for (text, expected) in [
            ("http://h/?token=ab&x=ab", "http://h/?token=xxxxx&x=ab"),
            ("http://h/%3Ftoken%3Dab", "http://h/%3Ftoken%3Dxxxxx"),
            ("the name is \"?token=\"", "the name is \"?token=\""),
            ("the name is \"?token\"", "the name is \"?token\""),
            ("the name is \"?token=a\"", "the name is \"?token=xxxxx\""),
        ] {
            let mut shown = text.to_owned();
            redactor.redact_failure(&mut shown);
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn the_size_of_the_secrets_is_limited_and_then_texts_are_replaced() {
        let secrets = Secrets::default();
        for number in 0..300 {
            secrets.note(format!("{number:03}{}", "x".repeat(4000)).as_bytes(), SHOWN);
        }
        assert!(secrets.noted().bytes <= MAX_BYTES);
        let redactor = secrets.take(&[], SHOWN);
        for (text, is_replaced) in [("a text without secrets", true), ("200", false)] {
            let mut shown = text.to_owned();
            redactor.redact(&mut shown);
            assert_eq!(shown != text, is_replaced, "{shown}");
        }
    }

    #[test]
    fn the_number_of_words_is_limited_too() {
        for line in [
            (1_000_000..1_004_000).map(|number| number.to_string() + " ").collect::<String>(),
            "many short words ".repeat(MAX_WORDS / 10),
        ] {
            let secrets = Secrets::default();
            secrets.note_with_words(line.as_bytes(), SHOWN);
            let noted = secrets.noted();
            assert!(noted.bytes <= MAX_BYTES && noted.is_incomplete, "{}", noted.bytes);
        }
    }

    #[test]
    fn a_secret_that_is_noted_again_takes_no_room() {
        let secrets = Secrets::default();
        for _ in 0..10_000 {
            secrets.note(&[b'x'; MAX_PATTERN], SHOWN);
        }
        let noted = secrets.noted();
        assert_eq!((noted.bytes, noted.is_incomplete), (MAX_PATTERN, false));
    }

    #[test]
    fn probes_without_secrets_need_no_redaction() {
        assert!(Secrets::default().take(&[], SHOWN).is_idle());
        let secrets = Secrets::default();
        secrets.note(b"abc", SHOWN);
        secrets.note(b"secret", SHOWN);
        assert!(secrets.take(&[], SHOWN).is_idle(), "too short, and a part of the replacement");
        assert_eq!(redacted(&[], "text"), "text");
    }
}
