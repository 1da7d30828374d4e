//! Repairs targets that were percent-encoded twice.

use std::net::Ipv6Addr;

use url::form_urlencoded;

/// Decodes a target again if its host is still percent-encoded.
///
/// Some clients encode the target twice. Development versions of upstream after 0.28.0 always
/// decode twice, which breaks targets that contain encoded characters themselves (`?x=1%2B2`).
/// Here a target is decoded again only if its host is not a valid host name or address.
pub(super) fn decoded_if_needed(text: String) -> String {
    let host = host_of(&text);
    if zone_of(host).is_some() {
        return with_plain_zone(text);
    }
    match Escapes::of(host) {
        Escapes::None => text,
        // An internationalised name; only the host is encoded.
        Escapes::NonAscii => text.replacen(host, &decoded(host), 1),
        Escapes::Ascii => with_plain_zone(decoded(&text)),
    }
}

/// Replaces `%25eth0` by `%eth0` in the zone of an IPv6 address, unless the target is a URL
/// (RFC 6874).
fn with_plain_zone(text: String) -> String {
    let is_written_as_url = zone_of(host_of(&text))
        .and_then(|zone| zone.strip_prefix("%25"))
        .is_some_and(|zone| !zone.is_empty() && !zone.starts_with(']'));
    if is_written_as_url && !text.contains(SCHEME_END) {
        return text.replacen("%25", "%", 1);
    }
    text
}

/// The end of a URL's scheme.
const SCHEME_END: &str = "://";

/// Host and port of a target.
fn host_of(text: &str) -> &str {
    let rest = text.split_once(SCHEME_END).map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The userinfo may contain escapes.
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The zone of an IPv6 address, including the `%`.
fn zone_of(host: &str) -> Option<&str> {
    let (address, _) = host.split_once('%')?;
    let bare = address.strip_prefix('[').unwrap_or(address);
    bare.parse::<Ipv6Addr>().ok()?;
    host.get(address.len()..)
}

/// The percent escapes in a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// Only escapes of bytes above 127.
    NonAscii,
    /// Also escapes of ASCII characters. A host cannot contain them.
    Ascii,
}

impl Escapes {
    fn of(text: &str) -> Self {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let escape = |window: &[u8]| match window {
            [b'%', high, low] => digit(high).zip(digit(low)).map(|(high, _)| high >= 8),
            _ => None,
        };
        let mut found = Self::None;
        for is_non_ascii in text.as_bytes().windows(3).filter_map(escape) {
            if !is_non_ascii {
                return Self::Ascii;
            }
            found = Self::NonAscii;
        }
        found
    }
}

/// Decodes `text` like the value of a query parameter.
fn decoded(text: &str) -> String {
    let query = format!("t={}", text.replace('&', "%26"));
    let value = form_urlencoded::parse(query.as_bytes()).next();
    value.map_or_else(|| text.to_owned(), |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w9_targets_are_decoded_again_only_if_the_host_is_encoded() {
        for (given, expected) in [
            ("http://h/a%2Fb?x=1%2B2", "http://h/a%2Fb?x=1%2B2"),
            ("http://h/?q=a+b&c=100%25", "http://h/?q=a+b&c=100%25"),
            ("https%3A%2F%2Fh%2Fpath%3Fa%3Db", "https://h/path?a=b"),
            ("http://u:p%2Fw@h/a%2Fb", "http://u:p%2Fw@h/a%2Fb"),
            ("http%3A%2F%2Fu%3Ap%2540h%40h%2F", "http://u:p%40h@h/"),
            ("h%3A80", "h:80"),
            ("%5B::1%5D:80", "[::1]:80"),
            ("http://%5B::1%5D/a", "http://[::1]/a"),
            ("plain.example:25", "plain.example:25"),
            ("a+b:80", "a+b:80"),
            ("h%2Fa%3Fb%26c", "h/a?b&c"),
            ("http://%zz/", "http://%zz/"),
            ("%", "%"),
            ("", ""),
        ] {
            assert_eq!(decoded_if_needed(given.to_owned()), expected, "{given}");
        }
    }

    #[test]
    fn zones_of_ipv6_addresses_are_not_escapes() {
        for (given, expected) in [
            ("fe80::1%eth0", "fe80::1%eth0"),
            ("fe80::1%bat0", "fe80::1%bat0"),
            ("fe80::1%99", "fe80::1%99"),
            ("[fe80::1%bat0]:80", "[fe80::1%bat0]:80"),
            ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/"),
            ("http://[fe80::1%25bat0]/a%2Fb", "http://[fe80::1%25bat0]/a%2Fb"),
            ("http://u:p@[fe80::1%25eth0]:80/", "http://u:p@[fe80::1%25eth0]:80/"),
            ("wss://[::1%25lo]/", "wss://[::1%25lo]/"),
            // The zone is written as in a URL, but the target is not a URL.
            ("[::1%25lo]:80", "[::1%lo]:80"),
            ("fe80::1%25eth0", "fe80::1%eth0"),
            ("[fe80::1%25eth0]/a%2Fb", "[fe80::1%eth0]/a%2Fb"),
            // The interface with the number 25.
            ("fe80::1%25", "fe80::1%25"),
            ("[fe80::1%25]:80", "[fe80::1%25]:80"),
            ("http%3A%2F%2F%5Bfe80%3A%3A1%2525eth0%5D%2F", "http://[fe80::1%25eth0]/"),
            ("%5Bfe80::1%25eth0%5D:80", "[fe80::1%eth0]:80"),
            ("%5Bfe80%3A%3A1%2525eth0%5D%3A80", "[fe80::1%eth0]:80"),
        ] {
            assert_eq!(decoded_if_needed(given.to_owned()), expected, "{given}");
        }
    }

    #[test]
    fn only_the_host_of_an_internationalised_name_is_decoded() {
        for (given, expected) in [
            ("caf%C3%A9:80", "caf\u{e9}:80"),
            ("http://caf%C3%A9/a%2Fb", "http://caf\u{e9}/a%2Fb"),
            ("caf%c3%a9/a%2Fb", "caf\u{e9}/a%2Fb"),
            ("http%3A%2F%2Fcaf%25C3%25A9%2F", "http://caf%C3%A9/"),
        ] {
            assert_eq!(decoded_if_needed(given.to_owned()), expected, "{given}");
        }
    }
}
