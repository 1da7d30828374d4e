//! The hosts file (hosts(5)).

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::address::Address;
use crate::settings::host_name::to_ascii;

/// The addresses of a hosts file, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hosts(HashMap<String, Vec<Address>>);

impl Hosts {
    /// Parses a hosts file. Lines that do not begin with an address are ignored.
    pub(super) fn parse(file: &[u8]) -> Self {
        let mut hosts: HashMap<String, Vec<Address>> = HashMap::new();
        for line in file.split(|byte| *byte == b'\n') {
            // A comment may be in any encoding.
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_whitespace();
            let Some(Ok(address)) = words.next().and_then(Address::literal) else {
                continue;
            };
            for name in words {
                let addresses = hosts.entry(key(name)).or_default();
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Self(hosts)
    }

    /// Returns the addresses of a name. `localhost` and the names below it are loopback addresses,
    /// also if the file does not contain them (RFC 6761, section 6.3).
    pub(super) fn addresses(&self, host: &str) -> Option<Vec<Address>> {
        let key = key(host);
        if let Some(addresses) = self.0.get(&key) {
            return Some(addresses.clone());
        }
        let is_local = key == "localhost" || key.ends_with(".localhost");
        is_local.then(|| {
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            loopback.map(|ip: std::net::IpAddr| Address::from(ip)).into()
        })
    }
}

/// Returns the key of a name: in ASCII and lower case, without a final dot.
pub(super) fn key(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    to_ascii(name).map_or_else(|_| name.to_lowercase(), |name| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_order() {
        let hosts = Hosts::parse(
            b"127.0.0.1 localhost\n::1 localhost ip6-localhost # comment\r\n\
              bad line\n# f\xfcr alle\n192.0.2.1\tWeb.Example web # f\xfcr alle\n\n\
              192.0.2.2 web.example.\r\n192.0.2.1 web.example\n  192.0.2.3  b\xc3\xbccher.example\n\
              ::ffff:192.0.2.4 mapped\nfe80::1%1 zone\n127.0.0.01 odd\n127.1 odd\n192.0.2.5\n\
              192.0.2.6 10.0.0.256 a_b",
        );
        for (name, expected) in [
            ("LOCALHOST.", Some("127.0.0.1 ::1")),
            ("ip6-localhost", Some("::1")),
            ("web.example", Some("192.0.2.1 192.0.2.2")),
            ("WEB", Some("192.0.2.1")),
            ("xn--bcher-kva.example", Some("192.0.2.3")),
            ("B\u{dc}CHER.example", Some("192.0.2.3")),
            ("mapped", Some("192.0.2.4")),
            ("zone", Some("fe80::1%1")),
            ("10.0.0.256", Some("192.0.2.6")),
            ("a_b", Some("192.0.2.6")),
            ("line", None),
            ("odd", None),
            ("f\u{fc}r", None),
            ("#", None),
        ] {
            let found = hosts.addresses(name).map(|addresses| {
                let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                texts.join(" ")
            });
            assert_eq!(found.as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn localhost_is_loopback_without_a_file() {
        let hosts = Hosts::parse(b"192.0.2.1 web.localhost\n");
        let first = |name: &str| Some(hosts.addresses(name)?.first()?.to_string());
        assert_eq!(first("localhost").as_deref(), Some("127.0.0.1"));
        assert_eq!(first("a.Localhost.").as_deref(), Some("127.0.0.1"));
        assert_eq!(first("web.localhost").as_deref(), Some("192.0.2.1"));
        assert_eq!(first("notlocalhost"), None);
    }
}
