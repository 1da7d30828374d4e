//! Validation of host names, with the reason why a text is not one.

use std::net::IpAddr;

use dns_text::MAX_LABEL;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::{Host, Url};

use super::{NoAsciiForm, to_ascii};
use crate::settings::redact;

/// The reason why a text is neither a host name nor an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAHost {
    /// The text is empty.
    #[error("the host is missing; write a host name or an IP address")]
    Empty,
    /// The text has a scheme. The value is the host.
    #[error("it is a URL; write {0}")]
    Url(String),
    /// The text ends in a port. The value is the text without it.
    #[error("it has a port; write {0}")]
    Port(String),
    /// The text has brackets, or one of them. The value is the text without them.
    #[error("an IPv6 address has brackets only before a port or in a URL; write {0}")]
    Brackets(String),
    /// The text has a character that host names cannot contain.
    #[error("it contains {0:?}; a host name has letters, digits, '-', '_' and '.'")]
    Character(char),
    /// All labels are numbers.
    #[error(
        "all its labels are numbers; an IPv4 address has four numbers from 0 to 255 without \
         leading zeros"
    )]
    Numbers,
    /// The text has two dots in a row, or a dot at the start.
    #[error("it has an empty label (two dots in a row, or a dot at the start)")]
    EmptyLabel,
    /// RFC 1035, section 2.3.4.
    #[error("it has a label of more than {MAX_LABEL} bytes")]
    LongLabel,
    /// RFC 1035, section 2.3.4.
    #[error("it is longer than {MAX_NAME} bytes")]
    Long,
    /// A label begins or ends with a hyphen (RFC 952, RFC 1123).
    #[error("it has a label that starts or ends with '-'")]
    Hyphen,
    /// The name has no ASCII form.
    #[error(transparent)]
    NoAsciiForm(#[from] NoAsciiForm),
    /// A link-local address names an interface that does not exist.
    #[error("this host has no network interface {0:?}")]
    Interface(String),
}

/// Maximum length of a name in bytes, without a final dot. The wire format adds two bytes.
const MAX_NAME: usize = 253;

impl NotAHost {
    /// Returns the error message about `host`.
    #[must_use]
    pub fn message(&self, host: &str) -> String {
        let host = redact::url(host);
        match self {
            Self::Empty | Self::NoAsciiForm(_) => self.to_string(),
            Self::Interface(_) => format!("{host:?} cannot be reached: {self}"),
            _ => format!("{host:?} is not a host name or an IP address: {self}"),
        }
    }
}

/// Checks that an ASCII text is a host name.
///
/// As in Go, a name has letters, digits, `-` and `_`, and at least one label that is not a number
/// (RFC 1123, section 2.1). Unlike in Go, hexadecimal numbers count as numbers: many programs read
/// `0x7f.1` as an address.
///
/// # Errors
/// The text is something else, such as a URL, or has an error.
pub fn check(host: &str) -> Result<(), NotAHost> {
    if host.is_empty() {
        return Err(NotAHost::Empty);
    }
    if let Some(refused) = other_form(host) {
        return Err(refused);
    }
    check_labels(host.strip_suffix('.').unwrap_or(host))
}

/// Checks that the host of a URL is an IP address or a host name.
///
/// # Errors
/// The host is neither.
pub fn check_of_url(url: &Url) -> Result<(), NotAHost> {
    let host = match url.host() {
        None => return Err(NotAHost::Empty),
        Some(Host::Domain(host)) => host,
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => return Ok(()),
    };
    // The URL parser decodes hosts only for http and https.
    let host = percent_decode_str(host).decode_utf8_lossy();
    if host.parse::<IpAddr>().is_ok() { Ok(()) } else { check(&to_ascii(&host)?) }
}

/// Recognises a text that contains a host in another form, such as a URL.
fn other_form(text: &str) -> Option<NotAHost> {
    if let Some((scheme, rest)) = text.split_once("://")
        && !scheme.contains(['/', '?', '#'])
    {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        return Some(NotAHost::Url(without_port(host).to_owned()));
    }
    if text.contains(['/', '@', ' ']) {
        return None;
    }
    let host = without_port(text);
    match text.contains(['[', ']']) {
        _ if host.is_empty() => None,
        true if host == text.trim_matches(['[', ']']) => Some(NotAHost::Brackets(host.to_owned())),
        _ if host.len() < text.len() => Some(NotAHost::Port(host.to_owned())),
        _ => None,
    }
}

/// Returns the host of `host:port`, without brackets.
fn without_port(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    match text.rsplit_once(':') {
        Some((host, port))
            if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            host
        }
        _ => text.trim_end_matches(']'),
    }
}

