//! What a probe knows and must not tell: passwords, tokens, and what it was told to keep quiet.
//!
//! A peer may repeat what it was sent, in a line that the log or a failure quotes. So whatever
//! a probe tells is searched for what it had to keep to itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The secrets that one probe meets, with what is shown instead.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Vec<(String, String)>>);

/// Takes secrets out of texts.
#[derive(Debug, Default)]
pub struct Redactor {
    /// The longest first, so that none is left in part.
    known: Vec<(String, String)>,
}

/// Shorter texts occur anywhere: to take them out would say what they are, and spoil the rest.
const SHORTEST: usize = 4;

/// Shorter words of a longer secret are left alone; commands have up to six letters.
const SHORTEST_WORD: usize = 7;

/// More are not kept of one probe; a peer may choose how often it redirects.
const MOST: usize = 256;

impl Secrets {
    /// Notes that `secret` must not be told; `shown` stands in its place.
    pub fn note(&self, secret: impl Into<String>, shown: impl Into<String>) {
        let mut noted = self.noted();
        let secret = secret.into();
        if secret.len() >= SHORTEST && noted.len() < MOST {
            noted.push((secret, shown.into()));
        }
    }

    /// Takes them all out, as what takes them and `others` out of texts.
    #[must_use]
    pub fn take(&self, others: impl Iterator<Item = (String, String)>) -> Redactor {
        let mut noted = std::mem::take(&mut *self.noted());
        noted.extend(others.filter(|(secret, _)| secret.len() >= SHORTEST));
        // Nearly all probes have none.
        if noted.is_empty() {
            return Redactor::default();
        }
        let mut known = Vec::with_capacity(noted.len());
        for (secret, shown) in noted {
            for form in forms(&secret) {
                // What stands for a secret is none.
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

/// A secret and its words, each as it is, as logs and messages quote it, and as URLs and forms hold
/// it.
fn forms(secret: &str) -> Vec<String> {
    // What is sent may be a command and a password, of which a peer repeats one.
    let words = secret.split_ascii_whitespace();
    let words = words.filter(|word| word.len() >= SHORTEST_WORD && word.len() < secret.len());
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

/// The place where the beginning of `secret` begins that `text` ends with.
fn beginning(text: &str, secret: &str) -> Option<usize> {
    let first = text.floor_char_boundary(text.len().saturating_sub(secret.len()));
    let last = text.len().checked_sub(SHORTEST)?;
    (first..=last).find(|start| text.get(*start..).is_some_and(|rest| secret.starts_with(rest)))
}

/// The next end of a quotation in `text`, or of what is shown of one that is cut, from `done` on.
fn next_end(text: &str, done: usize) -> Option<usize> {
    let from = text.ceil_char_boundary(done);
    text.get(from..)?.find(['"', '…']).map(|at| from + at)
}

impl Redactor {
    /// Whether there is nothing to take out.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes out of `text` also the beginnings of secrets at the end of a quotation: a peer had not
    /// repeated all of one when its text was quoted, or the quotation is cut.
    pub fn redact_beginnings(&self, text: &mut String) {
        for (secret, shown) in &self.known {
            let mut done = 0;
            while let Some(end) = next_end(text, done) {
                done = end + 1;
                let quoted = text.get(..end).unwrap_or_default();
                // What stands for a secret is none, such as the scheme of a URL.
                let is_secret =
                    |start: &usize| !quoted.get(*start..).is_some_and(|rest| shown.contains(rest));
                if let Some(start) = beginning(quoted, secret).filter(is_secret) {
                    text.replace_range(start..end, shown);
                    done = start + shown.len() + 1;
                }
            }
        }
    }

    /// Takes the secrets out of `text`.
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

    fn scrubbed(secrets: &[&str], text: &str) -> String {
        let hidden = Secrets::default();
        for secret in secrets {
            hidden.note(*secret, "<secret>");
        }
        let mut text = text.to_owned();
        hidden.take(std::iter::empty()).redact(&mut text);
        text
    }

    #[test]
    fn secrets_are_taken_out_in_every_form() {
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
            assert_eq!(scrubbed(secrets, text), expected, "{secrets:?}");
        }
    }

    #[test]
    fn beginnings_of_secrets_are_taken_out_where_a_quotation_ends() {
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
            let hidden = Secrets::default();
            for (secret, shown) in secrets {
                hidden.note(*secret, *shown);
            }
            let mut shown = text.to_owned();
            hidden.take(std::iter::empty()).redact_beginnings(&mut shown);
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn what_others_know_counts_too() {
        let hidden = Secrets::default();
        assert!(hidden.take(std::iter::empty()).is_idle());
        let others = [("http://u:hunter2@h/".to_owned(), "http://u:xxxxx@h/".to_owned())];
        let mut text = "probing http://u:hunter2@h/".to_owned();
        hidden.take(others.into_iter()).redact(&mut text);
        assert_eq!(text, "probing http://u:xxxxx@h/");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let hidden = Secrets::default();
        for number in 0..2 * MOST {
            hidden.note(format!("secret {number}"), "");
        }
        assert_eq!(hidden.noted().len(), MOST);
    }
}
