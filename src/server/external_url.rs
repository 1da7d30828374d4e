//! Where the exporter is reached: the prefix of its routes and the URL that users see.

use std::fmt;

use thiserror::Error;
use url::Url;

/// The path below which all routes lie; begins and ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePrefix(String);

/// The URL under which users reach the exporter, without a slash at its end; possibly only a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUrl {
    text: String,
    path: String,
}

/// Why a prefix or an external URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A shell left its quotes in the value.
    #[error("URL must not begin or end with quotes")]
    Quoted,
    /// It does not parse.
    #[error("parse {text:?}: {reason}")]
    NoUrl {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A character that a path cannot hold as it is.
    #[error("a route prefix cannot contain {0:?}")]
    Character(char),
}

impl RoutePrefix {
    /// Takes a prefix with or without its slashes.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // The braces would be patterns to the router.
        let strange = |character: char| {
            !character.is_ascii_graphic() || matches!(character, '{' | '}' | '?' | '#' | '%')
        };
        if let Some(character) = text.chars().find(|character| strange(*character)) {
            return Err(AddressError::Character(character));
        }
        let inner = text.trim_matches('/');
        Ok(Self(if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") }))
    }

    /// The prefix itself, such as `/` or `/probes/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of a route below the prefix.
    #[must_use]
    pub fn join(&self, route: &str) -> String {
        format!("{}{route}", self.0)
    }

    /// Whether routes lie at the root of the server.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }
}

impl Default for RoutePrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ExternalUrl {
    /// Takes an absolute URL or a mere path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return Err(AddressError::Quoted);
        }
        let refuse =
            |reason: &str| AddressError::NoUrl { text: text.to_owned(), reason: reason.to_owned() };
        match Url::parse(text) {
            Ok(url) if url.cannot_be_a_base() => Err(refuse("not the URL of a web server")),
            Ok(mut url) => {
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
                // Only the root keeps its slash in a parsed URL.
                let text = url.as_str().trim_end_matches('/').to_owned();
                Ok(Self { text, path })
            }
            Err(_) if text.starts_with(':') => Err(refuse("missing protocol scheme")),
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                let inner = RoutePrefix::parse(text).map_err(|error| refuse(&error.to_string()))?;
                let path = inner.0.trim_end_matches('/').to_owned();
                Ok(Self { text: path.clone(), path })
            }
            Err(error) => Err(refuse(&error.to_string())),
        }
    }

    /// Its path; empty at the root.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_begin_and_end_with_a_slash() {
        for (given, expected) in
            [("", "/"), ("/", "/"), ("//", "/"), ("a", "/a/"), ("/a/b/", "/a/b/"), ("a/", "/a/")]
        {
            assert_eq!(RoutePrefix::parse(given).unwrap().as_str(), expected, "{given:?}");
        }
        assert!(RoutePrefix::parse("/{a}/").is_err());
        assert!(RoutePrefix::parse("/a b/").is_err());
    }

    #[test]
    fn external_urls_lose_the_slash_at_their_end() {
        let cases = [
            ("http://h:9115/", "http://h:9115", ""),
            ("http://h/a/b/", "http://h/a/b", "/a/b"),
            ("https://h", "https://h", ""),
            ("foo/bar", "/foo/bar", "/foo/bar"),
            ("/foo/", "/foo", "/foo"),
            ("/", "", ""),
        ];
        for (given, text, path) in cases {
            let url = ExternalUrl::parse(given).unwrap();
            assert_eq!((url.to_string().as_str(), url.path()), (text, path), "{given}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for given in ["'http://h/'", "\"x", "http://a:b/", "http://", "mailto:x@y", "a b", ":"] {
            assert!(ExternalUrl::parse(given).is_err(), "{given}");
        }
    }
}
