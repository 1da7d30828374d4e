//! Warnings about queries that are valid, but probably a mistake.

use std::net::IpAddr;

use dns_text::RecordType;

use super::{DnsProber, settings::Transport};
use crate::settings::{host_name, rule::Warning};

impl DnsProber {
    /// Returns warnings about the query.
    pub(super) fn query_warnings(&self) -> Vec<Warning> {
        let name = self.query_name.as_str();
        let mut warnings: Vec<_> = problem_of_name(name, self.query_type)
            .map(|problem| Warning::at("query_name", format!("'{name}' {problem}")))
            .into_iter()
            .collect();
        let transfer = [RecordType::AXFR, RecordType::IXFR].contains(&self.query_type);
        if transfer && self.transport_protocol == Transport::Udp {
            let message = "zone transfers require 'transport_protocol: tcp'";
            warnings.push(Warning::at("query_type", message));
        }
        warnings
    }
}

/// Returns the problem of a name, as the end of a sentence.
fn problem_of_name(name: &str, kind: RecordType) -> Option<String> {
    if let Some((_, rest)) = name.split_once("://") {
        let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
        return Some(format!("is a URL, not a name; write '{host}'"));
    }
    if let Ok(address) = name.parse::<IpAddr>() {
        let reverse = reverse(address);
        return Some(if kind == RecordType::PTR {
            format!("is an address; for its PTR record, write '{reverse}'")
        } else {
            format!(
                "is an address, not a name; to look up the name of the address, write '{reverse}' \
                 and 'query_type: PTR'"
            )
        });
    }
    if name.contains(char::is_whitespace) {
        return Some("contains a space, which no host name has".to_owned());
    }
    if let Some((host, port)) = name.rsplit_once(':')
        && !port.is_empty()
        && port.chars().all(|c| c.is_ascii_digit())
    {
        return Some(format!(
            "has a port; write '{host}', and write the port of the name server in the target"
        ));
    }
    if name.contains('@') {
        return Some("is a mail address; write only the domain".to_owned());
    }
    // Classless delegations of reverse zones have slashes (RFC 2317).
    if let Some((host, _)) = name.split_once('/')
        && !name.trim_end_matches('.').to_ascii_lowercase().ends_with(".arpa")
    {
        return Some(format!("has a path; write '{host}'"));
    }
    if !name.is_ascii() {
        return Some(match host_name::to_ascii(name) {
            Ok(ascii) => format!(
                "has non-ASCII letters, which are sent unchanged, but zones contain the ASCII \
                 form; write '{ascii}'"
            ),
            Err(_) => "has non-ASCII characters, which no host name has".to_owned(),
        });
    }
    None
}

/// Returns the name of an address's PTR records (RFC 1035, section 3.5; RFC 3596).
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
            let mut labels: Vec<_> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            labels.reverse();
            format!("{}.ip6.arpa", labels.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspicious_names_are_reported() {
        let a = RecordType::A;
        for (name, kind, expected) in [
            ("http://example.org", a, "is a URL, not a name; write 'example.org'"),
            ("https://example.org:8443/x", a, "write 'example.org'"),
            ("example.org:53", a, "has a port"),
            ("example.org/path", a, "has a path"),
            ("a b.example", a, "contains a space"),
            ("me@example.org", a, "mail address"),
            ("b\u{fc}cher.example", a, "write 'xn--bcher-kva.example'"),
            ("192.0.2.1", RecordType::PTR, "'1.2.0.192.in-addr.arpa'"),
            ("192.0.2.1", a, "and 'query_type: PTR'"),
            ("2001:db8::1", RecordType::PTR, "8.b.d.0.1.0.0.2.ip6.arpa'"),
        ] {
            let problem = problem_of_name(name, kind).unwrap_or_default();
            assert!(problem.contains(expected), "{name}: {problem}");
        }
    }

    #[test]
    fn plausible_names_are_not_reported() {
        for name in [
            "",
            ".",
            "example.org",
            "Example.ORG.",
            "_sip._tcp.example.org",
            "*.example.org",
            "xn--bcher-kva.example",
            "1.2.0.192.in-addr.arpa",
            "0/25.2.0.192.in-addr.arpa.",
            "version.bind",
            r"a\.b.example",
            "localhost",
        ] {
            assert_eq!(problem_of_name(name, RecordType::PTR), None, "{name}");
        }
    }
}
