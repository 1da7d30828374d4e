//! The keys that say how an HTTP request is made: who asks, through what, and how far it follows.

mod authorization;
mod headers;
mod no_proxy;
mod oauth2;
mod proxy;
mod source;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    authorization::{Authorization, AuthorizationKeys, BasicAuthKeys},
    headers::{AddedHeaders, HeaderValues, by_name},
    no_proxy::{Destination, NoProxy},
    oauth2::{JWT_BEARER, OAuth2Settings, SignatureAlgorithm, TokenUrl},
    proxy::{ProxySettings, ProxyUrl, proxy_url},
    source::{Source, read_file},
};
use crate::settings::{rule::RuleError, secret::Secret, tls::TlsSettings};

/// How an HTTP request is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "HttpClientKeys", into = "HttpClientKeys")]
pub struct HttpClientSettings {
    /// What the `Authorization` header says, unless `oauth2` or the request's own headers do.
    pub authorization: Option<Authorization>,
    /// Where a token comes from.
    pub oauth2: Option<OAuth2Settings>,
    /// How TLS is spoken.
    pub tls_config: TlsSettings,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered over TLS.
    pub enable_http2: bool,
    /// Which proxy the request goes through.
    pub proxy: ProxySettings,
    /// Headers that are added to the request.
    pub http_headers: AddedHeaders,
}

impl Default for HttpClientSettings {
    fn default() -> Self {
        Self {
            authorization: None,
            oauth2: None,
            tls_config: TlsSettings::default(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxySettings::default(),
            http_headers: AddedHeaders::default(),
        }
    }
}

/// The keys as they are written.
///
/// They stand in a section of their own, or among the other keys of the section `http`, which
/// builds this from its part of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "HttpClientSettings says what the keys mean")]
pub struct HttpClientKeys {
    pub basic_auth: Option<BasicAuthKeys>,
    pub authorization: Option<AuthorizationKeys>,
    pub oauth2: Option<OAuth2Settings>,
    pub bearer_token: Secret,
    pub bearer_token_file: String,
    pub tls_config: TlsSettings,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    #[serde(deserialize_with = "proxy_url")]
    pub proxy_url: Option<ProxyUrl>,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    pub http_headers: AddedHeaders,
}

impl Default for HttpClientKeys {
    fn default() -> Self {
        HttpClientSettings::default().into()
    }
}

impl TryFrom<HttpClientKeys> for HttpClientSettings {
    type Error = RuleError;

