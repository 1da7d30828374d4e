//! The external URL of the exporter and the path prefix of its routes.

use std::fmt;

use thiserror::Error;
use url::Url;

/// The path prefix of all routes. It begins and ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePrefix(String);

/// The URL under which users reach the exporter, without a trailing slash. It can be only a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalUrl {
    text: String,
    path: String,
}

/// An invalid route prefix or external URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The value contains quotes that the shell should have removed.
    #[error("URL must not begin or end with quotes")]
    Quoted,
    /// The value is not a URL.
    #[error("parse {text:?}: {reason}")]
    InvalidUrl {
        /// The value.
        text: String,
        /// The error of the parser.
        reason: String,
    },
    /// A character that is not allowed in a path.
    #[error("a route prefix cannot contain {0:?}")]
    InvalidCharacter(char),
}

impl RoutePrefix {
    /// Parses a prefix with or without slashes at its ends.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        // The router would read braces as patterns.
        let is_invalid = |character: char| {
            !character.is_ascii_graphic() || matches!(character, '{' | '}' | '?' | '#' | '%')
        };
        if let Some(character) = text.chars().find(|character| is_invalid(*character)) {
            return Err(AddressError::InvalidCharacter(character));
        }
        let inner = text.trim_matches('/');
        Ok(Self(if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") }))
    }

    /// The prefix, for example `/` or `/probes/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of `route` below the prefix.
    #[must_use]
    pub fn join(&self, route: &str) -> String {
        format!("{}{route}", self.0)
    }

    /// Returns true if the routes are at the root of the server.
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
    /// Returns true if a page below this URL has the given origin, such as `https://h.example:8443`.
    pub(super) fn has_origin(&self, origin: &str) -> bool {
        Url::parse(&self.text).is_ok_and(|url| url.origin().ascii_serialization() == origin)
    }

    /// Parses an absolute URL or a path.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return Err(AddressError::Quoted);
        }
        let refuse = |reason: &str| AddressError::InvalidUrl {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        match Url::parse(text) {
            Ok(url) if url.cannot_be_a_base() => Err(refuse("not an http or https URL")),
            Ok(mut url) => {
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
                // A parsed URL keeps a trailing slash only at the root.
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

    /// The path of the URL; empty at the root.
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
    fn external_urls_have_no_trailing_slash() {
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
    fn invalid_urls_are_rejected() {
        for given in ["'http://h/'", "\"x", "http://a:b/", "http://", "mailto:x@y", "a b", ":"] {
            assert!(ExternalUrl::parse(given).is_err(), "{given}");
        }
    }
}
