//! Settings of an HTTP client: credentials, redirects, proxy and TLS.

mod authorization;
mod headers;
mod no_proxy;
mod oauth2;
mod proxy;
mod source;

use std::mem;

pub use self::{
    authorization::{Authorization, AuthorizationHeader, BasicAuth},
    headers::{AddedHeaders, HeaderValues},
    no_proxy::{Destination, NoProxy},
    oauth2::{JWT_BEARER, OAuth2Settings, SignatureAlgorithm, TokenUrl},
    proxy::{ProxySettings, ProxyUrl},
    source::{Source, read_file},
};
use crate::settings::{rule::RuleError, secret::Secret, section::section, tls::TlsSettings};

section! {
    /// Settings of an HTTP client: credentials, redirects, proxy and TLS.
    ///
    /// They are a separate section, or keys of the section `http`.
    #[derive(Debug, Clone, PartialEq)]
    pub struct HttpClientSettings {
        /// Basic authentication.
        pub basic_auth: Option<BasicAuth> => BasicAuth,
        /// Header `Authorization` with another scheme.
        pub authorization: Option<AuthorizationHeader> => AuthorizationHeader,
        /// Requests a token from a token server (OAuth2).
        pub oauth2: Option<OAuth2Settings> => OAuth2Settings,
        /// Deprecated: the same as `credentials` of `authorization`.
        pub bearer_token: Secret,
        /// Deprecated: the same as `credentials_file` of `authorization`.
        pub bearer_token_file: String,
        /// TLS settings; they also apply to an `https://` proxy, which is verified by its own name.
        pub tls_config: TlsSettings => TlsSettings,
        /// Follows up to ten redirects.
        pub follow_redirects: bool = true,
        /// Offers HTTP/2 on TLS connections.
        pub enable_http2: bool = true,
        /// The proxy.
        #[key(group)]
        pub proxy: ProxySettings,
        /// Headers that are added to the request. Headers of the protocol, and headers with a
        /// separate key, are rejected.
        pub http_headers: AddedHeaders => HeaderValues,
        /// The value of the header `Authorization`, unless `oauth2` or the request sets it.
        #[key(built)]
        pub credentials: Option<Authorization>,
    }
    check Self::check;
}

impl HttpClientSettings {
    /// Checks the rules that involve several keys, and builds the credentials.
    ///
    /// # Errors
    /// A rule is violated.
    pub fn check(&mut self) -> Result<(), RuleError> {
        self.check_authorization()?;
        if let Some(oauth2) = &self.oauth2 {
            oauth2.check()?;
        }
        self.proxy.check()?;
        self.http_headers.check(&"http_headers".into())?;
        self.build_credentials()
    }

    /// Returns whether requests have credentials.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        self.credentials.is_some() || self.oauth2.is_some()
    }

    fn build_credentials(&mut self) -> Result<(), RuleError> {
        if !self.bearer_token.is_empty() || !self.bearer_token_file.is_empty() {
            let (token, file) = (mem::take(&mut self.bearer_token), &mut self.bearer_token_file);
            self.authorization = Some(AuthorizationHeader::bearer(token, mem::take(file)));
        }
        self.credentials = match (&self.basic_auth, &mut self.authorization) {
            (Some(basic), _) => Some(basic.credentials()?),
            (None, Some(authorization)) => Some(authorization.credentials()?),
            (None, None) => None,
        };
        Ok(())
    }

    /// Rejects credentials that exclude each other.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<HttpClientSettings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn bearer_keys_become_authorization() {
        let settings = parse(json!({"bearer_token": "t"})).unwrap();
        let credentials = Some(Source::Inline(Secret::new("t")));
        assert_eq!(
            settings.credentials,
            Some(Authorization::Scheme { scheme: "Bearer".to_owned(), credentials })
        );
        let printed = serde_json::to_value(&settings).unwrap();
        assert_eq!(printed["authorization"]["type"], "Bearer");
        assert_eq!(printed["authorization"]["credentials"], "<secret>");
        assert_eq!(printed["bearer_token"], "");
    }

    #[test]
    fn rejects_conflicting_keys_in_upstreams_order() {
        let cases = [
            (
                json!({"bearer_token": "a", "bearer_token_file": "b", "basic_auth": {}}),
                "bearer_token_file: at most one of bearer_token & bearer_token_file must be \
                 configured",
            ),
            (
                json!({"bearer_token": "a", "basic_auth": {"username": "a", "username_file": "b"}}),
                "bearer_token: at most one of basic_auth, oauth2, bearer_token & bearer_token_file \
                 must be configured",
            ),
            (
                json!({"basic_auth": {"username": "a", "username_file": "b", "password_ref": "c"}}),
                "basic_auth.username_file: at most one of basic_auth username, username_file & \
                 username_ref must be configured",
            ),
            (
                json!({"basic_auth": {"password": "a", "password_file": "b"}, "authorization": {}}),
                "basic_auth.password_file: at most one of basic_auth password, password_file & \
                 password_ref must be configured",
            ),
            (
                json!({"authorization": {"type": "basic"}, "bearer_token_file": "b"}),
                "bearer_token_file: authorization is not compatible with bearer_token & \
                 bearer_token_file",
            ),
            (
                json!({"authorization": {"credentials": "a", "credentials_file": "b"}}),
                "authorization.credentials_file: at most one of authorization credentials & \
                 credentials_file must be configured",
            ),
            (
                json!({"authorization": {"type": " BASIC "}, "basic_auth": {}}),
                "authorization.type: authorization type cannot be set to \"basic\", use \
                 \"basic_auth\" instead",
            ),
            (
                json!({"authorization": {}, "basic_auth": {}}),
                "authorization: at most one of basic_auth, oauth2 & authorization must be \
                 configured",
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
                "proxy_connect_header: if proxy_connect_header is configured, proxy_url or \
                 proxy_from_environment must also be configured",
            ),
            (
                json!({"proxy_from_environment": true, "proxy_url": "http://p", "no_proxy": "c"}),
                "proxy_url: if proxy_from_environment is configured, proxy_url must not be \
                 configured",
            ),
            (
                json!({"proxy_from_environment": true, "no_proxy": "c"}),
                "no_proxy: if proxy_from_environment is configured, no_proxy must not be \
                 configured",
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
                "basic_auth.password_ref: secret managers are not supported; use password or \
                 password_file",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn proxy_url_requires_a_scheme_and_redacts_the_password() {
        let settings = parse(json!({"proxy_url": "http://user:pass@proxy:3128"})).unwrap();
        let printed = serde_json::to_value(&settings).unwrap();
        assert_eq!(printed["proxy_url"], "http://user:xxxxx@proxy:3128/");
        assert!(!format!("{settings:?}").contains("pass@"));
        for bad in ["127.0.0.1:3128", "proxy:3128", "ftp://proxy", "proxy"] {
            let error = parse(json!({"proxy_url": bad})).unwrap_err();
            assert!(error.contains("invalid proxy URL"), "{error}");
        }
    }
}
