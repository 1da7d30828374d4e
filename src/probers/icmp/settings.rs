//! The section `icmp`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::settings::{
    ip::{self, IpSettings, PreferredIpProtocol},
    rule::{RuleError, Warning},
};

/// Sends one echo request and waits for its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "IcmpKeys", into = "IcmpKeys")]
pub struct IcmpProber {
    /// Which address of the target is probed.
    pub ip: IpSettings,
    /// The address to send from.
    pub source_ip_address: Option<IpAddr>,
    /// Bytes after the ICMP header; none means the default text.
    pub payload_size: Option<usize>,
    /// Whether routers must not fragment the request (IPv4).
    pub dont_fragment: bool,
    /// Time to live or hop limit of the request; none means the system's.
    pub ttl: Option<u8>,
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct IcmpKeys {
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
    #[serde(deserialize_with = "ip::source_address")]
    source_ip_address: Option<IpAddr>,
    payload_size: i64,
    dont_fragment: bool,
    ttl: i64,
}

/// How many routers a request passes when the module does not say.
const DEFAULT_TTL: u8 = 64;

/// What an IPv6 packet can carry after the ICMP header.
const LARGEST_PAYLOAD: i64 = 65_527;

impl Default for IcmpProber {
    fn default() -> Self {
        Self {
            ip: IpSettings::default(),
            source_ip_address: None,
            payload_size: None,
            dont_fragment: false,
            ttl: Some(DEFAULT_TTL),
        }
    }
}

impl IcmpProber {
    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if let Some(size) = self.payload_size.filter(|size| *size > LARGEST_OVER_IPV4) {
            let message = format!(
                "{size} bytes are more than the {LARGEST_OVER_IPV4} that a packet of IPv4 carries"
            );
            warnings.push(Warning::at("payload_size", message));
        }
        warnings
    }
}

/// Bytes that an echo request over IPv4 has room for: 65,535 without the headers of IPv4 and ICMP.
const LARGEST_OVER_IPV4: usize = 65_535 - 20 - 8;

impl Default for IcmpKeys {
    fn default() -> Self {
        IcmpProber::default().into()
    }
}

impl TryFrom<IcmpKeys> for IcmpProber {
    type Error = RuleError;

    fn try_from(keys: IcmpKeys) -> Result<Self, RuleError> {
        if keys.ttl < 0 {
            return Err(RuleError::at("ttl", "\"ttl\" cannot be negative"));
        }
        let ttl = u8::try_from(keys.ttl)
            .map_err(|_| RuleError::at("ttl", "\"ttl\" cannot exceed 255"))?;
        if keys.payload_size < 0 {
            return Err(RuleError::at("payload_size", "\"payload_size\" cannot be negative"));
        }
        let payload_size = usize::try_from(keys.payload_size)
            .ok()
            .filter(|_| keys.payload_size <= LARGEST_PAYLOAD)
            .ok_or_else(|| {
                let message = format!("\"payload_size\" cannot exceed {LARGEST_PAYLOAD}");
                RuleError::at("payload_size", message)
            })?;
        Ok(Self {
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
            source_ip_address: keys.source_ip_address,
            payload_size: Some(payload_size).filter(|size| *size > 0),
            dont_fragment: keys.dont_fragment,
            ttl: Some(ttl).filter(|ttl| *ttl > 0),
        })
    }
}

impl From<IcmpProber> for IcmpKeys {
    fn from(prober: IcmpProber) -> Self {
        let payload_size = prober.payload_size.unwrap_or_default();
        Self {
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
            source_ip_address: prober.source_ip_address,
            payload_size: i64::try_from(payload_size).unwrap_or(LARGEST_PAYLOAD),
            dont_fragment: prober.dont_fragment,
            ttl: prober.ttl.map_or(0, i64::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<IcmpProber, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn zero_means_the_systems_default() {
        let prober = parse(json!({"ttl": 0, "payload_size": 0})).unwrap();
        assert_eq!((prober.ttl, prober.payload_size), (None, None));
        assert_eq!(parse(json!({})).unwrap(), IcmpProber::default());
    }

    #[test]
    fn values_out_of_range_are_refused() {
        for (value, expected) in [
            (json!({"ttl": -1}), "ttl: \"ttl\" cannot be negative"),
            (json!({"ttl": 256}), "ttl: \"ttl\" cannot exceed 255"),
            (json!({"payload_size": -1}), "payload_size: \"payload_size\" cannot be negative"),
            (json!({"payload_size": 65_528}), "payload_size: \"payload_size\" cannot exceed 65527"),
            (
                json!({"source_ip_address": "localhost"}),
                "'localhost' is not an IP address such as 192.0.2.1 or 2001:db8::1",
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }
}
