//! Settings of the http prober.

use http::Method;
use serde::{Deserialize, Deserializer, Serializer, de};

use crate::{
    diagnostics::CheckName,
    net::{oauth2::TokenSource, tls::TlsClient},
    probers::{
        ProberSettings,
        http::{
            accept_encoding::is_acceptable,
            compression::{Compression, CompressionName},
            header_matcher::HeaderMatcher,
            status_codes::StatusCodes,
        },
    },
    settings::{
        bytes::Bytes,
        cel::CelProgram,
        explain::Explanation,
        header::RequestHeaders,
        http_client::HttpClientSettings,
        ip::IpSettings,
        named::Named,
        regexp::Regexp,
        rule::{KeyPath, RuleError, Warning},
        secret::is_secret_name,
        section::{Form, section},
        size::ByteSize,
        tls::TlsVersion,
    },
};

section! {
    /// Settings of the http prober, which sends a request, follows redirects and checks the
    /// response.
    #[derive(Debug, Clone, PartialEq)]
    pub struct HttpProber {
        /// Status codes that are accepted; empty means 200 to 299.
        pub valid_status_codes: Named<Vec<i64>> as StatusCodes,
        /// HTTP versions that are accepted: `HTTP/1.0`, `HTTP/1.1`, `HTTP/2.0` or `HTTP/3.0`; empty
        /// means any. `HTTP/3.0` requires `enable_http3` and excludes `HTTP/1.1` and `HTTP/2.0`.
        pub valid_http_versions: Named<Vec<String>>,
        /// The address family to prefer.
        #[key(group)]
        pub ip: IpSettings,
        /// Lets the proxy resolve the name of the target; the metrics of name resolution are then
        /// absent.
        pub skip_resolve_phase_with_proxy: bool,
        /// Deprecated: the opposite of `follow_redirects`; takes precedence over it.
        no_follow_redirects: Option<bool>,
        /// Fails if the final response was received over TLS.
        pub fail_if_ssl: Named<bool>,
        /// Fails if the final response was not received over TLS.
        pub fail_if_not_ssl: Named<bool>,
        /// Request method, sent as written.
        pub method: Method as MethodName = Method::GET,
        /// Request headers, which replace the default headers. `Host` also sets the TLS server name
        /// if `tls_config` has none; an empty `User-Agent` removes the header.
        pub headers: RequestHeaders,
        /// Fails if the body matches any of the patterns.
        pub fail_if_body_matches_regexp: Vec<Named<Regexp>>,
        /// Fails unless the body matches all patterns.
        pub fail_if_body_not_matches_regexp: Vec<Named<Regexp>>,
        /// Fails if the CEL expression over `body` is true or cannot be evaluated.
        pub fail_if_body_json_matches_cel: Option<Named<CelProgram>>,
        /// Fails if the CEL expression over `body` is false or cannot be evaluated.
        pub fail_if_body_json_not_matches_cel: Option<Named<CelProgram>>,
        /// Fails if a value of the header matches the pattern.
        pub fail_if_header_matches: Vec<HeaderMatcher> => HeaderMatcher,
        /// Fails if no value of the header matches the pattern.
        pub fail_if_header_not_matches: Vec<HeaderMatcher> => HeaderMatcher,
        /// Request body; not together with `body_file`.
        pub body: Bytes,
        /// File with the request body, read at each probe; not together with `body`.
        pub body_file: String,
        /// The settings of the client.
        #[key(group)]
        pub client: HttpClientSettings,
        /// Compression of the body: `gzip`, `br`, `deflate` or `identity`. An `Accept-Encoding` in
        /// `headers` must allow it.
        #[key(name = "compression")]
        compression_name: CompressionName,
        /// Maximum size of the decompressed body; 0 means no limit.
        pub body_size_limit: ByteSize,
        /// Uses only HTTP/3. Requires `enable_http2: false`, no proxy, and a `tls_config` that
        /// allows TLS 1.3.
        pub enable_http3: bool,
        /// The compression that `compression_name` means.
        #[key(built)]
        pub compression: Option<Compression>,
        /// The TLS client, made from `tls_config`.
        #[key(built)]
        pub tls_client: TlsClient,
        /// The source of tokens, made from `oauth2`.
        #[key(built)]
        pub token_source: Option<TokenSource>,
        /// True if the section has the deprecated key `no_follow_redirects`.
        #[key(built)]
        pub(super) has_deprecated_key: bool,
    }
    check Self::check;
}

