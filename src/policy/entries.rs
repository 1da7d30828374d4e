//! The entries of the lists of a policy.

use std::{fmt, str::FromStr};

use super::{
    glob,
    network::Network,
    sets::Set,
    words::{as_text, words},
};
use crate::settings::host_name::to_ascii;

words! {
    /// The decision about everything that no entry of a list matches.
    Action ("a decision") {
        /// It is denied.
        Deny => "deny",
        /// It is allowed.
        Allow => "allow",
    }
}

words! {
    /// The scheme of a request.
    Scheme ("a scheme") {
        /// HTTP without TLS.
        Http => "http",
        /// HTTP over TLS.
        Https => "https",
        /// WebSocket without TLS.
        Ws => "ws",
        /// WebSocket over TLS.
        Wss => "wss",
        /// HTTP/3.
        Http3 => "http3",
    }
}

/// An entry of `addresses`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressEntry {
    /// A named set.
    Set(Set),
    /// An address or network.
    Network(Network),
}

/// An entry of `hosts`, in ASCII and lower case, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEntry {
    /// Every name.
    Any,
    /// The names below this one.
    Below(String),
    /// This name.
    Exactly(String),
}

/// An entry of `ports`: a port or a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortEntry {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

/// An entry of `unix_paths`: a path, a pattern, or with `@` before it an abstract name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEntry(String);

/// A prefix in which translators embed IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat64Prefix(pub(super) Network);

as_text!(AddressEntry);
as_text!(HostEntry);
as_text!(PortEntry);
as_text!(PathEntry);
as_text!(Nat64Prefix);

impl FromStr for AddressEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(set) = text.parse() {
            return Ok(Self::Set(set));
        }
        if text.contains(['.', ':', '/']) {
            return text.parse().map(Self::Network);
        }
        let sets: Vec<_> = Set::ALL.iter().map(|set| set.word()).collect();
        let sets = sets.join(", ");
        Err(format!("'{text}' is not an address, network or set; the sets are {sets}"))
    }
}

impl fmt::Display for AddressEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(set) => set.fmt(formatter),
            Self::Network(network) => network.fmt(formatter),
        }
    }
}

impl FromStr for HostEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = |why: &str| Err(format!("'{text}' is not a host pattern: {why}"));
        if text == "*" {
            return Ok(Self::Any);
        }
        let (is_below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        if name.contains('*') {
            return invalid("'*' can only be the first label, as in *.example.org");
        }
        if !name.is_ascii() {
            return match to_ascii(name) {
                Ok(ascii) => invalid(&format!("write it in ASCII, as {ascii}")),
                Err(_) => invalid("write it in ASCII"),
            };
        }
        if name.contains(':') && name.parse::<std::net::Ipv6Addr>().is_err() {
            return invalid("write it without a port; ports belong in 'ports'");
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.parse::<std::net::IpAddr>().is_ok() || ends_like_an_address(&name) {
            return invalid("addresses belong in 'addresses'");
        }
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_valid);
        if !name.split('.').all(is_label) {
            return invalid("write for example example.org, *.example.org or *");
        }
        Ok(if is_below { Self::Below(name) } else { Self::Exactly(name) })
    }
}

/// Returns true if the last label is a number, which no top-level domain is.
fn ends_like_an_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for HostEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::Below(name) => write!(formatter, "*.{name}"),
            Self::Exactly(name) => formatter.write_str(name),
        }
    }
}

impl FromStr for PortEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let port = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u16>().ok()).flatten()
        };
        let range = match text.split_once('-') {
            Some((first, last)) => port(first).zip(port(last)),
            None => port(text).map(|only| (only, only)),
        };
        match range {
            Some((first, last)) if first <= last => Ok(Self { first, last }),
            _ => {
                Err(format!("'{text}' is not a port or range; write for example 443 or 8000-8999"))
            }
        }
    }
}

impl fmt::Display for PortEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = self;
        if first == last {
            return first.fmt(formatter);
        }
        write!(formatter, "{first}-{last}")
    }
}

/// The end of a pattern that matches everything below a directory.
const BELOW: &str = "/**";

impl PathEntry {
    /// Returns true if the entry matches the path, or the abstract name with `@` before it.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some(directory) = self.0.strip_suffix(BELOW) else {
            return glob::matches(&self.0, path);
        };
        let depth = directory.matches('/').count();
        let slash = path.match_indices('/').map(|(index, _)| index).nth(depth);
        let parent = slash.and_then(|index| path.split_at_checked(index));
        parent.is_some_and(|(parent, below)| below.len() > 1 && glob::matches(directory, parent))
    }

    /// Returns a number that is greater for narrower entries.
    pub(super) fn specificity(&self) -> (bool, usize) {
        let length = glob::literal_length(&self.0);
        (length == self.0.chars().count(), length)
    }
}

