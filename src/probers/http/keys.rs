//! The keys of the section `http` as they are written, and the rules across them.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    net::{oauth2::TokenSource, tls::TlsClient},
    probers::http::{
        acceptance::is_acceptable,
        settings::{Compression, HTTP_1_1, HTTP_2, HTTP_3, HeaderMatcher, HttpProber},
    },
    settings::{
        bytes::Bytes,
        cel::CelProgram,
        header::RequestHeaders,
        http_client::{
            AddedHeaders, AuthorizationKeys, BasicAuthKeys, HttpClientKeys, HttpClientSettings,
            OAuth2Settings, ProxyUrl, proxy_url,
        },
        ip::{IpSettings, PreferredIpProtocol},
        named::Named,
        regexp::Regexp,
        rule::{KeyPath, RuleError},
        secret::Secret,
        size::ByteSize,
        tls::{TlsSettings, TlsVersion},
    },
};

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the section")]
pub(super) struct HttpKeys {
    valid_status_codes: Named<Vec<i64>>,
    valid_http_versions: Named<Vec<String>>,
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
    skip_resolve_phase_with_proxy: bool,
    no_follow_redirects: Option<bool>,
    fail_if_ssl: Named<bool>,
    fail_if_not_ssl: Named<bool>,
    #[serde(deserialize_with = "method", serialize_with = "as_text")]
    method: Method,
    headers: RequestHeaders,
    fail_if_body_matches_regexp: Vec<Named<Regexp>>,
    fail_if_body_not_matches_regexp: Vec<Named<Regexp>>,
    fail_if_body_json_matches_cel: Option<Named<CelProgram>>,
    fail_if_body_json_not_matches_cel: Option<Named<CelProgram>>,
    fail_if_header_matches: Vec<HeaderMatcher>,
    fail_if_header_not_matches: Vec<HeaderMatcher>,
    body: Bytes,
    body_file: String,
    // From here to http_headers: HttpClientKeys.
    basic_auth: Option<BasicAuthKeys>,
    authorization: Option<AuthorizationKeys>,
    oauth2: Option<OAuth2Settings>,
    bearer_token: Secret,
    bearer_token_file: String,
    tls_config: TlsSettings,
    follow_redirects: bool,
    enable_http2: bool,
    #[serde(deserialize_with = "proxy_url")]
    proxy_url: Option<ProxyUrl>,
    no_proxy: String,
    proxy_from_environment: bool,
    proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    http_headers: AddedHeaders,
    compression: CompressionKey,
    body_size_limit: ByteSize,
    enable_http3: bool,
}

/// A compression as it is written: `Accept-Encoding` is compared with exactly that.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(transparent)]
struct CompressionKey(String);

impl Default for HttpKeys {
    fn default() -> Self {
        HttpProber::default().into()
    }
}

impl TryFrom<HttpKeys> for HttpProber {
    type Error = RuleError;

    fn try_from(keys: HttpKeys) -> Result<Self, RuleError> {
        let client = HttpClientSettings::try_from(keys.client())?;
        keys.check_body()?;
        keys.check_accept_encoding()?;
        keys.check_http3()?;
        let follow_redirects = keys.no_follow_redirects.map_or(client.follow_redirects, |not| !not);
        Ok(Self {
            valid_status_codes: keys.valid_status_codes,
            valid_http_versions: keys.valid_http_versions,
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
            skip_resolve_phase_with_proxy: keys.skip_resolve_phase_with_proxy,
            fail_if_ssl: keys.fail_if_ssl,
            fail_if_not_ssl: keys.fail_if_not_ssl,
            method: keys.method,
            headers: keys.headers,
            fail_if_body_matches_regexp: keys.fail_if_body_matches_regexp,
            fail_if_body_not_matches_regexp: keys.fail_if_body_not_matches_regexp,
            fail_if_body_json_matches_cel: keys.fail_if_body_json_matches_cel,
            fail_if_body_json_not_matches_cel: keys.fail_if_body_json_not_matches_cel,
            fail_if_header_matches: keys.fail_if_header_matches,
            fail_if_header_not_matches: keys.fail_if_header_not_matches,
            body: keys.body,
            body_file: keys.body_file,
            tls_client: TlsClient::try_from(client.tls_config.clone())
                .map_err(|error| error.inside("tls_config"))?,
            token_source: client
                .oauth2
                .clone()
                .map(TokenSource::try_from)
                .transpose()
                .map_err(|error| error.inside("oauth2"))?,
            client: HttpClientSettings { follow_redirects, ..client },
            compression: keys.compression.algorithm(),
            body_size_limit: keys.body_size_limit,
            enable_http3: keys.enable_http3,
            deprecated_key: keys.no_follow_redirects.is_some(),
        })
    }
}