/// The form of `method`: an empty text means the default.
///
/// Upstream finds an invalid method only when it probes.
struct MethodName;

pub(super) const HTTP_1_1: &str = "HTTP/1.1";
pub(super) const HTTP_2: &str = "HTTP/2.0";
pub(super) const HTTP_3: &str = "HTTP/3.0";

impl HttpProber {
    fn check(&mut self) -> Result<(), RuleError> {
        self.client.check()?;
        self.check_body()?;
        self.check_accept_encoding()?;
        self.check_http3()?;
        if let Some(no_follow_redirects) = self.no_follow_redirects.take() {
            self.has_deprecated_key = true;
            self.client.follow_redirects = !no_follow_redirects;
        }
        self.compression = self.compression_name.algorithm();
        self.tls_client = TlsClient::try_from(self.client.tls_config.clone())
            .map_err(|error| error.inside("tls_config"))?;
        let oauth2 = self.client.oauth2.clone().map(TokenSource::try_from).transpose();
        self.token_source = oauth2.map_err(|error| error.inside("oauth2"))?;
        Ok(())
    }

    fn check_body(&self) -> Result<(), RuleError> {
        if !self.body.is_empty() && !self.body_file.is_empty() {
            let message = "setting body and body_file both are not allowed";
            return Err(RuleError::at("body_file", message));
        }
        Ok(())
    }

    fn check_accept_encoding(&self) -> Result<(), RuleError> {
        let CompressionName(compression) = &self.compression_name;
        for (name, value) in self.headers.iter() {
            if name.eq_ignore_ascii_case("accept-encoding") && !is_acceptable(compression, value) {
                let message = format!(
                    "invalid configuration \"{name}: {value}\", \"compression: {compression}\""
                );
                return Err(RuleError::at(["headers", name], message));
            }
        }
        Ok(())
    }

    fn check_http3(&self) -> Result<(), RuleError> {
        let position = |wanted: &[&str]| {
            let found =
                self.valid_http_versions.iter().position(|known| wanted.contains(&known.as_str()));
            found.map(|index| KeyPath::from("valid_http_versions").index(index))
        };
        if !self.enable_http3 {
            return match position(&[HTTP_3]) {
                Some(path) => {
                    let message =
                        "HTTP/3 cannot be used as a valid HTTP version when enable_http3 is false";
                    Err(RuleError::at(path, message).involving(["enable_http3"]))
                }
                None => Ok(()),
            };
        }
        if let Some(place) = position(&[HTTP_1_1, HTTP_2]) {
            let message = "HTTP/3 and HTTP/2.0/1.1 cannot be used together - only HTTP/3.0 is \
                           allowed when enable_http3 is true";
            return Err(RuleError::at(place, message));
        }
        if self.client.enable_http2 {
            let message = "when enable_http3 is true, enable_http2 must be set to false";
            return Err(RuleError::at("enable_http3", message).involving(["enable_http2"]));
        }
        // Upstream goes straight to the target in spite of these.
        let of_proxies = [
            ("proxy_url", self.client.proxy.proxy_url.is_some()),
            ("proxy_from_environment", self.client.proxy.proxy_from_environment),
        ];
        if let Some((key, _)) = of_proxies.iter().find(|(_, is_there)| *is_there) {
            let message = "HTTP/3 does not support proxies; remove the proxy, or use HTTP/2";
            return Err(RuleError::at(*key, message));
        }
        if self.client.tls_config.highest_version() < TlsVersion::Tls13 {
            let message = "HTTP/3 requires TLS 1.3; set max_version to TLS13";
            return Err(RuleError::at(["tls_config", "max_version"], message));
        }
        Ok(())
    }
}

impl HttpProber {
    /// True if the target's name is not looked up here.
    #[must_use]
    pub fn leaves_name_to_proxy(&self) -> bool {
        self.skip_resolve_phase_with_proxy && self.client.proxy.is_configured()
    }
}

