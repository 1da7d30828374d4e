//! The section `http`.

use std::{fmt, sync::Arc};

use http::Method;
use serde::{Deserialize, Serialize};

use crate::{
    net::{oauth2::TokenSource, tls::TlsClient},
    probers::http::keys::HttpKeys,
    settings::{
        bytes::Bytes,
        cel::CelProgram,
        header::RequestHeaders,
        http_client::HttpClientSettings,
        ip::IpSettings,
        named::{Named, name_of},
        regexp::Regexp,
        rule::{RuleError, Warning},
        size::ByteSize,
    },
};

/// Sends a request, follows where it leads, and checks the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "HttpKeys", into = "HttpKeys")]
pub struct HttpProber {
    /// The status codes that will do; empty means all from 200 to 299.
    pub valid_status_codes: Named<Vec<i64>>,
    /// The protocol versions that will do, such as `HTTP/1.1`; empty means any.
    pub valid_http_versions: Named<Vec<String>>,
    /// Which address of the target is probed.
    pub ip: IpSettings,
    /// Whether the name is left to the proxy to resolve.
    pub skip_resolve_phase_with_proxy: bool,
    /// Whether the probe fails when TLS was spoken.
    pub fail_if_ssl: Named<bool>,
    /// Whether the probe fails when TLS was not spoken.
    pub fail_if_not_ssl: Named<bool>,
    /// The method.
    pub method: Method,
    /// The headers of the request, which replace those that it has by itself.
    pub headers: RequestHeaders,
    /// Fails when the body matches one of these.
    pub fail_if_body_matches_regexp: Vec<Named<Regexp>>,
    /// Fails when the body does not match one of these.
    pub fail_if_body_not_matches_regexp: Vec<Named<Regexp>>,
    /// Fails when this holds for the body.
    pub fail_if_body_json_matches_cel: Option<Named<CelProgram>>,
    /// Fails when this does not hold for the body.
    pub fail_if_body_json_not_matches_cel: Option<Named<CelProgram>>,
    /// Fails when a header matches one of these.
    pub fail_if_header_matches: Vec<HeaderMatcher>,
    /// Fails when a header does not match one of these.
    pub fail_if_header_not_matches: Vec<HeaderMatcher>,
    /// The body of the request; empty means none.
    pub body: Bytes,
    /// The file with the body of the request, read at each probe; empty means none.
    pub body_file: String,
    /// How the request is made: credentials, redirects, proxy. TLS is in `tls_client`.
    pub client: HttpClientSettings,
    /// How TLS is spoken.
    pub tls_client: TlsClient,
    /// Where tokens come from.
    pub token_source: Option<TokenSource>,
    /// How the body of the answer is compressed.
    pub compression: Option<Compression>,
    /// The largest body that is read, after decompression.
    pub body_size_limit: ByteSize,
    /// Whether HTTP/3 is spoken.
    pub enable_http3: bool,
    /// Whether the old key `no_follow_redirects` was there.
    pub(super) deprecated_key: bool,
}

/// A pattern that the values of a header must match, or must not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HeaderMatcherKeys")]
pub struct HeaderMatcher {
    /// The name under which its failure is reported; absent means its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// The name of the header.
    pub header: String,
    /// The pattern.
    pub regexp: Regexp,
    /// Whether a missing header is no failure.
    pub allow_missing: bool,
}

/// A way of compressing a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 7932.
    Brotli,
    /// RFC 1951, without a wrapper.
    Deflate,
    /// RFC 1952.
    Gzip,
    /// None.
    Identity,
}

/// The keys of an entry of `fail_if_header_matches`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HeaderMatcherKeys {
    name: String,
    header: String,
    regexp: Option<Regexp>,
    allow_missing: bool,
}

pub(super) const HTTP_1_1: &str = "HTTP/1.1";
pub(super) const HTTP_2: &str = "HTTP/2.0";
pub(super) const HTTP_3: &str = "HTTP/3.0";

impl Default for HttpProber {
    fn default() -> Self {
        Self {
            valid_status_codes: Named::default(),
            valid_http_versions: Named::default(),
            ip: IpSettings::default(),
            skip_resolve_phase_with_proxy: false,
            fail_if_ssl: Named::default(),
            fail_if_not_ssl: Named::default(),
            method: Method::GET,
            headers: RequestHeaders::default(),
            fail_if_body_matches_regexp: Vec::new(),
            fail_if_body_not_matches_regexp: Vec::new(),
            fail_if_body_json_matches_cel: None,
            fail_if_body_json_not_matches_cel: None,
            fail_if_header_matches: Vec::new(),
            fail_if_header_not_matches: Vec::new(),
            body: Bytes::default(),
            body_file: String::new(),
            client: HttpClientSettings::default(),
            tls_client: TlsClient::default(),
            token_source: None,
            compression: None,
            body_size_limit: ByteSize::default(),
            enable_http3: false,
            deprecated_key: false,
        }
    }
}

