//! The address family that a probe prefers, and its source address.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::section::{Form, section};

use crate::settings::rule::Warning;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

section! {
    /// The address family that a probe prefers: keys of every section with a network address.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct IpSettings {
        /// Address family to use if the name has addresses of both: `ip6` or `ip4`.
        pub preferred_ip_protocol: PreferredIpProtocol,
        /// Uses the other family if the preferred one has no address; otherwise the probe fails.
        pub ip_protocol_fallback: bool = IP_PROTOCOL_FALLBACK,
    }
}

/// The default of `ip_protocol_fallback`.
pub const IP_PROTOCOL_FALLBACK: bool = true;

impl IpSettings {
    /// Returns the preferred family.
    #[must_use]
    pub fn preferred(&self) -> IpFamily {
        self.preferred_ip_protocol.family()
    }
}

/// A value of `preferred_ip_protocol`, as written.
///
/// As in upstream, `ip6` and an empty value mean IPv6, and any other value means IPv4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreferredIpProtocol(String);

impl PreferredIpProtocol {
    /// Returns the family that the value means.
    #[must_use]
    pub fn family(&self) -> IpFamily {
        match self.0.as_str() {
            "" | "ip6" => IpFamily::V6,
            _ => IpFamily::V4,
        }
    }

    /// Returns a warning if the value is neither `ip4` nor `ip6`.
    #[must_use]
    pub fn warning(&self) -> Option<Warning> {
        match self.0.as_str() {
            "" | "ip4" | "ip6" => None,
            other => {
                let message = format!("'{other}' is neither ip4 nor ip6; ip4 is used");
                Some(Warning::at("preferred_ip_protocol", message))
            }
        }
    }
}

/// Returns a warning about a source address that makes probes fail, or that has no effect.
#[must_use]
pub fn source_address_warning(source: Option<IpAddr>, ip: &IpSettings) -> Option<Warning> {
    let source = source?;
    let warning = |message| Some(Warning::at("source_ip_address", message));
    let is_link_local = matches!(source, IpAddr::V6(address) if address.is_unicast_link_local());
    let is_broadcast = matches!(source, IpAddr::V4(address) if address.is_broadcast());
    if source.is_unspecified() {
        return warning(format!(
            "{source} is the unspecified address and has no effect; remove it"
        ));
    }
    if source.is_multicast() || is_broadcast {
        return warning(format!(
            "{source} is a multicast or broadcast address, which no host can send from; use an \
             address of this host"
        ));
    }
    if is_link_local {
        return warning(format!(
            "{source} is a link-local address, and the key cannot name its interface; use another \
             address of this host"
        ));
    }
    let preferred = ip.preferred();
    let (own, other) = if source.is_ipv4() { (IpFamily::V4, "ip4") } else { (IpFamily::V6, "ip6") };
    if preferred == own {
        return None;
    }
    let who = if ip.ip_protocol_fallback {
        let family = if preferred == IpFamily::V6 { "IPv6" } else { "IPv4" };
        format!("probes of targets with an {family} address fail")
    } else {
        "every probe fails".to_owned()
    };
    warning(format!(
        "{source} is not of the preferred address family, so {who}; set 'preferred_ip_protocol: \
         {other}'"
    ))
}

/// The format of `source_ip_address`; an empty text means none.
///
/// Upstream finds an invalid address only when it probes.
#[derive(Debug)]
pub struct SourceAddress;

impl Form<Option<IpAddr>> for SourceAddress {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpAddr>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        let address: IpAddr = text.parse().map_err(|_| {
            let message = format!(
                "'{text}' is not an IP address; write for example 192.0.2.1 or 2001:db8::1"
            );
            de::Error::custom(message)
        })?;
        Ok(Some(address.to_canonical()))
    }

    fn write<S: Serializer>(address: &Option<IpAddr>, serializer: S) -> Result<S::Ok, S::Error> {
        address.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warns_about_unusable_source_addresses() {
        for (source, preferred, fallback, expected) in [
            ("192.0.2.1", "ip4", true, ""),
            ("2001:db8::1", "ip6", false, ""),
            ("127.0.0.1", "ip4", true, ""),
            ("0.0.0.0", "ip4", true, "is the unspecified address"),
            ("::", "", true, "is the unspecified address"),
            ("224.0.0.1", "ip4", true, "multicast or broadcast"),
            ("255.255.255.255", "ip4", true, "multicast or broadcast"),
            ("ff02::1", "", true, "multicast or broadcast"),
            ("fe80::1", "", true, "is a link-local address"),
            (
                "192.0.2.1",
                "",
                true,
                "targets with an IPv6 address fail; set 'preferred_ip_protocol: ip4'",
            ),
            ("192.0.2.1", "ip6", false, "every probe fails"),
            (
                "2001:db8::1",
                "ip4",
                true,
                "targets with an IPv4 address fail; set 'preferred_ip_protocol: ip6'",
            ),
        ] {
            let ip = IpSettings {
                preferred_ip_protocol: PreferredIpProtocol(preferred.to_owned()),
                ip_protocol_fallback: fallback,
            };
            let warning = source_address_warning(Some(source.parse().unwrap()), &ip);
            let warning = warning.map(|warning| warning.message);
            assert_eq!(warning.is_none(), expected.is_empty(), "{source}: {warning:?}");
            assert!(warning.unwrap_or_default().contains(expected), "{source}");
        }
    }

    #[test]
    fn ip6_and_empty_values_prefer_ipv6() {
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