impl ProberSettings for HttpProber {
    /// Says which key asks for what this version cannot do, if one does.
    ///
    /// A section may hold such keys as long as the module uses another prober.
    fn check_use(&self) -> Result<(), RuleError> {
        if self.enable_http3 && !cfg!(feature = "http3") {
            let message = "this exporter was built without HTTP/3 (cargo feature http3)";
            return Err(RuleError::at("enable_http3", message));
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<Warning> {
        self.find_warnings()
    }

    fn explain(&self, words: &mut Explanation) {
        self.explain_probe(words);
    }

    fn checks(&self) -> Vec<CheckName> {
        self.check_names()
    }

    fn sends_credentials(&self) -> bool {
        self.client.has_credentials() || self.headers.iter().any(|(name, _)| is_secret_name(name))
    }

    fn configured_host(&self) -> Option<&str> {
        self.headers.find("Host").map(|(_, value)| value)
    }
}

impl Form<Method> for MethodName {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" => Ok(Method::GET),
            text => Method::from_bytes(text.as_bytes()).map_err(|_| {
                de::Error::custom(format!(
                    "method '{text}' is not valid; write a method such as GET"
                ))
            }),
        }
    }

    fn write<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<HttpProber, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(parse(json!({})).unwrap(), HttpProber::default());
    }

    #[test]
    fn the_old_key_overrides_the_new_one() {
        let prober = parse(json!({"no_follow_redirects": true, "follow_redirects": true})).unwrap();
        assert!(!prober.client.follow_redirects);
        assert_eq!(prober.warnings().len(), 1);
        let prober =
            parse(json!({"no_follow_redirects": false, "follow_redirects": false})).unwrap();
        assert!(prober.client.follow_redirects);
    }

    #[test]
    fn contradictions_are_refused() {
        for (value, expected) in [
            (
                json!({"body": "a", "body_file": "b"}),
                "body_file: setting body and body_file both are not allowed",
            ),
            (
                json!({"compression": "gzip", "headers": {"accEpt-enCoding": "deflate"}}),
                "headers.accEpt-enCoding: invalid configuration \"accEpt-enCoding: deflate\", \
                 \"compression: gzip\"",
            ),
            (
                json!({"valid_http_versions": ["HTTP/1.1", "HTTP/3.0"]}),
                "valid_http_versions[1]: HTTP/3 cannot be used as a valid HTTP version when \
                 enable_http3 is false",
            ),
            (
                json!({"enable_http3": true, "valid_http_versions": ["HTTP/2.0"]}),
                "valid_http_versions[0]: HTTP/3 and HTTP/2.0/1.1 cannot be used together - only \
                 HTTP/3.0 is allowed when enable_http3 is true",
            ),
            (
                json!({"enable_http3": true, "valid_http_versions": ["HTTP/1.0"]}),
                "enable_http3: when enable_http3 is true, enable_http2 must be set to false",
            ),
            (
                json!({"enable_http3": true, "enable_http2": false, "proxy_url": "http://h:1"}),
                "proxy_url: HTTP/3 does not support proxies; remove the proxy, or use HTTP/2",
            ),
            (
                json!({
                    "enable_http3": true,
                    "enable_http2": false,
                    "tls_config": {"max_version": "TLS12"},
                }),
                "tls_config.max_version: HTTP/3 requires TLS 1.3; set max_version to TLS13",
            ),
            (
                json!({"fail_if_header_matches": [{"regexp": "a"}]}),
                "header name must be set for HTTP header matchers",
            ),
            (
                json!({"fail_if_header_matches": [{"header": "a", "regexp": ""}]}),
                "regexp must be set for HTTP header matchers",
            ),
            (
                json!({"compression": "zstd"}),
                "compression 'zstd' is not valid; use one of br, deflate, gzip, identity",
            ),
            (
                json!({"method": "GET IT"}),
                "method 'GET IT' is not valid; write a method such as GET",
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn http3_can_be_used_as_far_as_it_was_built_in() {
        let prober = parse(json!({"enable_http3": true, "enable_http2": false})).unwrap();
        assert_eq!(prober.check_use().is_ok(), cfg!(feature = "http3"));
        assert!(prober.warnings().is_empty());
        let always_fails =
            json!({"enable_http3": true, "enable_http2": false, "fail_if_ssl": true});
        assert_eq!(parse(always_fails).unwrap().warnings().len(), 1);
    }

    #[test]
    fn what_never_matches_is_warned_of() {
        let prober = parse(json!({
            "valid_http_versions": ["HTTP/1.1", "HTTP/2"],
            "valid_status_codes": [200, 20],
            "preferred_ip_protocol": "ipv4",
            "headers": {"accept": "a", "Accept": "b"},
        }))
        .unwrap();
        assert_eq!(prober.warnings().len(), 4);
    }
}
