//! The keys of the proxy of a request.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::settings::{
    header,
    host_name::check_of_url,
    http_client::no_proxy::NoProxy,
    redact::{self, MASK},
    rule::{KeyPath, RuleError},
    secret::Secret,
    section::{EmptyIsNone, section},
};

section! {
    /// The proxy of a request: keys of an HTTP client and of `oauth2`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ProxySettings {
        /// Proxy: `http://`, `https://`, `socks5://` or `socks5h://`. User and password in the URL
        /// are for the proxy.
        pub proxy_url: Option<ProxyUrl> as EmptyIsNone,
        /// Comma-separated hosts that are reached without `proxy_url`.
        pub no_proxy: NoProxy,
        /// Uses the environment variables `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (or lower
        /// case) of the exporter; not together with `proxy_url`.
        pub proxy_from_environment: bool,
        /// Headers of the CONNECT request.
        pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    }
}

impl ProxySettings {
    /// Returns true if requests may use a proxy.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.proxy_url.is_some() || self.proxy_from_environment
    }

    /// Rejects keys that exclude or require each other, and invalid headers.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let url = self.proxy_url.is_some();
        if !self.proxy_connect_header.is_empty() && !url && !self.proxy_from_environment {
            let message = "if proxy_connect_header is configured, proxy_url or \
                           proxy_from_environment must also be configured";
            let error = RuleError::at("proxy_connect_header", message);
            return Err(error.involving(["proxy_url", "proxy_from_environment"]));
        }
        if self.proxy_from_environment && url {
            let message =
                "if proxy_from_environment is configured, proxy_url must not be configured";
            return Err(RuleError::at("proxy_url", message));
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            let message =
                "if proxy_from_environment is configured, no_proxy must not be configured";
            return Err(RuleError::at("no_proxy", message));
        }
        if !url && !self.no_proxy.is_empty() {
            let message = "if no_proxy is configured, proxy_url must also be configured";
            return Err(RuleError::at("no_proxy", message).involving(["proxy_url"]));
        }
        self.check_headers()
    }

    /// Unlike upstream, which finds invalid headers only when it probes.
    fn check_headers(&self) -> Result<(), RuleError> {
        for (name, values) in &self.proxy_connect_header {
            let path = KeyPath::from(["proxy_connect_header", name]);
            header::check_name(name).map_err(|message| RuleError::at(path.clone(), message))?;
            for (index, value) in values.iter().enumerate() {
                header::check(name, value.expose())
                    .map_err(|message| RuleError::at(path.clone().index(index), message))?;
            }
        }
        Ok(())
    }
}

/// The URL of a proxy. A password in it is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Url);

/// The supported schemes of proxies.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

impl ProxyUrl {
    /// Returns the URL with the password.
    #[must_use]
    pub fn expose(&self) -> &Url {
        &self.0
    }

    /// Parses the URL of a proxy.
    ///
    /// # Errors
    /// A message that does not contain the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The message does not contain the URL, because it may contain a password.
        let usable = |url: &Url| {
            SCHEMES.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty())
        };
        let url = Url::parse(text).ok().filter(usable).ok_or_else(|| {
            format!(
                "invalid proxy URL; write for example http://proxy.example.com:3128 (schemes: {})",
                SCHEMES.join(", ")
            )
        })?;
        check_of_url(&url).map_err(|error| format!("invalid host in the proxy URL: {error}"))?;
        Ok(Self(url))
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&without_password(&self.0))
    }
}

/// Returns the URL with the password replaced.
pub(super) fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() && shown.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    shown.into()
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        redact::collect_secrets_of(self.0.as_str());
        serializer.collect_str(self)
    }
}
