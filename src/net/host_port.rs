//! Parsing of `host:port`, with a port number or the name of a service.

use std::{collections::HashMap, path::Path, sync::OnceLock};

use thiserror::Error;

use crate::settings::file::{self, DEFAULT_MAX_MIB};

/// The two parts of `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort<'t> {
    /// The host, without the brackets of an IPv6 address; may be empty.
    pub host: &'t str,
    /// The port as written; may be empty.
    pub port: &'t str,
}

/// The error of a text that is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotHostPort {
    /// A URL.
    #[error("it is a URL; write host:port")]
    Url,
    /// No colon, or none after the brackets.
    #[error("missing port in address; write host:port")]
    MissingPort,
    /// An IPv6 address without brackets, for one.
    #[error("too many colons in address; write host:port, and an IPv6 address in brackets")]
    TooManyColons,
    /// Brackets elsewhere than around the host.
    #[error("misplaced bracket in address; write host:port, and an IPv6 address in brackets")]
    Brackets,
}

/// The error of a text that is not a port.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAPort {
    /// The rest of a URL.
    #[error("it is a URL; write host:port")]
    Url,
    /// The number is out of range.
    #[error("invalid port {0}; a port is a number from 0 to 65535")]
    OutOfRange(String),
    /// No service has this name.
    #[error("unknown port {protocol}/{name}; write a number or the name of a service")]
    UnknownService {
        /// The name of the service.
        name: String,
        /// The transport protocol of the service.
        protocol: &'static str,
    },
}

/// The transport protocol of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl<'t> HostPort<'t> {
    /// Splits `text` as Go's `net.SplitHostPort` does. A URL without a port has the scheme as its host.
    pub fn split(text: &'t str) -> Result<Self, NotHostPort> {
        let (before, port) = text.rsplit_once(':').ok_or(NotHostPort::MissingPort)?;
        let host = match text.strip_prefix('[') {
            None if before.contains("://") => return Err(NotHostPort::Url),
            None if before.contains(':') => return Err(NotHostPort::TooManyColons),
            None => before,
            Some(inside) => {
                let (host, after) = inside.split_once(']').ok_or(NotHostPort::Brackets)?;
                match after.strip_prefix(':') {
                    Some(rest) if rest == port => host,
                    Some(_) => return Err(NotHostPort::TooManyColons),
                    None => return Err(NotHostPort::MissingPort),
                }
            }
        };
        if [host, port].iter().any(|part| part.contains(['[', ']'])) {
            return Err(NotHostPort::Brackets);
        }
        Ok(Self { host, port })
    }

    /// Returns the number of the port; an empty port is 0.
    pub fn port_number(&self, protocol: Protocol) -> Result<u16, NotAPort> {
        let digits = self.port.strip_prefix(['+', '-']).unwrap_or(self.port);
        if self.port.is_empty() {
            Ok(0)
        } else if self.port.starts_with("//") {
            Err(NotAPort::Url)
        } else if digits.bytes().all(|digit| digit.is_ascii_digit()) {
            self.port.parse().map_err(|_| NotAPort::OutOfRange(self.port.to_owned()))
        } else {
            let name = self.port.to_ascii_lowercase();
            service(protocol, &name).ok_or(NotAPort::UnknownService {
                name,
                protocol: match protocol {
                    Protocol::Tcp => "tcp",
                    Protocol::Udp => "udp",
                },
            })
        }
    }
}

/// The services that are known without `/etc/services`, as in many containers.
const SERVICES: &[(Protocol, &str, u16)] = &[
    (Protocol::Tcp, "domain", 53),
    (Protocol::Tcp, "ftp", 21),
    (Protocol::Tcp, "ftps", 990),
    (Protocol::Tcp, "gopher", 70),
    (Protocol::Tcp, "http", 80),
    (Protocol::Tcp, "https", 443),
    (Protocol::Tcp, "imap2", 143),
    (Protocol::Tcp, "imap3", 220),
    (Protocol::Tcp, "imaps", 993),
    (Protocol::Tcp, "pop3", 110),
    (Protocol::Tcp, "pop3s", 995),
    (Protocol::Tcp, "smtp", 25),
    (Protocol::Tcp, "ssh", 22),
    (Protocol::Tcp, "submissions", 465),
    (Protocol::Tcp, "telnet", 23),
    (Protocol::Udp, "domain", 53),
];

