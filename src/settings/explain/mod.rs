//! Descriptions of settings in plain English, for `check --explain` and the module page.
//!
//! Each section has its description; `config` combines them.

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
    /// True if it describes a default.
    pub is_default: bool,
    /// True if the sentence contains its number, like the steps of a dialogue.
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
    /// All topics, in order.
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

    /// Returns the label of the topic.
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
    /// Adds a sentence about a fixed or configured value.
    pub fn say(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(false, topic, text);
    }

    /// Adds a sentence about a default.
    pub fn say_default(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(true, topic, text);
    }

    /// Adds a sentence about a value that is a default if `is_default`.
    pub fn say_of(&mut self, is_default: bool, topic: Topic, text: impl Into<String>) {
        let text = text.into();
        self.statements.push(Statement { topic, text, is_default, has_number: false });
    }

    /// Adds a check, with its name if the module sets one.
    pub fn check(&mut self, is_default: bool, name: Option<&Arc<str>>, text: impl Into<String>) {
        self.say_of(is_default, Topic::Checks, named(text.into(), name));
    }

    /// Adds a step of a dialogue, numbered from 1, with its name if the module sets one.
    pub fn step(&mut self, number: usize, name: Option<&Arc<str>>, text: &str) {
        let text = named(format!("Step {number}: {text}."), name);
        let (topic, is_default, has_number) = (Topic::Checks, false, true);
        self.statements.push(Statement { topic, text, is_default, has_number });
    }

    /// Returns the sentences about a topic, in order.
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

/// Returns bytes in double quotes, escaped; long ones are truncated.
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

/// Returns a header line; credentials are redacted.
#[must_use]
pub fn header(name: &str, value: &str) -> String {
    let value = if secret::is_secret_name(name) { secret::HIDDEN } else { value };
    format!("{name}: {value}")
}

/// Joins items: `a`, `a or b`, `a, b or c`.
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
    fn joins_lists_with_or() {
        let items = |count: usize| ["a", "b", "c"][..count].iter().map(ToString::to_string);
        for (count, expected) in [(0, ""), (1, "a"), (2, "a or b"), (3, "a, b or c")] {
            assert_eq!(any_of(&items(count).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn quotes_and_truncates_bytes() {
        assert_eq!(quoted(&"a\r\nü\"".into()), "\"a\\r\\nü\\\"\"");
        assert_eq!(quoted(&vec![0xff, b'a'].into()), "\"\\xffa\"");
        assert_eq!(
            quoted(&"x".repeat(61).as_str().into()),
            format!("\"{}…\" (61 bytes)", "x".repeat(60))
        );
    }

    #[test]
    fn redacts_credentials_in_headers() {
        assert_eq!(header("Accept", "text/html"), "Accept: text/html");
        assert_eq!(header("Authorization", "Bearer hunter2"), "Authorization: <secret>");
    }
}
