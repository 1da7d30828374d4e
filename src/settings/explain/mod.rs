//! Descriptions of settings in words, for `check --explain` and the page of modules.
//!
//! Each section describes itself; `config` puts the parts together.

mod http_client;
mod ip;
mod tls;

use std::sync::Arc;

pub use self::{http_client::Redirects, tls::ServerName};
use crate::settings::{bytes::Bytes, secret};

/// The description of a module, by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    statements: Vec<Statement>,
}

/// One sentence of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its topic.
    pub topic: Topic,
    /// The sentence.
    pub text: String,
    /// Whether it describes a default.
    pub is_default: bool,
    /// Whether the sentence contains its number, as steps of a dialogue do.
    pub has_number: bool,
}

/// The topics of a description, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The format of the target.
    Target,
    /// The addresses that are used.
    Address,
    /// The timeout.
    Time,
    /// The proxy.
    Proxy,
    /// The TLS settings.
    Tls,
    /// The data that is sent.
    Sends,
    /// The checks, in order.
    Checks,
    /// Other reasons to fail.
    Fails,
    /// The metrics that are exported.
    Exports,
}

impl Topic {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::Target,
        Self::Address,
        Self::Time,
        Self::Proxy,
        Self::Tls,
        Self::Sends,
        Self::Checks,
        Self::Fails,
        Self::Exports,
    ];

    /// The label of the topic.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Target => "Target",
            Self::Address => "Address",
            Self::Time => "Time",
            Self::Proxy => "Proxy",
            Self::Tls => "TLS",
            Self::Sends => "Sends",
            Self::Checks => "Checks",
            Self::Fails => "Fails",
            Self::Exports => "Exports",
        }
    }
}

impl Explanation {
    /// Adds a sentence about something fixed or configured.
    pub fn say(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(false, topic, text);
    }

    /// Adds a sentence about a default.
    pub fn say_default(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(true, topic, text);
    }

    /// Adds a sentence about something that may be a default.
    pub fn say_of(&mut self, is_default: bool, topic: Topic, text: impl Into<String>) {
        let text = text.into();
        self.statements.push(Statement { topic, text, is_default, has_number: false });
    }

    /// Adds a check, with the name that the module gives it.
    pub fn check(&mut self, is_default: bool, name: Option<&Arc<str>>, text: impl Into<String>) {
        self.say_of(is_default, Topic::Checks, named(text.into(), name));
    }

    /// Adds a step of a dialogue, counted from 1, with the name that the module gives it.
    pub fn step(&mut self, number: usize, name: Option<&Arc<str>>, text: &str) {
        let text = named(format!("Step {number}: {text}."), name);
        let (topic, is_default, has_number) = (Topic::Checks, false, true);
        self.statements.push(Statement { topic, text, is_default, has_number });
    }

    /// The sentences about a topic, in order.
    pub fn about(&self, topic: Topic) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(move |statement| statement.topic == topic)
    }
}

fn named(text: String, name: Option<&Arc<str>>) -> String {
    match name {
        Some(name) => format!("{text} Named {name}."),
        None => text,
    }
}

/// Bytes as they are written in double quotes; long ones are truncated.
#[must_use]
pub fn quoted(bytes: &Bytes) -> String {
    const MAX_SHOWN: usize = 60;

    let bytes = bytes.as_slice();
    let shown = match str::from_utf8(bytes) {
        Ok(text) => text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect::<String>(),
        Err(_) => bytes
            .iter()
            .take(MAX_SHOWN)
            .flat_map(|byte| byte.escape_ascii())
            .map(char::from)
            .collect(),
    };
    if bytes.len() > MAX_SHOWN {
        format!("\"{shown}…\" ({} bytes)", bytes.len())
    } else {
        format!("\"{shown}\"")
    }
}

/// A header as it is sent; values that are credentials are replaced.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    let value = if secret::is_secret_name(name) { secret::HIDDEN } else { value };
    format!("{name}: {value}")
}

/// `a`, `a or b`, `a, b or c`.
#[must_use]
pub fn any_of(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [all @ .., last] => format!("{} or {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        let items = |count: usize| ["a", "b", "c"][..count].iter().map(ToString::to_string);
        for (count, expected) in [(0, ""), (1, "a"), (2, "a or b"), (3, "a, b or c")] {
            assert_eq!(any_of(&items(count).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn bytes_are_quoted_and_cut() {
        assert_eq!(quoted(&"a\r\nü\"".into()), "\"a\\r\\nü\\\"\"");
        assert_eq!(quoted(&vec![0xff, b'a'].into()), "\"\\xffa\"");
        assert_eq!(
            quoted(&"x".repeat(61).as_str().into()),
            format!("\"{}…\" (61 bytes)", "x".repeat(60))
        );
    }

    #[test]
    fn credentials_in_headers_are_not_shown() {
        assert_eq!(header("Accept", "text/html"), "Accept: text/html");
        assert_eq!(header("Authorization", "Bearer hunter2"), "Authorization: <secret>");
    }
}