type Services = HashMap<(Protocol, String), u16>;

fn service(protocol: Protocol, name: &str) -> Option<u16> {
    /// Read once, since the file does not change while the system runs.
    static KNOWN: OnceLock<Services> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let mut known: Services = SERVICES
            .iter()
            .map(|(protocol, name, port)| ((*protocol, (*name).to_owned()), *port))
            .collect();
        let text = file::read(Path::new("/etc/services"), DEFAULT_MAX_MIB).unwrap_or_default();
        known.extend(services(&String::from_utf8_lossy(&text)));
        known
    });
    known.get(&(protocol, name.to_owned())).copied()
}

/// Parses the format of `/etc/services`; the first of several lines for a name counts.
fn services(text: &str) -> Services {
    let mut services = Services::new();
    for line in text.lines() {
        let (entry, _comment) = line.split_once('#').unwrap_or((line, ""));
        let mut fields = entry.split_ascii_whitespace();
        let (Some(name), Some(place)) = (fields.next(), fields.next()) else { continue };
        let Some((port, protocol)) = place.split_once('/') else { continue };
        let (Ok(port), Some(protocol)) = (port.parse(), Protocol::from_keyword(protocol)) else {
            continue;
        };
        for name in std::iter::once(name).chain(fields) {
            services.entry((protocol, name.to_ascii_lowercase())).or_insert(port);
        }
    }
    services
}

impl Protocol {
    fn from_keyword(keyword: &str) -> Option<Self> {
        match keyword {
            "tcp" => Some(Self::Tcp),
            "udp" => Some(Self::Udp),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_split_as_in_go() {
        for (text, host, port) in [
            ("example.com:80", "example.com", "80"),
            ("[::1]:443", "::1", "443"),
            ("[fe80::1%eth0]:http", "fe80::1%eth0", "http"),
            (":53", "", "53"),
            ("host:", "host", ""),
            ("[]:1", "", "1"),
        ] {
            assert_eq!(HostPort::split(text), Ok(HostPort { host, port }), "{text}");
        }
        for (text, error) in [
            ("", NotHostPort::MissingPort),
            ("https://example.com:443/x", NotHostPort::Url),
            ("example.com", NotHostPort::MissingPort),
            ("[::1]", NotHostPort::MissingPort),
            ("[::1]x:80", NotHostPort::MissingPort),
            ("::1", NotHostPort::TooManyColons),
            ("[::1]:80:90", NotHostPort::TooManyColons),
            ("[::1:80", NotHostPort::Brackets),
            ("::1]:80", NotHostPort::TooManyColons),
            ("a]:80", NotHostPort::Brackets),
            ("a:[80", NotHostPort::Brackets),
        ] {
            assert_eq!(HostPort::split(text), Err(error), "{text}");
        }
    }

    #[test]
    fn ports_are_numbers_or_services() {
        let number = |port, protocol| {
            HostPort { host: "h", port }.port_number(protocol).map_err(|e| e.to_string())
        };
        for (port, expected) in
            [("80", 80), ("0", 0), ("", 0), ("65535", 65535), ("+8", 8), ("http", 80), ("SSH", 22)]
        {
            assert_eq!(number(port, Protocol::Tcp), Ok(expected), "{port}");
        }
        assert_eq!(number("domain", Protocol::Udp), Ok(53));
        for (port, protocol, words) in [
            ("65536", Protocol::Tcp, "invalid port 65536; a port is a number from 0 to 65535"),
            ("-1", Protocol::Tcp, "invalid port -1; "),
            ("//127.0.0.1", Protocol::Tcp, "it is a URL; write host:port"),
            ("nonsense", Protocol::Udp, "unknown port udp/nonsense; write a number"),
        ] {
            let error = number(port, protocol).unwrap_err();
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn the_file_of_services_is_read() {
        let known = services(
            "# comment\nsmtp 25/tcp mail\nntp\t123/udp # time\nsmtp 26/tcp\nodd 1/dccp\nhalf\nx y/tcp\n",
        );
        let of = |protocol, name: &str| known.get(&(protocol, name.to_owned())).copied();
        assert_eq!(of(Protocol::Tcp, "smtp"), Some(25));
        assert_eq!(of(Protocol::Tcp, "mail"), Some(25));
        assert_eq!(of(Protocol::Udp, "ntp"), Some(123));
        assert_eq!(known.len(), 3);
    }
}
