//! The web config file: TLS, users, headers and rate limit of the exporter's own listener.

mod http;
mod tls;

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path};

use serde::Deserialize;
use strict_yaml::{Document, Replacement, RootSection};

pub use self::{
    http::RateLimit,
    tls::{ClientAuth, Curve, Pem, TlsServer},
};
use self::{
    http::{HttpServer, RateLimitSection},
    tls::TlsSection,
};
use crate::{
    config::{ConfigError, Diagnostic, renamed_keys},
    settings::{
        rule::{RuleError, Warning},
        secret::Secret,
    },
};

/// The content of the file, which may be empty.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "RawWebConfig")]
pub struct WebConfig {
    /// True if the file has any key.
    pub has_content: bool,
    /// TLS of the listener, if it is configured.
    pub tls: Option<TlsServer>,
    /// Headers of every response, by name.
    pub headers: BTreeMap<String, String>,
    /// Users and the bcrypt hashes of their passwords; without users, no login is needed.
    pub users: BTreeMap<String, Secret>,
    /// The rate limit, if there is one.
    pub rate_limit: Option<RateLimit>,
    /// Warnings about the file.
    pub warnings: Vec<Warning>,
}

impl WebConfig {
    /// Parses the text of the file at `path` and passes it to `finish`, whose error has the path of
    /// a key. All errors of the text are reported at once.
    pub fn read<T>(
        text: &[u8],
        path: &Path,
        finish: impl FnOnce(Self) -> Result<T, RuleError>,
    ) -> Result<T, ConfigError> {
        Self::read_and_remark(text, path, finish).map(|(finished, _)| finished)
    }

    /// As [`Self::read`], with the warnings about the file.
    pub fn read_and_remark<T>(
        text: &[u8],
        path: &Path,
        finish: impl FnOnce(Self) -> Result<T, RuleError>,
    ) -> Result<(T, Vec<Diagnostic>), ConfigError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let finish = |mut config: Self| {
            if let Some(tls) = &mut config.tls {
                tls.resolve(folder);
            }
            finish(config)
        };
        let name = path.display().to_string();
        strict_yaml::decode_document(Document { name: &name, text }, finish)
    }
}

impl RootSection for WebConfig {
    const NAME: &'static str = "the file";

    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn replacement(path: &[&str], key: &str) -> Option<Replacement> {
        renamed_keys::of_web_config(path, key)
    }
}

/// Maximum cost of bcrypt without a warning; with it a login takes about a second.
const MAX_USUAL_COST: u32 = 14;

/// The costs that the specification of bcrypt allows.
const COSTS: RangeInclusive<u32> = 4..=31;

const MAKE_HASH: &str = "create one with 'htpasswd -nBC 10 USER'";

/// The cost of a bcrypt hash.
fn cost_of(hash: &str) -> Result<u32, String> {
    let hash: bcrypt::HashParts =
        hash.parse().map_err(|error| format!("not a bcrypt hash ({error}); {MAKE_HASH}"))?;
    let cost = hash.get_cost();
    if !COSTS.contains(&cost) {
        let (least, most) = (COSTS.start(), COSTS.end());
        return Err(format!(
            "not a bcrypt hash (the cost {cost} is not in the range {least} to {most}); {MAKE_HASH}"
        ));
    }
    Ok(cost)
}

/// The keys of the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawWebConfig {
    tls_server_config: Option<TlsSection>,
    http_server_config: Option<HttpServer>,
    basic_auth_users: Option<BTreeMap<String, Secret>>,
    rate_limit: Option<RateLimitSection>,
}

impl TryFrom<RawWebConfig> for WebConfig {
    type Error = RuleError;

    fn try_from(raw: RawWebConfig) -> Result<Self, RuleError> {
        let has_content = raw.tls_server_config.is_some()
            || raw.http_server_config.is_some()
            || raw.basic_auth_users.is_some()
            || raw.rate_limit.is_some();
        let TlsSection { server: tls, warnings } = raw.tls_server_config.unwrap_or_default();
        let warnings = warnings.into_iter().map(|warning| warning.inside("tls_server_config"));
        let mut warnings: Vec<_> = warnings.collect();
        let users = raw.basic_auth_users.unwrap_or_default();
        let mut costs = Vec::new();
        for (user, hash) in &users {
            let cost = cost_of(hash.expose())
                .map_err(|message| RuleError::at(["basic_auth_users", user], message))?;
            if cost > MAX_USUAL_COST {
                let message = format!(
                    "the hash of {user} has a cost of {cost}, so that a login can take seconds and \
                     delay all others; use a cost of at most {MAX_USUAL_COST}"
                );
                warnings.push(Warning::at("basic_auth_users", message));
            }
            costs.push(cost);
        }
        if costs.iter().min() != costs.iter().max() {
            let message = "the hashes have different costs, so that the time of a failed login can \
                           reveal whether the user exists; use the same cost for all";
            warnings.push(Warning::at("basic_auth_users", message));
        }
        if tls.is_none() && !users.is_empty() {
            warnings.push(Warning::new(
                "passwords are sent unencrypted without TLS; set tls_server_config",
            ));
        }
        Ok(Self {
            has_content,
            tls,
            headers: raw.http_server_config.unwrap_or_default().headers,
            users,
            rate_limit: raw.rate_limit.unwrap_or_default().0,
            warnings,
        })
    }
}
