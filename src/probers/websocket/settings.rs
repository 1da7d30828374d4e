//! The section `websocket`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    probers::query_response::QueryResponse,
    settings::{
        http_client::{HeaderValues, HttpClientSettings},
        ip::{IpSettings, PreferredIpProtocol},
    },
};

/// Upgrades a connection and holds a dialogue if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "WebsocketKeys", into = "WebsocketKeys")]
pub struct WebsocketProber {
    /// How the upgrade is asked for.
    pub http_config: HttpClientSettings,
    /// Headers of the request for the upgrade; none are reserved here.
    pub headers: BTreeMap<String, HeaderValues>,
    /// What to expect and what to send.
    pub query_response: QueryResponse,
    /// Which address of the target is probed.
    pub ip: IpSettings,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WebsocketKeys {
    http_config: HttpClientSettings,
    headers: BTreeMap<String, HeaderValues>,
    query_response: QueryResponse,
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
}

impl Default for WebsocketKeys {
    fn default() -> Self {
        WebsocketProber::default().into()
    }
}

impl From<WebsocketKeys> for WebsocketProber {
    fn from(keys: WebsocketKeys) -> Self {
        Self {
            http_config: keys.http_config,
            headers: keys.headers,
            query_response: keys.query_response,
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
        }
    }
}

impl From<WebsocketProber> for WebsocketKeys {
    fn from(prober: WebsocketProber) -> Self {
        Self {
            http_config: prober.http_config,
            headers: prober.headers,
            query_response: prober.query_response,
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
        }
    }
}
