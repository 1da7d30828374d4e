//! Which address family a probe prefers, and the address it comes from.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The keys `preferred_ip_protocol` and `ip_protocol_fallback`, which every section with a network
/// address has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpSettings {
    /// As it was written; see [`Self::preferred`].
    pub preferred_ip_protocol: PreferredIpProtocol,
    /// Whether an address of the other family will do when there is none of the preferred one.
    pub ip_protocol_fallback: bool,
}

impl Default for IpSettings {
    fn default() -> Self {
        Self {
            preferred_ip_protocol: PreferredIpProtocol::default(),
            ip_protocol_fallback: IP_PROTOCOL_FALLBACK,
        }
    }
}

/// Whether the other family will do when the key is absent.
pub const IP_PROTOCOL_FALLBACK: bool = true;

impl IpSettings {
    /// The family that is preferred.
    #[must_use]
    pub fn preferred(&self) -> IpFamily {
        self.preferred_ip_protocol.family()
    }
}

/// A value of `preferred_ip_protocol`, as it was written.
///
/// As upstream reads it, `ip6` and an empty value mean IPv6, and anything else means IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreferredIpProtocol(String);

impl PreferredIpProtocol {
    /// The family that the value means.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        match self.0.as_str() {
            "" | "ip6" => IpFamily::V6,
            _ => IpFamily::V4,
        }
    }

    /// What is surprising about the value, if anything is.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self.0.as_str() {
            "" | "ip4" | "ip6" => None,
            other => Some(format!(
                "preferred_ip_protocol: '{other}' is neither ip4 nor ip6; it acts as ip4"
            )),
        }
    }
}

/// Reads `source_ip_address`; an empty text means none.
///
/// Upstream finds a bad address only when it probes.
pub fn source_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IpAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let address: IpAddr = text.parse().map_err(|_| {
        de::Error::custom(format!("'{text}' is not an IP address such as 192.0.2.1 or 2001:db8::1"))
    })?;
    Ok(Some(address.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ip6_and_nothing_prefer_ipv6() {
        for (written, family, surprising) in [
            ("", IpFamily::V6, false),
            ("ip6", IpFamily::V6, false),
            ("ip4", IpFamily::V4, false),
            ("IP6", IpFamily::V4, true),
            ("ipv6", IpFamily::V4, true),
        ] {
            let value = PreferredIpProtocol(written.to_owned());
            assert_eq!(value.family(), family, "{written}");
            assert_eq!(value.warning().is_some(), surprising, "{written}");
        }
    }
}
