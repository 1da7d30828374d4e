//! Name constraints on IP addresses, which BoringSSL does not support.
//!
//! Private authorities use them, and Go's verifier supports them.

use crate::net::tls::{
    certificate::{AlternativeNames, Certificate, parse},
    x509_extensions::{self, GeneralName, NameConstraints, oid, tag},
};

/// Returns whether the name constraints of `authority` allow all names of `leaf`.
pub(super) fn allow(authority: &Certificate, leaf: &Certificate) -> bool {
    let Some(parsed) = parse(&authority.der) else { return false };
    parsed.extensions().iter().all(|extension| {
        extension.oid.as_bytes() != oid::NAME_CONSTRAINTS
            || x509_extensions::name_constraints(extension.value)
                .is_some_and(|constraints| are_kept(&constraints, leaf.alternative_names()))
    })
}

/// Returns whether `constraints` allow all of `names`. Names that are neither DNS names nor IP
/// addresses are not allowed.
fn are_kept(constraints: &NameConstraints<'_>, names: &AlternativeNames) -> bool {
    let NameConstraints { permitted, excluded } = constraints;
    let understood =
        permitted.iter().chain(excluded).all(|(tag, _)| matches!(*tag, tag::DNS | tag::IP_ADDRESS));
    understood
        && !names.others
        && names.dns.iter().all(|name| {
            let concerns = |domain| holds(domain, name) || may_be(name, domain);
            let mut domains = permitted.iter().filter_map(dns).peekable();
            !excluded.iter().filter_map(dns).any(concerns)
                && (domains.peek().is_none() || domains.any(|domain| holds(domain, name)))
        })
        && names.addresses.iter().all(|address| {
            let mut ranges = permitted.iter().filter_map(range).peekable();
            !excluded.iter().filter_map(range).any(|range| contains(range, address))
                && (ranges.peek().is_none() || ranges.any(|range| contains(range, address)))
        })
}

fn dns<'d>((tag, content): &GeneralName<'d>) -> Option<&'d str> {
    str::from_utf8(content).ok().filter(|_| *tag == tag::DNS)
}

fn range<'d>((tag, content): &GeneralName<'d>) -> Option<&'d [u8]> {
    (*tag == tag::IP_ADDRESS).then_some(content)
}

/// Returns whether `name` is in `domain`. A domain that begins with a dot contains only names below
/// it.
fn holds(domain: &str, name: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    match name.strip_suffix(&domain) {
        Some("") => !domain.starts_with('.'),
        Some(rest) => domain.is_empty() || domain.starts_with('.') || rest.ends_with('.'),
        None => false,
    }
}

/// Returns whether the wildcard `name` matches a name in `domain`.
fn may_be(name: &str, domain: &str) -> bool {
    name.strip_prefix("*.").is_some_and(|parent| {
        let (_, above) = domain.trim_start_matches('.').split_once('.').unwrap_or_default();
        above.eq_ignore_ascii_case(parent)
    })
}

/// Returns whether `address` is in `range`, which is an address and a mask of the same length.
fn contains(range: &[u8], address: &[u8]) -> bool {
    let (network, mask) = range.split_at(range.len() / 2);
    network.len() == address.len()
        && network.iter().zip(mask).zip(address).all(|((n, m), a)| n & m == a & m)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_hold_what_is_below_them() {
        let cases = [
            ("example.org", "example.org", true),
            ("example.org", "www.EXAMPLE.org", true),
            ("example.org", "badexample.org", false),
            ("example.org", "org", false),
            (".example.org", "www.example.org", true),
            (".example.org", "example.org", false),
            ("", "example.org", true),
        ];
        for (domain, name, expected) in cases {
            assert_eq!(holds(domain, name), expected, "{name} in {domain}");
        }
        assert!(may_be("*.example.org", "www.example.org"));
        assert!(!may_be("*.example.org", "a.b.example.org"));
        assert!(!may_be("www.example.org", "www.example.org"));
    }

    #[test]
    fn ranges_contain_addresses_of_their_family() {
        let ten = [10, 0, 0, 0, 255, 0, 0, 0];
        assert!(contains(&ten, &[10, 1, 2, 3]));
        assert!(!contains(&ten, &[11, 1, 2, 3]));
        assert!(!contains(&ten, &[0; 16]));
        assert!(contains(&[0; 32], &[7; 16]));
        assert!(!contains(&[], &[10, 1, 2, 3]));
    }
}
