//! The key `no_proxy`: hosts to reach without a proxy, with the rules of Go's client.

use std::{borrow::Cow, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::settings::host_name::to_ascii;

/// Hosts to reach without a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoProxy {
    text: String,
    rules: Vec<Rule>,
}

/// The destination of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'d> {
    /// Host name or address, without brackets.
    pub host: &'d str,
    /// The selected address of the name, if it was resolved.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

/// One entry. Without a port it applies to all ports.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Everything,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<String>,
    },
    /// A domain in lower case, with a dot before it. It includes the name itself if `itself` is
    /// set, and all names below it.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<String>,
    },
}

impl NoProxy {
    /// Parses a comma-separated list: names, `.suffixes`, addresses, networks, or `*` for
    /// everything. A name or an address can have a `:port`. Invalid entries are ignored, as in
    /// upstream.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let rules = text.split(',').filter_map(|entry| Rule::parse(&entry.trim().to_lowercase()));
        Self { text: text.to_owned(), rules: rules.collect() }
    }

    /// Returns the list as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns true if `destination` is reached without a proxy. This always includes the local
    /// host.
    ///
    /// Names are compared with the name; addresses and networks with the host and the selected
    /// address. Upstream compares with the selected address only.
    #[must_use]
    pub fn matches(&self, destination: Destination<'_>) -> bool {
        let Destination { host, address, port } = destination;
        let host = ascii(&host.trim().to_lowercase());
        let addresses: Vec<_> = [host.parse().ok(), address]
            .into_iter()
            .flatten()
            .map(|address: IpAddr| address.to_canonical())
            .collect();
        host == "localhost"
            || addresses.iter().any(IpAddr::is_loopback)
            || self.rules.iter().any(|rule| rule.matches(&host, &addresses, port))
    }
}

impl<'de> Deserialize<'de> for NoProxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

impl Serialize for NoProxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Rule {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::Everything);
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse())
            && bits <= width(address)
        {
            return Some(Self::Network { address, bits });
        }
        let (host, port) = split_port(entry);
        if host.is_empty() {
            return None;
        }
        if let Ok(address) = host.parse() {
            return Some(Self::Address { address, port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let itself = !host.starts_with('.');
        let name = ascii(host.strip_prefix('.').unwrap_or(host));
        Some(Self::Domain { suffix: format!(".{name}"), itself, port })
    }

    fn matches(&self, host: &str, addresses: &[IpAddr], port: u16) -> bool {
        let is_port = |wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| wanted.is_empty() || *wanted == port.to_string())
        };
        match self {
            Self::Everything => true,
            Self::Network { address, bits } => {
                addresses.iter().any(|known| shares_bits(*known, *address, *bits))
            }
            Self::Address { address, port } => is_port(port) && addresses.contains(address),
            Self::Domain { suffix, itself, port } => {
                let is_below = host.ends_with(suffix.as_str());
                let is_it = *itself && suffix.strip_prefix('.') == Some(host);
                (is_below || is_it) && is_port(port)
            }
        }
    }
}

/// Returns the host, without brackets, and the port after it.
fn split_port(entry: &str) -> (&str, Option<String>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').map(str::to_owned));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port.to_owned())),
        _ => (entry, None),
    }
}

/// Returns the number of bits of an address.
fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

fn shares_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

/// Returns the ASCII form of a name. An invalid name is returned unchanged; it matches only itself.
fn ascii(name: &str) -> String {
    to_ascii(name).map_or_else(|_| name.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(list: &str, host: &str, address: Option<&str>, port: u16) -> bool {
        let address = address.map(|address| address.parse().unwrap());
        NoProxy::parse(list).matches(Destination { host, address, port })
    }

    #[test]
    fn matches_hosts_like_gos_client() {
        for (list, host, port, expected) in [
            ("example.org", "example.org", 80, true),
            ("example.org", "WWW.Example.org", 80, true),
            ("example.org", "notexample.org", 80, false),
            (".example.org", "example.org", 80, false),
            (".example.org", "www.example.org", 80, true),
            ("*.example.org", "www.example.org", 80, true),
            ("*.example.org", "example.org", 80, false),
            ("example.org:8080", "example.org", 8080, true),
            ("example.org:8080", "example.org", 80, false),
            ("*.example.org:8080", "www.example.org", 8080, true),
            ("a, Example.ORG ,b", "example.org", 80, true),
            ("*", "anything", 80, true),
            ("", "anything", 80, false),
            (",", "anything", 80, false),
            (":80", "anything", 80, false),
            ("b\u{fc}cher.example", "xn--bcher-kva.example", 80, true),
            ("10.0.0.0/8", "10.1.2.3", 80, true),
            ("10.0.0.0/8", "11.1.2.3", 80, false),
            ("10.1.2.3/8", "10.9.9.9", 80, true),
            ("0.0.0.0/0", "192.0.2.1", 80, true),
            ("2001:db8::/32", "2001:db8:1::1", 80, true),
            ("2001:db8::/32", "2001:db9::1", 80, false),
            ("10.0.0.0/33", "10.0.0.0", 80, false),
            ("192.0.2.1", "192.0.2.1", 80, true),
            ("192.0.2.1:443", "192.0.2.1", 80, false),
            ("192.0.2.1:443", "192.0.2.1", 443, true),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("[2001:db8::1]", "2001:db8::1", 443, true),
            ("2001:db8::1", "2001:db8::1", 443, true),
            ("", "localhost", 80, true),
            ("", "127.0.0.2", 80, true),
            ("", "::1", 80, true),
        ] {
            assert_eq!(matches(list, host, None, port), expected, "{list}: {host}:{port}");
        }
    }

    #[test]
    fn matches_names_by_name_and_addresses_by_selected_address() {
        for (list, expected) in [
            ("10.0.0.0/8", true),
            ("10.1.2.3", true),
            ("inside.example", true),
            (".example", true),
            ("11.0.0.0/8", false),
            ("other.example", false),
        ] {
            let found = matches(list, "inside.example", Some("10.1.2.3"), 80);
            assert_eq!(found, expected, "{list}");
        }
        assert!(matches("", "inside.example", Some("127.0.0.1"), 80), "the host itself");
    }
}
