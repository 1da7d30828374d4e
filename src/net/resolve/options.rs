//! The options of `resolv.conf` (resolv.conf(5)).

use std::time::Duration;

/// The options of `resolv.conf` that apply here. Others are for reverse lookups, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the file")]
pub(super) struct Options {
    /// A name with at least this many dots is first looked up as an absolute name.
    pub(super) ndots: usize,
    /// Timeout of one query.
    pub(super) timeout: Duration,
    /// Number of rounds over all servers.
    pub(super) attempts: usize,
    /// True if each lookup begins with another server.
    pub(super) rotate: bool,
    /// True if IPv4 and IPv6 addresses are queried one after the other.
    pub(super) single_request: bool,
    /// True if servers are queried over TCP only.
    pub(super) use_tcp: bool,
    /// True if queries set the AD bit (RFC 6840, section 5.7).
    pub(super) trust_ad: bool,
    /// True if IPv6 addresses are not queried.
    pub(super) no_aaaa: bool,
    /// True if a name without a dot is looked up in the search domains only.
    pub(super) no_tld_query: bool,
    /// True if the file is not read again.
    pub(super) no_reload: bool,
}

const MAX_NDOTS: usize = 15;
const MAX_TIMEOUT: usize = 30;
const MAX_ATTEMPTS: usize = 5;

impl Default for Options {
    fn default() -> Self {
        Self {
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            single_request: false,
            use_tcp: false,
            trust_ad: false,
            no_aaaa: false,
            no_tld_query: false,
            no_reload: false,
        }
    }
}

impl Options {
    /// Parses the words after `options`. Later options override earlier ones; unknown ones are
    /// ignored.
    pub(super) fn read(&mut self, words: impl Iterator<Item: AsRef<str>>) {
        for word in words {
            let word = word.as_ref();
            let (option, value) = word.split_once(':').unwrap_or((word, ""));
            match option {
                "ndots" => self.ndots = number(value).min(MAX_NDOTS),
                // As in glibc and Go, 0 is a second; as in Go, there is at least one round.
                "timeout" => {
                    let seconds = number(value).clamp(1, MAX_TIMEOUT);
                    self.timeout = Duration::from_secs(seconds.try_into().unwrap_or(1));
                }
                "attempts" => self.attempts = number(value).clamp(1, MAX_ATTEMPTS),
                "rotate" => self.rotate = true,
                // Each query has its own socket in any case.
                "single-request" | "single-request-reopen" => self.single_request = true,
                // The spellings of Go.
                "use-vc" | "usevc" | "tcp" => self.use_tcp = true,
                "trust-ad" => self.trust_ad = true,
                "no-aaaa" => self.no_aaaa = true,
                "no-tld-query" | "no_tld_query" => self.no_tld_query = true,
                "no-reload" => self.no_reload = true,
                _ => {}
            }
        }
    }
}

/// Returns the number at the beginning of a text, or 0, as `atoi(3)` does.
fn number(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |number, digit| {
        number.saturating_mul(10_usize).saturating_add(usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::resolve::config::{Environment, ResolverConfig};

    fn parse(file: &[u8]) -> Options {
        ResolverConfig::parse(file, &Environment::default()).options
    }

    #[test]
    fn numbers_of_options_have_limits() {
        for (file, ndots, timeout, attempts) in [
            (&b""[..], 1, 5, 2),
            (b"options ndots:2 timeout:3 attempts:4 odd:thing\n", 2, 3, 4),
            (b"options timeout:0 attempts:0 ndots:0\n", 0, 1, 1),
            (b"options timeout:31 attempts:6 ndots:16\n", 15, 30, 5),
            (b"options timeout:99999999999999999999999 ndots:-1 attempts:\n", 0, 30, 1),
            (b"options ndots:x\noptions\tndots:3x timeout\n", 3, 1, 2),
            (b"options ndots:2 # ndots:3\n", 2, 5, 2),
        ] {
            let Options { ndots: n, timeout: t, attempts: a, .. } = parse(file);
            let text = String::from_utf8_lossy(file);
            assert_eq!((n, t.as_secs(), a), (ndots, timeout, attempts), "{text:?}");
        }
    }

    #[test]
    fn switches_are_read_and_unknown_options_are_not() {
        let options = parse(b"options debug rotate use-vc trust-ad inet6 edns0 no-aaaa\n");
        let expected = Options {
            rotate: true,
            use_tcp: true,
            trust_ad: true,
            no_aaaa: true,
            ..Options::default()
        };
        assert_eq!(options, expected);
        for word in ["single-request", "single-request-reopen"] {
            assert!(parse(format!("options {word}").as_bytes()).single_request, "{word}");
        }
        assert!(parse(b"options no-reload").no_reload);
    }
}