impl FromStr for PathEntry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix(BELOW).unwrap_or(text);
        if !text.starts_with(['/', '@']) {
            return Err(format!(
                "'{text}' is not an absolute path; write for example /run/app/*.sock, or @name for \
                 an abstract name"
            ));
        }
        if body.contains("**") {
            return Err(format!("'{text}': '**' can only be the last component"));
        }
        if body.split('/').any(|part| part == "." || part == "..") {
            return Err(format!("'{text}': write the path without '.' and '..'"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PathEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Nat64Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network: Network = text.parse()?;
        let is_valid =
            !network.is_ipv4() && super::embedded::LENGTHS.contains(&network.prefix_length());
        is_valid.then_some(Self(network)).ok_or_else(|| {
            format!(
                "'{text}' is not a NAT64 prefix: it is an IPv6 network with a prefix of 32, 40, 48, \
                 56, 64 or 96 bits (RFC 6052)"
            )
        })
    }
}

impl fmt::Display for Nat64Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_parsed<T: FromStr<Err = String> + fmt::Display>(
        cases: &[(&str, Result<&str, &str>)],
    ) {
        for (text, expected) in cases {
            match (text.parse::<T>(), expected) {
                (Ok(entry), Ok(expected)) => assert_eq!(entry.to_string(), *expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (Ok(entry), _) => panic!("{text} is {entry}"),
                (Err(error), _) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn entries_are_parsed_and_written() {
        assert_parsed::<AddressEntry>(&[
            ("private", Ok("private")),
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("intern", Err("'intern' is not an address, network or set; the sets are loopback, ")),
            ("10.0.0.1/8", Err("10.0.0.0/8")),
        ]);
        assert_parsed::<HostEntry>(&[
            ("*", Ok("*")),
            ("Example.ORG.", Ok("example.org")),
            ("*.example.org", Ok("*.example.org")),
            ("localhost", Ok("localhost")),
            ("_dns.example", Ok("_dns.example")),
            ("api.*.example.org", Err("'*' can only be the first label")),
            ("*example.org", Err("'*' can only be the first label")),
            ("*.0.0.1", Err("addresses belong in 'addresses'")),
            ("10.0.0.1", Err("addresses belong in 'addresses'")),
            ("::1", Err("addresses belong in 'addresses'")),
            ("example.org:80", Err("ports belong in 'ports'")),
            ("m\u{fc}nchen.example", Err("write it in ASCII, as xn--mnchen-3ya.example")),
            ("a..b", Err("write for example")),
            ("", Err("write for example")),
        ]);
        assert_parsed::<PortEntry>(&[
            ("22", Ok("22")),
            ("8000-8999", Ok("8000-8999")),
            ("9-8", Err("is not a port or range")),
            ("65536", Err("is not a port or range")),
            ("http", Err("is not a port or range")),
            ("-1", Err("is not a port or range")),
        ]);
        assert_parsed::<PathEntry>(&[
            ("/run/app/*.sock", Ok("/run/app/*.sock")),
            ("/run/**", Ok("/run/**")),
            ("@name", Ok("@name")),
            ("run/x", Err("is not an absolute path")),
            ("/run/**/x", Err("'**' can only be the last component")),
            ("/run/../x", Err("without '.' and '..'")),
        ]);
        assert_parsed::<Nat64Prefix>(&[
            ("2001:db8::/96", Ok("2001:db8::/96")),
            ("2001:db8::/80", Err("RFC 6052")),
            ("10.0.0.0/8", Err("RFC 6052")),
        ]);
    }

    #[test]
    fn paths_match_their_patterns() {
        for (pattern, path, expected) in [
            ("/run/**", "/run/x", true),
            ("/run/**", "/run/x/y", true),
            ("/run/**", "/run", false),
            ("/run/**", "/run/", false),
            ("/run/**", "/runner/x", false),
            ("/*/app/**", "/run/app/x/y", true),
            ("/**", "/x", true),
            ("/run/*.sock", "/run/a.sock", true),
            ("@app*", "@app1", true),
            ("@app*", "/app1", false),
        ] {
            let entry: PathEntry = pattern.parse().unwrap();
            assert_eq!(entry.matches(path), expected, "{pattern} {path}");
        }
    }
}
