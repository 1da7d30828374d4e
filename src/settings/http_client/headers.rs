//! The section `http_headers`: headers with several values, inline, secret or from files.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use crate::settings::{
    header::{self, Shown},
    rule::{KeyPath, RuleError},
    secret::Secret,
    section::section,
};

/// Headers that are added to a request, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct AddedHeaders(BTreeMap<String, HeaderValues>);

section! {
    /// Values of one header. All of them are sent: values, secrets, then contents of files.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HeaderValues {
        /// Values that are printed.
        pub values: Vec<String>,
        /// Values that are not printed.
        pub secrets: Vec<Secret>,
        /// Files that contain one value each; surrounding white space is removed.
        pub files: Vec<PathBuf>,
    }
}

/// Headers that the client sets, or that have their own keys.
const RESERVED: [&str; 18] = [
    "Accept-Encoding",
    "Authorization",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Host",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "User-Agent",
    "Www-Authenticate",
    "X-Amz-Content-Sha256",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
];

impl Serialize for AddedHeaders {
    /// Serialises headers, and redacts values whose names suggest a secret.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(
            |(name, HeaderValues { values, secrets, files })| {
                let values = values.iter().map(|value| Shown::of(name, value)).collect();
                (name, ShownValues { values, secrets, files })
            },
        ))
    }
}

/// [`HeaderValues`] for printing.
#[derive(Serialize)]
struct ShownValues<'v> {
    values: Vec<Shown<'v>>,
    secrets: &'v [Secret],
    files: &'v [PathBuf],
}

impl AddedHeaders {
    /// Returns names as written and their values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValues)> + Clone {
        self.0.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// Rejects reserved headers and invalid names and values. `path` is that of the section.
    pub(super) fn check(&self, path: &KeyPath) -> Result<(), RuleError> {
        for (name, values) in self.iter() {
            let path = path.clone().key(name);
            let usual = header::canonical(name);
            if RESERVED.contains(&usual.as_str()) {
                let message = format!("setting header \"{usual}\" is not allowed");
                return Err(RuleError::at(path, message));
            }
            values.check(name, &path)?;
        }
        Ok(())
    }
}

impl HeaderValues {
    /// Rejects invalid values of the header `name`. `path` is that of the key.
    pub fn check(&self, name: &str, path: &KeyPath) -> Result<(), RuleError> {
        header::check_name(name).map_err(|message| RuleError::at(path.clone(), message))?;
        let values = self.values.iter().map(String::as_str).enumerate();
        let secrets = self.secrets.iter().map(Secret::expose).enumerate();
        let all = values.map(|value| ("values", value)).chain(secrets.map(|s| ("secrets", s)));
        for (list, (index, value)) in all {
            header::check(name, value)
                .map_err(|message| RuleError::at(path.clone().key(list).index(index), message))?;
        }
        Ok(())
    }
}
