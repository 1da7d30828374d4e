//! The version of HTTP that a response says it is in.

use std::fmt;

use http::Version;

/// A version; an HTTP/1 server may name any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpVersion {
    /// The number before the dot.
    pub major: u8,
    /// The number after it.
    pub minor: u8,
}

impl HttpVersion {
    /// The number that the metric shows: 1.1 for HTTP/1.1.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self.major) + f64::from(self.minor) / 10.0
    }
}

impl From<Version> for HttpVersion {
    fn from(version: Version) -> Self {
        let (major, minor) = match version {
            Version::HTTP_10 => (1, 0),
            Version::HTTP_11 => (1, 1),
            Version::HTTP_2 => (2, 0),
            Version::HTTP_3 => (3, 0),
            _ => (0, 9),
        };
        Self { major, minor }
    }
}

/// The form that modules use.
impl fmt::Display for HttpVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HTTP/{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_a_name_and_a_number() {
        for (version, name, number) in [
            (Version::HTTP_10, "HTTP/1.0", 1.0),
            (Version::HTTP_11, "HTTP/1.1", 1.1),
            (Version::HTTP_2, "HTTP/2.0", 2.0),
            (Version::HTTP_3, "HTTP/3.0", 3.0),
        ] {
            let version = HttpVersion::from(version);
            assert_eq!(version.to_string(), name);
            assert!((version.number() - number).abs() < f64::EPSILON, "{name}");
        }
    }
}