impl HttpKeys {
    /// The keys that say how the request is made.
    fn client(&self) -> HttpClientKeys {
        HttpClientKeys {
            basic_auth: self.basic_auth.clone(),
            authorization: self.authorization.clone(),
            oauth2: self.oauth2.clone(),
            bearer_token: self.bearer_token.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            tls_config: self.tls_config.clone(),
            follow_redirects: self.follow_redirects,
            enable_http2: self.enable_http2,
            proxy_url: self.proxy_url.clone(),
            no_proxy: self.no_proxy.clone(),
            proxy_from_environment: self.proxy_from_environment,
            proxy_connect_header: self.proxy_connect_header.clone(),
            http_headers: self.http_headers.clone(),
        }
    }

    fn check_body(&self) -> Result<(), RuleError> {
        if !self.body.is_empty() && !self.body_file.is_empty() {
            let message = "setting body and body_file both are not allowed";
            return Err(RuleError::at("body_file", message));
        }
        Ok(())
    }

    fn check_accept_encoding(&self) -> Result<(), RuleError> {
        let CompressionKey(compression) = &self.compression;
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
        if self.enable_http2 {
            let message = "when enable_http3 is true, enable_http2 must be set to false";
            return Err(RuleError::at("enable_http3", message).involving(["enable_http2"]));
        }
        // Upstream goes straight to the target in spite of these.
        let of_proxies = [
            ("proxy_url", self.proxy_url.is_some()),
            ("proxy_from_environment", self.proxy_from_environment),
        ];
        if let Some((key, _)) = of_proxies.iter().find(|(_, is_there)| *is_there) {
            let message = "HTTP/3 goes over UDP, and so through no proxy; use HTTP/2 behind one";
            return Err(RuleError::at(*key, message));
        }
        if self.tls_config.highest_version() < TlsVersion::Tls13 {
            let message = "HTTP/3 needs TLS 1.3";
            return Err(RuleError::at(["tls_config", "max_version"], message));
        }
        Ok(())
    }
}

impl From<HttpProber> for HttpKeys {
    fn from(prober: HttpProber) -> Self {
        let client = HttpClientKeys::from(prober.client);
        Self {
            valid_status_codes: prober.valid_status_codes,
            valid_http_versions: prober.valid_http_versions,
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
            skip_resolve_phase_with_proxy: prober.skip_resolve_phase_with_proxy,
            no_follow_redirects: None,
            fail_if_ssl: prober.fail_if_ssl,
            fail_if_not_ssl: prober.fail_if_not_ssl,
            method: prober.method,
            headers: prober.headers,
            fail_if_body_matches_regexp: prober.fail_if_body_matches_regexp,
            fail_if_body_not_matches_regexp: prober.fail_if_body_not_matches_regexp,
            fail_if_body_json_matches_cel: prober.fail_if_body_json_matches_cel,
            fail_if_body_json_not_matches_cel: prober.fail_if_body_json_not_matches_cel,
            fail_if_header_matches: prober.fail_if_header_matches,
            fail_if_header_not_matches: prober.fail_if_header_not_matches,
            body: prober.body,
            body_file: prober.body_file,
            basic_auth: client.basic_auth,
            authorization: client.authorization,
            oauth2: client.oauth2,
            bearer_token: client.bearer_token,
            bearer_token_file: client.bearer_token_file,
            tls_config: client.tls_config,
            follow_redirects: client.follow_redirects,
            enable_http2: client.enable_http2,
            proxy_url: client.proxy_url,
            no_proxy: client.no_proxy,
            proxy_from_environment: client.proxy_from_environment,
            proxy_connect_header: client.proxy_connect_header,
            http_headers: client.http_headers,
            compression: CompressionKey(
                prober.compression.map(|compression| compression.to_string()).unwrap_or_default(),
            ),
            body_size_limit: prober.body_size_limit,
            enable_http3: prober.enable_http3,
        }
    }
}

impl CompressionKey {
    fn algorithm(&self) -> Option<Compression> {
        Compression::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&self.0))
    }
}

impl<'de> Deserialize<'de> for CompressionKey {
    /// Upstream takes any text and then fails every probe.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = Self(String::deserialize(deserializer)?);
        if !key.0.is_empty() && key.algorithm().is_none() {
            let names = Compression::ALL.map(Compression::name).join(", ");
            let message = format!("compression '{}' is not valid: it is one of {names}", key.0);
            return Err(de::Error::custom(message));
        }
        Ok(key)
    }
}

/// Reads `method`; an empty text means the default.
///
/// Upstream finds a bad method only when it probes.
fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(Method::GET),
        text => Method::from_bytes(text.as_bytes()).map_err(|_| {
            de::Error::custom(format!("method '{text}' is not valid: it is a word such as GET"))
        }),
    }
}

fn as_text<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}
