//! Regular expressions in Go's syntax (see the crate `go_regexp`).

use std::{fmt, ops::Deref};

pub use go_regexp::{Captures, Error, Subject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A regular expression of a configuration file.
#[derive(Clone, PartialEq, Eq)]
pub struct Regexp(go_regexp::Regexp);

impl Regexp {
    /// Parses `pattern`. The error has Go's wording.
    pub fn new(pattern: &str) -> Result<Self, Error> {
        go_regexp::Regexp::new(pattern).map(Self)
    }
}

impl Deref for Regexp {
    type Target = go_regexp::Regexp;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

impl fmt::Display for Regexp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl<'de> Deserialize<'de> for Regexp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pattern = String::deserialize(deserializer)?;
        Self::new(&pattern).map_err(|error| {
            de::Error::custom(format!(
                "\"Could not compile regular expression\" regexp=\"{pattern}\": {error}"
            ))
        })
    }
}

impl Serialize for Regexp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_serialize_as_text() {
        let regexp: Regexp = serde_json::from_str(r#""^a+$""#).unwrap();
        assert_eq!(regexp, Regexp::new("^a+$").unwrap());
        assert_eq!(serde_json::to_string(&regexp).unwrap(), r#""^a+$""#);
        assert_eq!(format!("{regexp} {regexp:?}"), r#"^a+$ Regexp("^a+$")"#);
        let error = serde_json::from_str::<Regexp>(r#""a**""#).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"Could not compile regular expression\" regexp=\"a**\": \
             error parsing regexp: invalid nested repetition operator: `**`"
        );
    }
}