impl HttpProber {
    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if self.deprecated_key {
            let message = "deprecated; use follow_redirects, which means the opposite";
            warnings.push(Warning::at("no_follow_redirects", message));
        }
        for version in self.valid_http_versions.iter() {
            if !is_version(version) {
                let message = format!(
                    "'{version}' matches no answer; versions are written {HTTP_1_1} and {HTTP_2}"
                );
                warnings.push(Warning::at("valid_http_versions", message));
            }
        }
        for code in self.valid_status_codes.iter().filter(|code| !(100..=999).contains(*code)) {
            let message = format!("no answer has the status code {code}");
            warnings.push(Warning::at("valid_status_codes", message));
        }
        for name in self.headers.repeated() {
            let message = format!("'{name}' is there in two spellings; the last counts");
            warnings.push(Warning::at("headers", message));
        }
        if *self.fail_if_ssl && self.enable_http3 {
            let message =
                "fail_if_ssl with enable_http3 fails every probe: HTTP/3 is always over TLS";
            warnings.push(Warning::at("fail_if_ssl", message));
        }
        if *self.fail_if_ssl && *self.fail_if_not_ssl {
            let message = "fail_if_ssl and fail_if_not_ssl together fail every probe";
            warnings.push(Warning::at("fail_if_ssl", message));
        }
        warnings.extend(self.doubts());
        warnings
    }

    /// Whether the target's name is not looked up here.
    #[must_use]
    pub fn leaves_name_to_proxy(&self) -> bool {
        self.skip_resolve_phase_with_proxy && self.client.proxy.is_configured()
    }

    /// Says which key asks for what this version cannot do, if one does.
    ///
    /// A section may hold such keys as long as the module uses another prober.
    pub fn check_supported(&self) -> Result<(), RuleError> {
        if self.enable_http3 && !cfg!(feature = "http3") {
            let message = "this exporter was built without HTTP/3 (the feature http3)";
            return Err(RuleError::at("enable_http3", message));
        }
        Ok(())
    }
}

impl Compression {
    pub(super) const ALL: [Self; 4] = [Self::Brotli, Self::Deflate, Self::Gzip, Self::Identity];

    /// Its name in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Identity => "identity",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl TryFrom<HeaderMatcherKeys> for HeaderMatcher {
    type Error = RuleError;

    fn try_from(keys: HeaderMatcherKeys) -> Result<Self, RuleError> {
        if keys.header.is_empty() {
            let message = "header name must be set for HTTP header matchers";
            return Err(RuleError::new(message).involving(["header"]));
        }
        let regexp = keys.regexp.filter(|regexp| !regexp.as_str().is_empty()).ok_or_else(|| {
            let message = "regexp must be set for HTTP header matchers";
            RuleError::new(message).involving(["regexp"])
        })?;
        Ok(Self {
            name: name_of(&keys.name),
            header: keys.header,
            regexp,
            allow_missing: keys.allow_missing,
        })
    }
}

/// Whether an answer can have this version.
fn is_version(text: &str) -> bool {
    let number = text.strip_prefix("HTTP/").and_then(|number| number.split_once('.'));
    number.is_some_and(|(major, minor)| major.parse::<u8>().is_ok() && minor.parse::<u8>().is_ok())
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
                "headers.accEpt-enCoding: invalid configuration \"accEpt-enCoding: deflate\", \"compression: gzip\"",
            ),
            (
                json!({"valid_http_versions": ["HTTP/1.1", "HTTP/3.0"]}),
                "valid_http_versions[1]: HTTP/3 cannot be used as a valid HTTP version when enable_http3 is false",
            ),
            (
                json!({"enable_http3": true, "valid_http_versions": ["HTTP/2.0"]}),
                "valid_http_versions[0]: HTTP/3 and HTTP/2.0/1.1 cannot be used together - only HTTP/3.0 is allowed when enable_http3 is true",
            ),
            (
                json!({"enable_http3": true, "valid_http_versions": ["HTTP/1.0"]}),
                "enable_http3: when enable_http3 is true, enable_http2 must be set to false",
            ),
            (
                json!({"enable_http3": true, "enable_http2": false, "proxy_url": "http://h:1"}),
                "proxy_url: HTTP/3 goes over UDP, and so through no proxy; use HTTP/2 behind one",
            ),
            (
                json!({
                    "enable_http3": true,
                    "enable_http2": false,
                    "tls_config": {"max_version": "TLS12"},
                }),
                "tls_config.max_version: HTTP/3 needs TLS 1.3",
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
                "compression 'zstd' is not valid: it is one of br, deflate, gzip, identity",
            ),
            (json!({"method": "GET IT"}), "method 'GET IT' is not valid: it is a word such as GET"),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }

    #[test]
    fn http3_can_be_used_as_far_as_it_was_built_in() {
        let prober = parse(json!({"enable_http3": true, "enable_http2": false})).unwrap();
        assert_eq!(prober.check_supported().is_ok(), cfg!(feature = "http3"));
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
