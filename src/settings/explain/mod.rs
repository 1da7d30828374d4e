//! What settings make a probe do, in words for people.
//!
//! Each section says its own part; `config` puts the parts together.

mod http_client;
mod ip;
mod tls;

use std::sync::Arc;

pub use self::{http_client::Redirects, tls::ServerName};
use crate::settings::{bytes::Bytes, secret};

/// What a module does, told in the order in which a person asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    statements: Vec<Statement>,
}

/// One thing that a module does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is about.
    pub topic: Topic,
    /// A sentence.
    pub text: String,
    /// Whether it is so because the module does not say otherwise.
    pub is_default: bool,
    /// Whether it tells its place among those of its topic itself, such as a step of a dialogue.
    pub has_number: bool,
}

/// What a person asks, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// How is the target read?
    Target,
    /// Which address is probed, from which?
    Address,
    /// How long may it take?
    Time,
    /// Through which proxy does it go?
    Proxy,
    /// Is TLS spoken, and who is trusted?
    Tls,
    /// What is sent?
    Sends,
    /// What is checked, in this order?
    Checks,
    /// What else makes it fail?
    Fails,
    /// What is exported?
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

    /// A word for it.
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
    /// Says what no setting changes, or what the module asks for.
    pub fn say(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(false, topic, text);
    }

    /// Says what is so because the module does not say otherwise.
    pub fn usual(&mut self, topic: Topic, text: impl Into<String>) {
        self.say_of(true, topic, text);
    }

    /// Says something that is a default or is not.
    pub fn say_of(&mut self, is_default: bool, topic: Topic, text: impl Into<String>) {
        let text = text.into();
        self.statements.push(Statement { topic, text, is_default, has_number: false });
    }

    /// Says what is checked, and the name that the module gives it.
    pub fn check(&mut self, is_default: bool, name: Option<&Arc<str>>, text: impl Into<String>) {
        self.say_of(is_default, Topic::Checks, named(text.into(), name));
    }

    /// Says what the step of a dialogue with that number, from 1, does, and the name that the module
    /// gives it.
    pub fn step(&mut self, number: usize, name: Option<&Arc<str>>, text: &str) {
        let text = named(format!("Step {number}: {text}."), name);
        let (topic, is_default, has_number) = (Topic::Checks, false, true);
        self.statements.push(Statement { topic, text, is_default, has_number });
    }

    /// What was said about a topic, in order.
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

/// Bytes that are sent or expected, as they would be written in double quotes; long ones by their
/// beginning.
#[must_use]
pub fn quoted(bytes: &Bytes) -> String {
    const MOST: usize = 60;

    let bytes = bytes.as_slice();
    let shown = match str::from_utf8(bytes) {
        Ok(text) => text.chars().take(MOST).flat_map(char::escape_debug).collect::<String>(),
        Err(_) => {
            bytes.iter().take(MOST).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
        }
    };
    if bytes.len() > MOST {
        format!("\"{shown}…\" ({} bytes)", bytes.len())
    } else {
        format!("\"{shown}\"")
    }
}

/// A header as it is sent; the value of one that carries credentials is not shown.
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
