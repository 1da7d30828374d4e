//! The section `unix`.

use serde::{Deserialize, Serialize};

use crate::{
    net::tls::TlsClient,
    probers::query_response::QueryResponse,
    settings::rule::{KeyPath, RuleError},
};

/// Connects to a local socket, speaks TLS if asked for, and holds a dialogue if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "UnixKeys")]
pub struct UnixProber {
    /// What to expect and what to send.
    pub query_response: QueryResponse,
    /// Whether TLS is spoken from the start.
    pub tls: bool,
    /// How TLS is spoken, from the start or after `starttls`.
    pub tls_config: TlsClient,
}

impl UnixProber {
    /// Refuses TLS that can never be verified: the target is no name that a certificate could be
    /// for, and `hostname` means nothing to this prober.
    ///
    /// With upstream every such probe fails.
    pub fn check_use(&self) -> Result<(), RuleError> {
        let starttls = self.query_response.steps().iter().position(|step| step.starttls);
        let asked_by = match starttls {
            _ if self.tls => KeyPath::from("tls"),
            Some(step) => KeyPath::from("query_response").index(step).key("starttls"),
            None => return Ok(()),
        };
        let settings = self.tls_config.settings();
        if settings.server_name.is_empty() && !settings.insecure_skip_verify {
            let message = "a unix socket has no host name, so say in tls_config which name the \
                           certificate must be for: set server_name (or insecure_skip_verify)";
            let verified = ["server_name", "insecure_skip_verify"].map(|key| ["tls_config", key]);
            return Err(RuleError::at(asked_by, message).involving(verified));
        }
        Ok(())
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UnixKeys {
    query_response: QueryResponse,
    tls: bool,
    tls_config: TlsClient,
}

impl TryFrom<UnixKeys> for UnixProber {
    type Error = RuleError;

    fn try_from(keys: UnixKeys) -> Result<Self, RuleError> {
        keys.query_response.check_tls(keys.tls)?;
        Ok(Self { query_response: keys.query_response, tls: keys.tls, tls_config: keys.tls_config })
    }
}
