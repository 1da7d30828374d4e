//! Header names and values in a configuration file.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};

use crate::settings::{
    rule::RuleError,
    secret::{Secret, is_secret_name},
};

/// The `headers` of a request, by name as written. All of them are valid HTTP headers.
///
/// Unlike upstream: values are redacted if the name of the header suggests a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct RequestHeaders(BTreeMap<String, String>);

impl RequestHeaders {
    /// Returns names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the name as written and the value of the header `name`, ignoring case.
    ///
    /// If a name is written in several spellings, the last one is returned; that one is sent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&str, &str)> {
        self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).last()
    }

    /// Returns the names that are written in more than one spelling, in their canonical form.
    #[must_use]
    pub fn repeated(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().map(|name| canonical(name)).collect();
        names.sort_unstable();
        let mut repeated: Vec<_> = names
            .windows(2)
            .filter(|pair| pair.first() == pair.last())
            .flatten()
            .cloned()
            .collect();
        repeated.dedup();
        repeated
    }
}

impl Serialize for RequestHeaders {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, Shown::of(name, value))))
    }
}

/// A value to print, redacted if its name suggests a secret.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown<'v> {
    /// A value that is not secret.
    Plain(&'v str),
    /// A secret value.
    Secret(Secret),
}

impl<'v> Shown<'v> {
    /// Returns the value of a header or parameter with this name.
    #[must_use]
    pub fn of(name: &str, value: &'v str) -> Self {
        if is_secret_name(name) { Self::Secret(Secret::new(value)) } else { Self::Plain(value) }
    }
}

impl TryFrom<BTreeMap<String, String>> for RequestHeaders {
    type Error = RuleError;

    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, RuleError> {
        for (name, value) in &headers {
            check(name, value).map_err(|message| RuleError::at(name.as_str(), message))?;
        }
        Ok(Self(headers))
    }
}

/// Checks the name and the value of a header.
///
/// Upstream finds such errors only when it probes.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    check_name(name)?;
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "the value of header '{name}' contains a line break or another control character"
        )),
    }
}

/// Checks the name of a header.
pub fn check_name(name: &str) -> Result<(), String> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("'{name}' is not a valid header name; use letters, digits and '-'")),
    }
}

/// Returns the canonical spelling of a header name: `accept-encoding` becomes `Accept-Encoding`.
#[must_use]
pub fn canonical(name: &str) -> String {
    if check_name(name).is_err() {
        return name.to_owned();
    }
    let mut upper = true;
    name.chars()
        .map(|letter| {
            let spelled =
                if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
            upper = letter == '-';
            spelled
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Result<RequestHeaders, RuleError> {
        let map = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        RequestHeaders::try_from(map.collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn names_become_canonical() {
        for (written, usual) in [
            ("accept-encoding", "Accept-Encoding"),
            ("ACCEPT-ENCODING", "Accept-Encoding"),
            ("x--y", "X--Y"),
            ("not a name", "not a name"),
        ] {
            assert_eq!(canonical(written), usual);
        }
    }

    #[test]
    fn rejects_invalid_headers() {
        assert!(headers(&[("A", "b"), ("X-Tab", "a\tb"), ("Umlaut", "ä"), ("Empty", "")]).is_ok());
        for (name, value) in [("", "a"), ("a b", "c"), ("a:", "b"), ("A", "b\nc"), ("A", "b\0")] {
            assert!(headers(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn redacts_values_with_secret_names() {
        let headers = headers(&[("Accept", "a"), ("authorization", "b"), ("X-Api-Key", "c")]);
        let shown = serde_json::to_string(&headers.unwrap()).unwrap();
        let expected = r#"{"Accept":"a","X-Api-Key":"<secret>","authorization":"<secret>"}"#;
        assert_eq!(shown, expected);
    }

    #[test]
    fn last_of_two_spellings_wins() {
        let headers = headers(&[("accept", "b"), ("Accept", "a"), ("Via", "c")]).unwrap();
        assert_eq!(headers.find("ACCEPT"), Some(("accept", "b")));
        assert_eq!(headers.repeated(), ["Accept"]);
    }
}