    fn try_from(keys: HttpClientKeys) -> Result<Self, RuleError> {
        keys.check_authorization()?;
        if let Some(oauth2) = &keys.oauth2 {
            oauth2.check()?;
        }
        let proxy = ProxySettings {
            proxy_url: keys.proxy_url,
            no_proxy: NoProxy::parse(&keys.no_proxy),
            proxy_from_environment: keys.proxy_from_environment,
            proxy_connect_header: keys.proxy_connect_header,
        };
        proxy.check()?;
        keys.http_headers.check(&"http_headers".into())?;
        let bearer = !keys.bearer_token.is_empty() || !keys.bearer_token_file.is_empty();
        let authorization = if let Some(basic) = keys.basic_auth {
            Some(basic.into_settings()?)
        } else if let Some(authorization) = keys.authorization {
            Some(authorization.into_settings()?)
        } else if bearer {
            let keys = AuthorizationKeys::bearer(keys.bearer_token, keys.bearer_token_file);
            Some(keys.into_settings()?)
        } else {
            None
        };
        Ok(Self {
            authorization,
            oauth2: keys.oauth2,
            tls_config: keys.tls_config,
            follow_redirects: keys.follow_redirects,
            enable_http2: keys.enable_http2,
            proxy,
            http_headers: keys.http_headers,
        })
    }
}

impl HttpClientKeys {
    /// Refuses credentials that exclude each other.
    fn check_authorization(&self) -> Result<(), RuleError> {
        let bearer = match (self.bearer_token.is_empty(), self.bearer_token_file.is_empty()) {
            (false, false) => {
                let message = "at most one of bearer_token & bearer_token_file must be configured";
                return Err(RuleError::at("bearer_token_file", message));
            }
            (false, true) => Some("bearer_token"),
            (true, false) => Some("bearer_token_file"),
            (true, true) => None,
        };
        if let (true, Some(bearer)) = (self.basic_auth.is_some() || self.oauth2.is_some(), bearer) {
            let message = "at most one of basic_auth, oauth2, bearer_token & bearer_token_file \
                           must be configured";
            return Err(RuleError::at(bearer, message));
        }
        if let Some(basic) = &self.basic_auth {
            basic.check()?;
        }
        if let Some(authorization) = &self.authorization {
            if let Some(bearer) = bearer {
                let message =
                    "authorization is not compatible with bearer_token & bearer_token_file";
                return Err(RuleError::at(bearer, message));
            }
            authorization.check()?;
        }
        let sections = [
            ("basic_auth", self.basic_auth.is_some()),
            ("oauth2", self.oauth2.is_some()),
            ("authorization", self.authorization.is_some()),
        ];
        match sections.iter().filter(|(_, given)| *given).nth(1) {
            Some((key, _)) => {
                let message =
                    "at most one of basic_auth, oauth2 & authorization must be configured";
                Err(RuleError::at(*key, message))
            }
            None => Ok(()),
        }
    }
}

impl From<HttpClientSettings> for HttpClientKeys {
    fn from(settings: HttpClientSettings) -> Self {
        let (basic_auth, authorization) =
            settings.authorization.as_ref().map(authorization::keys_of).unwrap_or_default();
        Self {
            basic_auth,
            authorization,
            oauth2: settings.oauth2,
            bearer_token: Secret::default(),
            bearer_token_file: String::new(),
            tls_config: settings.tls_config,
            follow_redirects: settings.follow_redirects,
            enable_http2: settings.enable_http2,
            proxy_url: settings.proxy.proxy_url,
            no_proxy: settings.proxy.no_proxy.as_str().to_owned(),
            proxy_from_environment: settings.proxy.proxy_from_environment,
            proxy_connect_header: settings.proxy.proxy_connect_header,
            http_headers: settings.http_headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<HttpClientSettings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn old_bearer_keys_become_authorization() {
        let settings = parse(json!({"bearer_token": "t"})).unwrap();
        let credentials = Some(Source::Inline(Secret::new("t")));
        assert_eq!(
            settings.authorization,
            Some(Authorization::Scheme { scheme: "Bearer".to_owned(), credentials })
        );
        let printed = serde_json::to_value(&settings).unwrap();
        assert_eq!(printed["authorization"]["type"], "Bearer");
        assert_eq!(printed["authorization"]["credentials"], "<secret>");
        assert_eq!(printed["bearer_token"], "");
    }

    #[test]
    fn what_excludes_itself_is_refused_in_upstreams_order() {
        let cases = [
            (
                json!({"bearer_token": "a", "bearer_token_file": "b", "basic_auth": {}}),
                "bearer_token_file: at most one of bearer_token & bearer_token_file must be configured",
            ),
            (
                json!({"bearer_token": "a", "basic_auth": {"username": "a", "username_file": "b"}}),
                "bearer_token: at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
            ),
            (
                json!({"basic_auth": {"username": "a", "username_file": "b", "password_ref": "c"}}),
                "basic_auth.username_file: at most one of basic_auth username, username_file & username_ref must be configured",
            ),
            (
                json!({"basic_auth": {"password": "a", "password_file": "b"}, "authorization": {}}),
                "basic_auth.password_file: at most one of basic_auth password, password_file & password_ref must be configured",
            ),
            (
                json!({"authorization": {"type": "basic"}, "bearer_token_file": "b"}),
                "bearer_token_file: authorization is not compatible with bearer_token & bearer_token_file",
            ),
            (
                json!({"authorization": {"credentials": "a", "credentials_file": "b"}}),
                "authorization.credentials_file: at most one of authorization credentials & credentials_file must be configured",
            ),
            (
                json!({"authorization": {"type": " BASIC "}, "basic_auth": {}}),
                "authorization.type: authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
            ),
            (
                json!({"authorization": {}, "basic_auth": {}}),
                "authorization: at most one of basic_auth, oauth2 & authorization must be configured",
            ),
            (
                json!({"oauth2": {}, "basic_auth": {}}),
                "oauth2: at most one of basic_auth, oauth2 & authorization must be configured",
            ),
            (json!({"oauth2": {}}), "oauth2: oauth2 client_id must be configured"),
            (
                json!({"oauth2": {"client_id": "a"}, "no_proxy": "b"}),
                "oauth2: oauth2 token_url must be configured",
            ),
            (
                json!({"proxy_connect_header": {"A": ["b"]}, "no_proxy": "c"}),
                "proxy_connect_header: if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            ),
            (
                json!({"proxy_from_environment": true, "proxy_url": "http://p", "no_proxy": "c"}),
                "proxy_url: if proxy_from_environment is configured, proxy_url must not be configured",
            ),
            (
                json!({"proxy_from_environment": true, "no_proxy": "c"}),
                "no_proxy: if proxy_from_environment is configured, no_proxy must not be configured",
            ),
            (
                json!({"no_proxy": "c", "http_headers": {"host": {}}}),
                "no_proxy: if no_proxy is configured, proxy_url must also be configured",
            ),
            (
                json!({"http_headers": {"content-TYPE": {"values": ["a"]}}}),
                "http_headers.content-TYPE: setting header \"Content-Type\" is not allowed",
            ),
            (
                json!({"basic_auth": {"password_ref": "c"}}),
                "basic_auth.password_ref: needs a secret manager, which an exporter does not have: use password or password_file",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn a_proxy_needs_a_scheme_and_hides_its_password() {
        let settings = parse(json!({"proxy_url": "http://user:pass@proxy:3128"})).unwrap();
        let printed = serde_json::to_value(&settings).unwrap();
        assert_eq!(printed["proxy_url"], "http://user:xxxxx@proxy:3128/");
        assert!(!format!("{settings:?}").contains("pass@"));
        for bad in ["127.0.0.1:3128", "proxy:3128", "ftp://proxy", "proxy"] {
            let error = parse(json!({"proxy_url": bad})).unwrap_err();
            assert!(error.contains("not a proxy"), "{error}");
        }
    }
}
