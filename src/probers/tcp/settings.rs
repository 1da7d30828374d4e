//! The section `tcp`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    net::tls::TlsClient,
    probers::query_response::QueryResponse,
    settings::{
        ip::{self, IpSettings, PreferredIpProtocol},
        rule::{RuleError, Warning},
    },
};

/// Connects, speaks TLS if asked for, and holds a dialogue if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TcpKeys", into = "TcpKeys")]
pub struct TcpProber {
    /// Which address of the target is probed.
    pub ip: IpSettings,
    /// The address to connect from.
    pub source_ip_address: Option<IpAddr>,
    /// What to expect and what to send.
    pub query_response: QueryResponse,
    /// Whether TLS is spoken from the start.
    pub tls: bool,
    /// How TLS is spoken, from the start or after `starttls`.
    pub tls_config: TlsClient,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TcpKeys {
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
    #[serde(deserialize_with = "ip::source_address")]
    source_ip_address: Option<IpAddr>,
    query_response: QueryResponse,
    tls: bool,
    tls_config: TlsClient,
}

impl TcpProber {
    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.ip.preferred_ip_protocol.warning().into_iter().collect()
    }
}

impl Default for TcpKeys {
    fn default() -> Self {
        TcpProber::default().into()
    }
}

impl TryFrom<TcpKeys> for TcpProber {
    type Error = RuleError;

    fn try_from(keys: TcpKeys) -> Result<Self, RuleError> {
        keys.query_response.check_tls(keys.tls)?;
        Ok(Self {
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
            source_ip_address: keys.source_ip_address,
            query_response: keys.query_response,
            tls: keys.tls,
            tls_config: keys.tls_config,
        })
    }
}

impl From<TcpProber> for TcpKeys {
    fn from(prober: TcpProber) -> Self {
        Self {
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
            source_ip_address: prober.source_ip_address,
            query_response: prober.query_response,
            tls: prober.tls,
            tls_config: prober.tls_config,
        }
    }
}
