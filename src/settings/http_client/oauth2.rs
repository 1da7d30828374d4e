//! The section `oauth2`: settings of token requests.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use crate::settings::{
    header::Shown,
    host_name::check_of_url,
    http_client::{
        proxy::{ProxySettings, without_password},
        source::{Source, SourceKeys},
    },
    redact,
    rule::RuleError,
    secret::Secret,
    section::{Form, section},
    tls::TlsSettings,
};

section! {
    /// Settings of a token request (RFC 6749, RFC 7523).
    #[derive(Debug, Clone, PartialEq)]
    pub struct OAuth2Settings {
        /// Client identifier; required.
        pub client_id: String,
        /// Client secret: sent with basic authentication, and as a parameter if the server rejects
        /// that.
        pub client_secret: Secret,
        /// File with the client secret.
        pub client_secret_file: String,
        /// Name in a secret manager; not supported.
        pub client_secret_ref: String,
        /// Identifier of the key that signs the assertion (`kid`).
        pub client_certificate_key_id: String,
        /// RSA private key in PEM format, which signs the assertion.
        pub client_certificate_key: Secret,
        /// File with the RSA private key.
        pub client_certificate_key_file: String,
        /// Name in a secret manager; not supported.
        pub client_certificate_key_ref: String,
        /// `urn:ietf:params:oauth:grant-type:jwt-bearer` sends a signed assertion instead of a
        /// secret; any other value means `client_credentials`.
        pub grant_type: String,
        /// Signature algorithm of the assertion: `RS256`, `RS384` or `RS512`; the default is `RS256`.
        pub signature_algorithm: String,
        /// Claim `iss` of the assertion; the default is `client_id`.
        pub iss: String,
        /// Claim `aud` of the assertion; the default is `token_url`.
        pub audience: String,
        /// Additional claims of the assertion; they replace generated claims of the same name.
        pub claims: BTreeMap<String, serde_json::Value>,
        /// Requested scopes.
        pub scopes: Vec<String>,
        /// URL of the token server; required.
        pub token_url: TokenUrl,
        /// Additional parameters of the token request.
        pub endpoint_params: BTreeMap<String, String> as Parameters,
        /// TLS settings for the token server (TLS 1.2 and 1.3).
        pub tls_config: TlsSettings => TlsSettings,
        /// The proxy for the token server.
        #[key(group)]
        pub proxy: ProxySettings,
    }
}

/// The grant type that sends a signed assertion. Any other value means client credentials.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// The URL of a token server, as written and parsed. A password in it is redacted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenUrl {
    text: String,
    url: Option<Url>,
}

/// The signature algorithm of an assertion: RSA with one of these digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// SHA-256.
    #[default]
    Rs256,
    /// SHA-384.
    Rs384,
    /// SHA-512.
    Rs512,
}

/// The format of `endpoint_params`: values whose names suggest a secret are redacted.
struct Parameters;

impl Form<BTreeMap<String, String>> for Parameters {
    fn read<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        BTreeMap::deserialize(deserializer)
    }

    fn write<S: Serializer>(
        parameters: &BTreeMap<String, String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(parameters.iter().map(|(name, value)| {
            let is_secret = redact::is_secret_parameter(name);
            (name, if is_secret { Shown::Secret(Secret::new(value)) } else { Shown::Plain(value) })
        }))
    }
}

impl SignatureAlgorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Rs384, Self::Rs512];

    /// Returns the name of the algorithm (RFC 7518).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl TokenUrl {
    /// Returns the URL as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the parsed URL, or `None` if the text is empty.
    #[must_use]
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }
}

impl fmt::Display for TokenUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) if url.password().is_some() => {
                formatter.write_str(&redact::url(&without_password(url)))
            }
            _ => formatter.write_str(&redact::url(&self.text)),
        }
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for TokenUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        redact::collect_secrets_of(&self.text);
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenUrl {
    /// Unlike upstream: an invalid URL is rejected at load. The message does not contain the URL,
    /// because it may contain a secret.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https");
        let url = Url::parse(&text).ok().filter(usable);
        if url.is_none() && !text.is_empty() {
            let message = "invalid URL; write for example https://tokens.example.com/token";
            return Err(de::Error::custom(message));
        }
        if let Some(Err(error)) = url.as_ref().map(check_of_url) {
            let message = format!("invalid host in the URL: {error}");
            return Err(de::Error::custom(message));
        }
        Ok(Self { text, url })
    }
}

