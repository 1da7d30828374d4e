//! Header names and values that a configuration file gives.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, Serializer};

use crate::settings::{
    rule::RuleError,
    secret::{Secret, is_secret_name},
};

/// The `headers` of a request, by name as written; each can be sent as it is.
///
/// Unlike upstream: those that are secret by their name are not shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct RequestHeaders(BTreeMap<String, String>);

impl RequestHeaders {
    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The name as written and the value of the header `name`, whose case does not matter.
    ///
    /// Of two spellings of one name the last counts, which is the one that is sent.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(&str, &str)> {
        self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).last()
    }

    /// Names that are there in more than one spelling, in their canonical form.
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

/// A value as it may be shown under its name.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Shown<'v> {
    /// It may be shown.
    Plain(&'v str),
    /// It may not.
    Secret(Secret),
}

impl<'v> Shown<'v> {
    /// The value of a header, or of something like it, with this name.
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

/// Says what is wrong with a header, if anything is.
///
/// Upstream finds this only when it probes.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    check_name(name)?;
    match HeaderValue::from_bytes(value.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the value of '{name}' holds a line break or a control character")),
    }
}

/// Says what is wrong with a header's name, if anything is.
pub fn check_name(name: &str) -> Result<(), String> {
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("'{name}' is not a header name: letters, digits and - make one")),
    }
}

/// The usual spelling of a header's name: `accept-encoding` becomes `Accept-Encoding`.
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
    fn names_are_spelled_in_the_usual_way() {
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
    fn what_cannot_be_sent_is_refused() {
        assert!(headers(&[("A", "b"), ("X-Tab", "a\tb"), ("Umlaut", "ä"), ("Empty", "")]).is_ok());
        for (name, value) in [("", "a"), ("a b", "c"), ("a:", "b"), ("A", "b\nc"), ("A", "b\0")] {
            assert!(headers(&[(name, value)]).is_err(), "{name:?}: {value:?}");
        }
    }

    #[test]
    fn what_is_secret_by_name_is_not_shown() {
        let headers = headers(&[("Accept", "a"), ("authorization", "b"), ("X-Api-Key", "c")]);
        let shown = serde_json::to_string(&headers.unwrap()).unwrap();
        let expected = r#"{"Accept":"a","X-Api-Key":"<secret>","authorization":"<secret>"}"#;
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_last_of_two_spellings_counts() {
        let headers = headers(&[("accept", "b"), ("Accept", "a"), ("Via", "c")]).unwrap();
        assert_eq!(headers.find("ACCEPT"), Some(("accept", "b")));
        assert_eq!(headers.repeated(), ["Accept"]);
    }
}
