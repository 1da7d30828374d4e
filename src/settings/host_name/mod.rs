//! Host names: validation, and the ASCII form (IDNA) for DNS, TLS and HTTP.

mod check;

use std::borrow::Cow;

use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use thiserror::Error;

pub use self::check::{NotAHost, check, check_of_url};

/// A host name that has no ASCII form.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a valid internationalised host name (IDNA); check its characters, or write it in its ASCII form (xn--...)"
)]
pub struct NoAsciiForm(String);

/// Maximum length in bytes of a name that is not ASCII. The ASCII form of a longer one is too long for
/// DNS.
const MAX_UNICODE: usize = 2 << 10;

/// Number of characters of a longer name in its error.
const MAX_NAMED: usize = 64;

/// Returns the ASCII form of `host` by UTS #46, non-transitional, like curl and Go's client. `ß`
/// stays a separate letter, upper case becomes lower case, `。` becomes a dot.
///
/// An ASCII name is returned unchanged, and so is an IPv6 address with a zone.
///
/// # Errors
/// The name contains characters that host names cannot contain.
pub fn to_ascii(host: &str) -> Result<Cow<'_, str>, NoAsciiForm> {
    if host.is_ascii() || host.contains(['%', ':']) {
        return Ok(Cow::Borrowed(host));
    }
    if host.len() > MAX_UNICODE {
        return Err(NoAsciiForm(host.chars().take(MAX_NAMED).chain(['\u{2026}']).collect()));
    }
    let (deny, length) = (AsciiDenyList::URL, DnsLength::Ignore);
    Uts46::new()
        .to_ascii(host.as_bytes(), deny, Hyphens::Allow, length)
        .map(|name| Cow::Owned(name.into_owned()))
        .map_err(|_| NoAsciiForm(host.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_names_to_ascii() {
        for (host, expected) in [
            ("example.org", "example.org"),
            ("Example.ORG.", "Example.ORG."),
            ("a_b.example", "a_b.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("fe80::1%\u{fc}ber0", "fe80::1%\u{fc}ber0"),
            ("xn--mnchen-3ya.test", "xn--mnchen-3ya.test"),
            ("m\u{fc}nchen.test", "xn--mnchen-3ya.test"),
            ("M\u{dc}NCHEN.Test", "xn--mnchen-3ya.test"),
            ("mu\u{308}nchen.test", "xn--mnchen-3ya.test"),
            ("m\u{fc}nchen.test.", "xn--mnchen-3ya.test."),
            ("m\u{fc}nchen\u{3002}test", "xn--mnchen-3ya.test"),
            ("m\u{fc}nchen\u{ff0e}test\u{3002}", "xn--mnchen-3ya.test."),
            ("_dns.m\u{fc}nchen.test", "_dns.xn--mnchen-3ya.test"),
            ("stra\u{df}e.test", "xn--strae-oqa.test"),
            ("STRA\u{1e9e}E.test", "xn--strae-oqa.test"),
            ("b\u{fc}cher.xn--mnchen-3ya.test", "xn--bcher-kva.xn--mnchen-3ya.test"),
            ("\u{30c6}\u{30b9}\u{30c8}.test", "xn--zckzah.test"),
            ("\u{2603}.test", "xn--n3h.test"),
            ("\u{ff11}\u{ff12}\u{ff17}.0.0.1", "127.0.0.1"),
            ("so\u{ad}ft.test", "soft.test"),
        ] {
            assert_eq!(to_ascii(host).as_deref(), Ok(expected), "{host}");
        }
    }

    #[test]
    fn the_length_is_limited() {
        let error = to_ascii(&"\u{fc}.".repeat(MAX_UNICODE)).unwrap_err().to_string();
        assert!(error.contains("\u{2026}") && error.len() < 500, "{error}");
    }

    #[test]
    fn rejects_invalid_characters() {
        for host in [
            "a\u{ff0f}b.test",
            "a\u{2100}.test",
            "\u{301}a.test",
            "m\u{fc} nchen.test",
            "a\u{200d}b.test",
            "\u{5d0}1a.test",
            "\u{fffd}.test",
            "m\u{fc}nchen.xn--a.test",
        ] {
            let error = to_ascii(host).unwrap_err().to_string();
            assert!(error.contains("not a valid internationalised host name"), "{error}");
        }
    }
}