impl OAuth2Settings {
    /// Rejects missing keys, and keys that exclude each other.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let single = |sources: [bool; 3]| sources.into_iter().filter(|given| *given).count() <= 1;
        if self.client_id.is_empty() {
            let error = RuleError::at("oauth2", "oauth2 client_id must be configured");
            return Err(error.involving([["oauth2", "client_id"]]));
        }
        if self.token_url.url().is_none() {
            let error = RuleError::at("oauth2", "oauth2 token_url must be configured");
            return Err(error.involving([["oauth2", "token_url"]]));
        }
        if self.is_jwt_bearer() {
            let keys = [
                !self.client_certificate_key.is_empty(),
                !self.client_certificate_key_file.is_empty(),
                !self.client_certificate_key_ref.is_empty(),
            ];
            if !single(keys) {
                let message = "at most one of oauth2 client_certificate_key, \
                               client_certificate_key_file & client_certificate_key_ref must be \
                               configured using grant-type=urn:ietf:params:oauth:grant-type:\
                               jwt-bearer";
                return Err(RuleError::at("oauth2", message));
            }
            let algorithm = self.signature_algorithm.as_str();
            if !algorithm.is_empty() && SignatureAlgorithm::named(algorithm).is_none() {
                let message = "valid signature algorithms are RS256, RS384 and RS512";
                return Err(RuleError::at(["oauth2", "signature_algorithm"], message));
            }
        } else if !single([
            !self.client_secret.is_empty(),
            !self.client_secret_file.is_empty(),
            !self.client_secret_ref.is_empty(),
        ]) {
            let message = "at most one of oauth2 client_secret, client_secret_file & \
                           client_secret_ref must be configured using \
                           grant-type=client_credentials";
            return Err(RuleError::at("oauth2", message));
        }
        self.check_usable()
    }

    /// Unlike upstream: rejects settings at load with which all of upstream's probes fail.
    fn check_usable(&self) -> Result<(), RuleError> {
        let (key, source_keys) = self.source_keys();
        if source_keys.source()?.is_none() && self.is_jwt_bearer() {
            let message = format!(
                "one of oauth2 {key} & {key}_file must be configured using grant-type={JWT_BEARER}"
            );
            let needed = ["", "_file", "_ref"].map(|end| format!("{key}{end}"));
            let needed = needed.iter().map(|key| ["oauth2", key]);
            return Err(RuleError::at("oauth2", message).involving(needed));
        }
        let own = [("scope", !self.scopes.is_empty()), ("assertion", self.is_jwt_bearer())];
        match own.iter().find(|(name, used)| *used && self.endpoint_params.contains_key(*name)) {
            Some((name, _)) => Err(RuleError::at(
                ["oauth2", "endpoint_params", name],
                format!("cannot overwrite parameter \"{name}\""),
            )),
            None => Ok(()),
        }
    }

    /// Returns true if requests contain a signed assertion instead of a secret.
    #[must_use]
    pub fn is_jwt_bearer(&self) -> bool {
        self.grant_type == JWT_BEARER
    }

    /// Returns the signature algorithm of the assertion.
    #[must_use]
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::named(&self.signature_algorithm).unwrap_or_default()
    }

    /// Returns the key of the section, and the source of the secret or the signing key, if it is
    /// set.
    #[must_use]
    pub fn secret(&self) -> (&'static str, Option<Source>) {
        let (key, source_keys) = self.source_keys();
        (key, source_keys.source().unwrap_or_default())
    }

    fn source_keys(&self) -> (&'static str, SourceKeys<'static>) {
        let (key, inline, file, reference) = if self.is_jwt_bearer() {
            (
                "client_certificate_key",
                &self.client_certificate_key,
                &self.client_certificate_key_file,
                &self.client_certificate_key_ref,
            )
        } else {
            (
                "client_secret",
                &self.client_secret,
                &self.client_secret_file,
                &self.client_secret_ref,
            )
        };
        let source_keys = SourceKeys {
            section: "oauth2",
            key,
            inline: inline.clone(),
            file: file.clone(),
            reference: reference.clone(),
        };
        (key, source_keys)
    }
}