/// Checks a name without its final dot.
fn check_labels(name: &str) -> Result<(), NotAHost> {
    let belongs =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    if let Some(character) = name.chars().find(|character| !belongs(*character)) {
        return Err(NotAHost::Character(character));
    }
    if name.len() > MAX_NAME {
        return Err(NotAHost::Long);
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(NotAHost::EmptyLabel);
        }
        if label.len() > MAX_LABEL {
            return Err(NotAHost::LongLabel);
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(NotAHost::Hyphen);
        }
    }
    if name.split('.').all(is_number) { Err(NotAHost::Numbers) } else { Ok(()) }
}

/// Returns true if `inet_aton(3)` reads a label as a number.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_host_names() {
        let label = "a".repeat(63);
        let longest = [&*label, &label, &label, &"a".repeat(61)].join(".");
        for host in [
            "example.com",
            "Example.COM.",
            "localhost",
            "_sip._udp.example",
            "1e3",
            "3com.example",
            "10.0.0.256.example",
            "example.1",
            "xn--bcher-kva.example",
            &label,
            &longest,
            &format!("{longest}."),
        ] {
            assert_eq!(check(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn rejects_other_texts_with_a_reason() {
        let label = "a".repeat(63);
        let longest = [&*label, &label, &label, &"a".repeat(61)].join(".");
        let url = |host: &str| NotAHost::Url(host.to_owned());
        let port = |host: &str| NotAHost::Port(host.to_owned());
        let brackets = |host: &str| NotAHost::Brackets(host.to_owned());
        for (host, expected) in [
            ("", NotAHost::Empty),
            ("http://127.0.0.1/", url("127.0.0.1")),
            ("https://user:pass@example.com:8443/x?y", url("example.com")),
            ("udp://[::1]:53", url("::1")),
            ("example.com:80", port("example.com")),
            ("127.0.0.1:80", port("127.0.0.1")),
            ("[::1]:80", port("::1")),
            ("[::1]", brackets("::1")),
            ("[example.com]", brackets("example.com")),
            ("[::1", brackets("::1")),
            ("::1]", brackets("::1")),
            ("127.0.0.1#53", NotAHost::Character('#')),
            ("127.0.0.1/24", NotAHost::Character('/')),
            ("127.0.0.1%lo", NotAHost::Character('%')),
            ("example.com/path", NotAHost::Character('/')),
            ("user@example.com", NotAHost::Character('@')),
            ("two words", NotAHost::Character(' ')),
            ("http://b\u{fc}cher.example/", url("b\u{fc}cher.example")),
            (" example.com", NotAHost::Character(' ')),
            ("example.com\n", NotAHost::Character('\n')),
            ("a\0b", NotAHost::Character('\0')),
            ("*", NotAHost::Character('*')),
            ("*.example.com", NotAHost::Character('*')),
            ("a,b", NotAHost::Character(',')),
            ("1:2:3", NotAHost::Character(':')),
            ("10.0.0.256", NotAHost::Numbers),
            ("1.2.3", NotAHost::Numbers),
            ("1.2.3.4.5", NotAHost::Numbers),
            ("127.0.0.01", NotAHost::Numbers),
            ("127.0.0.1.", NotAHost::Numbers),
            ("2130706433", NotAHost::Numbers),
            ("0x7f.1", NotAHost::Numbers),
            ("0X7F000001", NotAHost::Numbers),
            ("a..b", NotAHost::EmptyLabel),
            (".a", NotAHost::EmptyLabel),
            (".", NotAHost::EmptyLabel),
            ("a..", NotAHost::EmptyLabel),
            ("-a.example", NotAHost::Hyphen),
            ("a-.example", NotAHost::Hyphen),
            ("-1", NotAHost::Hyphen),
            (&format!("{label}a.example"), NotAHost::LongLabel),
            (&format!("{longest}a"), NotAHost::Long),
        ] {
            assert_eq!(check(host), Err(expected), "{host:?}");
        }
    }

    #[test]
    fn checks_hosts_of_urls() {
        for (url, expected) in [
            ("http://proxy.example:3128", true),
            ("http://127.0.0.1/", true),
            ("http://[::1]/", true),
            ("socks5://127.0.0.1", true),
            ("socks5://m\u{fc}nchen.test", true),
            ("http://m\u{fc}nchen.test", true),
            ("socks5://10.0.0.256", false),
            ("socks5://1.2.3", false),
            ("http://a..b/", false),
            ("http://*.example/", false),
            ("http://-a.example/", false),
            ("socks5://", false),
        ] {
            let checked = check_of_url(&Url::parse(url).unwrap());
            assert_eq!(checked.is_ok(), expected, "{url}: {checked:?}");
        }
    }

    #[test]
    fn messages_suggest_a_correction() {
        for (host, message) in [
            (
                "http://127.0.0.1/",
                "\"http://127.0.0.1/\" is not a host name or an IP address: it is a URL; write \
                 127.0.0.1",
            ),
            (
                "ftp://user:p\"w@h/",
                "\"ftp://user:xxxxx@h/\" is not a host name or an IP address: it is a URL; write h",
            ),
            ("", "the host is missing; write a host name or an IP address"),
        ] {
            assert_eq!(check(host).unwrap_err().message(host), message);
        }
    }
}
