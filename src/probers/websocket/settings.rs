//! The section `websocket`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    net::tls::TlsClient,
    probers::query_response::QueryResponse,
    settings::{
        header,
        http_client::{HeaderValues, HttpClientSettings, by_name},
        ip::{IpSettings, PreferredIpProtocol},
        rule::{KeyPath, RuleError, Warning},
    },
};

/// Upgrades a connection and holds a dialogue if there is one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "WebsocketKeys", into = "WebsocketKeys")]
pub struct WebsocketProber {
    /// How the upgrade is asked for: of it, the credentials count. TLS is in `tls_client`.
    pub http_config: HttpClientSettings,
    /// How TLS is spoken.
    pub tls_client: TlsClient,
    /// Headers of the request for the upgrade.
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
    #[serde(serialize_with = "by_name")]
    headers: BTreeMap<String, HeaderValues>,
    query_response: QueryResponse,
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
}

/// Headers that make the request one for an upgrade.
const OWN: [&str; 4] = ["Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Upgrade"];

impl WebsocketProber {
    /// Refuses headers with which no probe can be made; a module of another prober may hold them.
    pub fn check_use(&self) -> Result<(), RuleError> {
        for (name, values) in &self.headers {
            let place = KeyPath::from(["headers", name]);
            let usual = header::canonical(name);
            if OWN.contains(&usual.as_str()) {
                let message = format!("the upgrade sets the header '{usual}' itself: remove it");
                return Err(RuleError::at(place, message));
            }
            values.check(name, &place)?;
        }
        Ok(())
    }

    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        let HttpClientSettings { oauth2, proxy, http_headers, .. } = &self.http_config;
        for (key, is_set, instead) in [
            ("oauth2", oauth2.is_some(), ""),
            ("proxy_url", proxy.proxy_url.is_some(), ""),
            ("proxy_from_environment", proxy.proxy_from_environment, ""),
            ("http_headers", http_headers.iter().next().is_some(), "; use headers"),
        ] {
            if is_set {
                let message = format!("no effect on a websocket{instead}");
                warnings.push(Warning::at(["http_config", key], message));
            }
        }
        for (index, step) in self.query_response.steps().iter().enumerate() {
            for (key, is_set) in [
                ("expect_bytes", !step.expect_bytes.is_empty()),
                ("labels", !step.labels.is_empty()),
                ("starttls", step.starttls),
                ("skip_newline_on_send", step.skip_newline_on_send),
            ] {
                if is_set {
                    let path = KeyPath::from("query_response").index(index).key(key);
                    warnings.push(Warning::at(path, "no effect on a websocket"));
                }
            }
        }
        if self.headers.keys().any(|name| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions")) {
            let message = "with Sec-WebSocket-Extensions a server may agree to an extension, and \
                           none can be spoken";
            warnings.push(Warning::at("headers", message));
        }
        warnings
    }
}

impl Default for WebsocketKeys {
    fn default() -> Self {
        WebsocketProber::default().into()
    }
}

impl TryFrom<WebsocketKeys> for WebsocketProber {
    type Error = RuleError;

    fn try_from(keys: WebsocketKeys) -> Result<Self, RuleError> {
        Ok(Self {
            tls_client: TlsClient::try_from(keys.http_config.tls_config.clone())
                .map_err(|error| error.inside(["http_config", "tls_config"]))?,
            http_config: keys.http_config,
            headers: keys.headers,
            query_response: keys.query_response,
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
        })
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> WebsocketProber {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn headers_that_no_upgrade_can_have_are_refused() {
        for (headers, expected) in [
            (json!({"upgrade": {"values": ["h2c"]}}), "headers.upgrade: the upgrade sets"),
            (json!({"SEC-websocket-key": {}}), "headers.SEC-websocket-key: the upgrade sets"),
            (json!({"X": {"values": ["a", "b\nc"]}}), "headers.X.values[1]: the value of 'X'"),
            (json!({"a b": {}}), "headers.a b: 'a b' is not a header name"),
        ] {
            let error = parse(json!({"headers": headers})).check_use().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let allowed = json!({"Host": {"values": ["a"]}, "Authorization": {"secrets": ["b"]}});
        assert_eq!(parse(json!({"headers": allowed})).check_use(), Ok(()));
    }

    #[test]
    fn what_has_no_effect_is_warned_of() {
        let prober = parse(json!({
            "http_config": {
                "oauth2": {"client_id": "a", "token_url": "http://b"},
                "proxy_url": "http://c",
                "http_headers": {"X": {"values": ["d"]}},
            },
            "query_response": [
                {"expect": "a"},
                {"expect_bytes": "b", "starttls": true, "skip_newline_on_send": true},
                {"labels": [{"name": "c"}]},
            ],
            "headers": {"sec-websocket-extensions": {"values": ["permessage-deflate"]}},
            "preferred_ip_protocol": "ipv6",
        }));
        assert_eq!(prober.warnings().len(), 9, "{:?}", prober.warnings());
        assert!(WebsocketProber::default().warnings().is_empty());
    }
}
