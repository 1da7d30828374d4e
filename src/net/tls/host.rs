//! Host names: SNI, and matching with certificates, by the rules of Go's client.

use std::net::IpAddr;

use crate::net::tls::certificate::Certificate;

/// Returns the name to send as SNI; `None` for an IP address.
///
/// Trailing dots are dropped and letter case is kept.
pub(super) fn server_name_indication(host: &str) -> Option<&str> {
    let bare = without_brackets(host);
    let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
    if without_zone.parse::<IpAddr>().is_ok() {
        return None;
    }
    Some(host.trim_end_matches('.')).filter(|name| !name.is_empty())
}

/// Returns whether `certificate` is for `host`. Only its subject alternative names count, not its
/// common name.
pub(super) fn is_for(certificate: &Certificate, host: &str) -> bool {
    let names = certificate.alternative_names();
    if let Ok(address) = without_brackets(host).parse::<IpAddr>() {
        let wanted = address.to_canonical();
        let addresses = names.addresses.iter();
        return addresses.filter_map(|bytes| ip_address(bytes)).any(|known| known == wanted);
    }
    names.dns.iter().any(|name| matches(name, host))
}

fn matches(pattern: &str, host: &str) -> bool {
    if !(is_host_name(host.strip_suffix('.').unwrap_or(host), Wildcard::Refused)
        && is_host_name(pattern, Wildcard::Allowed))
    {
        // Names in use that are no host names are compared as they are.
        return !matches!(host, "" | ".") && pattern.eq_ignore_ascii_case(host);
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    match (pattern.strip_prefix("*."), host.split_once('.')) {
        (Some(domain), Some((_, parent))) => domain.eq_ignore_ascii_case(parent),
        (Some(_), None) => false,
        (None, _) => pattern.eq_ignore_ascii_case(host),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    Allowed,
    Refused,
}

/// Returns whether `name` consists of labels of letters, digits, `_` and inner `-`; the first label
/// of a pattern may be `*`, unless it is the only one.
fn is_host_name(name: &str, wildcard: Wildcard) -> bool {
    let mut labels = name.split('.');
    if wildcard == Wildcard::Allowed && name.starts_with("*.") {
        labels.next();
    }
    labels.all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

pub(super) fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        _ => return None,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_and_addresses_are_not() {
        let cases = [
            ("example.org", Some("example.org")),
            ("Example.ORG", Some("Example.ORG")),
            ("example.org.", Some("example.org")),
            ("127.0.0.1", None),
            ("::1", None),
            ("[::1]", None),
            ("fe80::1%eth0", None),
            ("[fe80::1%eth0]", None),
            ("", None),
            (".", None),
        ];
        for (host, expected) in cases {
            assert_eq!(server_name_indication(host), expected, "{host}");
        }
    }

    #[test]
    fn patterns_match_as_go_matches_them() {
        let cases = [
            ("example.org", "example.org", true),
            ("example.org", "EXAMPLE.org.", true),
            ("EXAMPLE.org", "example.ORG", true),
            ("example.org", "www.example.org", false),
            ("*.example.org", "www.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
            ("w*.example.org", "www.example.org", false),
            ("www.*.org", "www.example.org", false),
            ("*", "localhost", false),
            ("*", "*", true),
            ("*.org", "example.org", true),
            ("a_b.example.org", "a_b.example.org", true),
            ("-a.example.org", "-a.example.org", true),
            ("example.org.", "example.org", false),
            ("example..org", "example..org", true),
            ("/run/app.sock", "/run/app.sock", true),
            ("", "", false),
            ("", ".", false),
            (".", ".", false),
            ("127.0.0.1", "127.0.0.1.", true),
        ];
        for (pattern, host, expected) in cases {
            assert_eq!(matches(pattern, host), expected, "{pattern} for {host}");
        }
    }

    #[test]
    fn addresses_are_compared_whatever_their_form() {
        let four = ip_address(&[127, 0, 0, 1]).unwrap();
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
        assert_eq!(ip_address(&mapped), Some(four));
        assert_eq!(ip_address(&[127, 0, 0]), None);
    }
}
