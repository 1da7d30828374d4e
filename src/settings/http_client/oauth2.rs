//! The section `oauth2`: where a token comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::{
    http_client::proxy::{ProxyUrl, proxy_url},
    rule::RuleError,
    secret::Secret,
    tls::TlsSettings,
};

/// How a token is asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of RFC 6749 and RFC 7523")]
pub struct OAuth2Settings {
    pub client_id: String,
    pub client_secret: Secret,
    pub client_secret_file: String,
    pub client_secret_ref: String,
    pub client_certificate_key_id: String,
    pub client_certificate_key: Secret,
    pub client_certificate_key_file: String,
    pub client_certificate_key_ref: String,
    pub grant_type: String,
    pub signature_algorithm: String,
    pub iss: String,
    pub audience: String,
    pub claims: BTreeMap<String, serde_json::Value>,
    pub scopes: Vec<String>,
    pub token_url: String,
    pub endpoint_params: BTreeMap<String, String>,
    pub tls_config: TlsSettings,
    #[serde(deserialize_with = "proxy_url")]
    pub proxy_url: Option<ProxyUrl>,
    pub no_proxy: String,
    pub proxy_from_environment: bool,
    pub proxy_connect_header: BTreeMap<String, Vec<Secret>>,
}

/// The grant that signs a token request with a key; any other value means client credentials.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const SIGNATURE_ALGORITHMS: [&str; 3] = ["RS256", "RS384", "RS512"];

impl OAuth2Settings {
    /// Refuses what is missing or given twice.
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let single = |sources: [bool; 3]| sources.into_iter().filter(|given| *given).count() <= 1;
        if self.client_id.is_empty() {
            return Err(RuleError::at("oauth2", "oauth2 client_id must be configured"));
        }
        if self.token_url.is_empty() {
            return Err(RuleError::at("oauth2", "oauth2 token_url must be configured"));
        }
        if self.grant_type == JWT_BEARER {
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
            if !algorithm.is_empty() && !SIGNATURE_ALGORITHMS.contains(&algorithm) {
                let message = "valid signature algorithms are RS256, RS384 and RS512";
                return Err(RuleError::at("oauth2.signature_algorithm", message));
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
        Ok(())
    }
}
