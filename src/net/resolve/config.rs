//! The configuration of the resolver: `resolv.conf` (resolv.conf(5)) and environment variables.

use std::{
    borrow::Cow,
    env, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use dns_text::QueryName;

use super::{options::Options, server::Server};
use crate::settings::host_name::to_ascii;

/// The name servers, search domains and options.
#[derive(Debug, Default)]
pub(super) struct ResolverConfig {
    /// In the order of the file.
    pub(super) servers: Vec<Server>,
    /// Search domains, without their final dots.
    pub(super) search: Vec<String>,
    pub(super) options: Options,
}

/// The environment variables of resolv.conf(5).
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    /// `LOCALDOMAIN`, instead of the search domains.
    local_domain: Option<String>,
    /// `RES_OPTIONS`, after the options of the file.
    options: String,
}

impl Environment {
    /// Returns the environment of this process.
    pub(super) fn of_process() -> Self {
        Self {
            local_domain: env::var("LOCALDOMAIN").ok(),
            options: env::var("RES_OPTIONS").unwrap_or_default(),
        }
    }
}

/// The port of name servers.
const PORT: u16 = 53;

/// Maximum number of servers that are queried, as in glibc and Go (`MAXNS`).
const MAX_SERVERS: usize = 3;

impl ResolverConfig {
    /// Returns the configuration of these servers, without search domains.
    pub(super) fn of_servers(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers = servers.into_iter().map(|at| Server::new(at, None)).collect();
        Self { servers, ..Self::default() }
    }

    /// Parses `resolv.conf`. Invalid lines are ignored. Without servers, those of this host are
    /// queried, as in Go.
    pub(super) fn parse(file: &[u8], environment: &Environment) -> Self {
        let (mut config, mut search) = (Self::default(), None);
        for line in file.split(|byte| *byte == b'\n') {
            // A comment may be in any encoding.
            let line = String::from_utf8_lossy(line);
            let mut words =
                line.split_ascii_whitespace().take_while(|word| !word.starts_with(['#', ';']));
            match words.next() {
                Some("nameserver") if config.servers.len() < MAX_SERVERS => {
                    config.servers.extend(words.next().and_then(server));
                }
                Some("domain") => search = domains(words.take(1)).or(search),
                Some("search") => search = domains(words).or(search),
                Some("options") => config.options.read(words),
                _ => {}
            }
        }
        if let Some(given) = &environment.local_domain {
            search = Some(domains(given.split_ascii_whitespace()).unwrap_or_default());
        }
        config.options.read(environment.options.split_ascii_whitespace());
        config.search = search.unwrap_or_else(|| own_domain().into_iter().collect());
        if config.servers.is_empty() {
            let local: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            config.servers = local.map(|ip| Server::new(SocketAddr::new(ip, PORT), None)).into();
        }
        config
    }

    /// Returns the absolute names to query for `host`, in order.
    pub(super) fn candidates(&self, host: &str) -> Vec<QueryName> {
        // These names must not be sent to DNS servers (RFC 7686).
        let name = |text: &str| {
            let is_onion = text.trim_end_matches('.').to_ascii_lowercase().ends_with(".onion");
            QueryName::new(text).ok().filter(|_| !is_onion)
        };
        if host.ends_with('.') {
            return name(host).into_iter().collect();
        }
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let is_first = dots >= self.options.ndots;
        let is_last =
            !is_first && (dots > 0 || self.search.is_empty() || !self.options.no_tld_query);
        let searched = self.search.iter().filter_map(|domain| name(&format!("{host}.{domain}")));
        let bare = |asked: bool| asked.then(|| name(host)).flatten();
        iter::empty().chain(bare(is_first)).chain(searched).chain(bare(is_last)).collect()
    }
}

/// Parses a name server: an address, for IPv6 with the name or index of an interface.
fn server(word: &str) -> Option<Server> {
    let at = |ip: IpAddr| SocketAddr::new(ip.to_canonical(), PORT);
    if let Some((ip, zone)) = word.split_once('%') {
        let ip: Ipv6Addr = ip.parse().ok()?;
        return Some(Server::new(at(ip.into()), Some(zone)));
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some(Server::new(at(ip), None));
    }
    // As in glibc, the forms of inet_aton(3) are addresses here.
    let is_numeric = word.bytes().all(|byte| byte.is_ascii_hexdigit() || b"xX.".contains(&byte));
    match url::Host::parse(word) {
        Ok(url::Host::Ipv4(ip)) if is_numeric => Some(Server::new(at(ip.into()), None)),
        _ => None,
    }
}

/// Parses search domains; returns `None` if there are none.
fn domains(words: impl Iterator<Item: AsRef<str>>) -> Option<Vec<String>> {
    let mut words = words.peekable();
    words.peek()?;
    let domain =
        |word: &str| to_ascii(word.strip_suffix('.').unwrap_or(word)).ok().map(Cow::into_owned);
    // Names are looked up in the root in any case.
    Some(
        words
            .filter_map(|word| domain(word.as_ref()))
            .filter(|domain| !domain.is_empty())
            .collect(),
    )
}

/// Returns the domain of this host's name.
fn own_domain() -> Option<String> {
    let name = rustix::system::uname();
    let (_, domain) = name.nodename().to_str().ok()?.split_once('.')?;
    (!domain.is_empty()).then(|| domain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &[u8]) -> ResolverConfig {
        ResolverConfig::parse(file, &Environment::default())
    }

    fn servers(config: &ResolverConfig) -> String {
        config.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    fn candidates(config: &ResolverConfig, host: &str) -> String {
        let names = config.candidates(host);
        names.iter().map(QueryName::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn servers_are_read_in_any_form() {
        for (file, expected) in [
            (&b"nameserver 192.0.2.53\nnameserver 2001:db8::53\n"[..], "192.0.2.53:53 [2001:db8::53]:53"),
            (b"nameserver\t192.0.2.53", "192.0.2.53:53"),
            (b"  nameserver 192.0.2.53  \r\n", "192.0.2.53:53"),
            (b"nameserver 192.0.2.53 # f\xfcr alle\n", "192.0.2.53:53"),
            (b"# f\xfcr alle\n; auch\n#nameserver 192.0.2.1\nnameserver 192.0.2.53;x\nnameserver 192.0.2.53 ;x", "192.0.2.53:53"),
            (b"nameserver 192.0.2.53 192.0.2.54\n", "192.0.2.53:53"),
            (b"nameserver fe80::1%eth7\nnameserver fe80::1%3\n", "[fe80::1%eth7]:53 [fe80::1%3]:53"),
            (b"nameserver ::ffff:192.0.2.53\n", "192.0.2.53:53"),
            (b"nameserver 127.1\nnameserver 0x7f.0.0.2\nnameserver 10.0.0.010", "127.0.0.1:53 127.0.0.2:53 10.0.0.8:53"),
            (b"nameserver 192.0.2.1\nnameserver bad\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n", "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53"),
            (b"nameserver name.example\nnameserver 192.0.2.53:53\nnameserver [::1]\nnameserver 10.0.0.256\nnameserver\n", "127.0.0.1:53 [::1]:53"),
            (b"", "127.0.0.1:53 [::1]:53"),
            (b"Nameserver 192.0.2.53\nnameservers 192.0.2.53\n\xff\xfe\0\n", "127.0.0.1:53 [::1]:53"),
        ] {
            assert_eq!(servers(&parse(file)), expected, "{:?}", String::from_utf8_lossy(file));
        }
    }

    #[test]
    fn the_last_search_or_domain_counts() {
        for (file, expected) in [
            (&b"search one.example two.example.\n"[..], "web.one.example web.two.example web"),
            (b"search other\ndomain one.example ignored\n", "web.one.example web"),
            (b"domain other\nsearch one.example\nsearch\n", "web.one.example web"),
            (b"search .\n", "web"),
            (b"search one.example ; two.example\n", "web.one.example web"),
            (b"search b\xc3\xbccher.example a..b\n", "web.xn--bcher-kva.example web"),
            (b"search one.example\noptions ndots:0\n", "web web.one.example"),
            (b"search one.example\noptions no-tld-query\n", "web.one.example"),
            (b"search .\noptions no-tld-query\n", "web"),
        ] {
            let text = String::from_utf8_lossy(file);
            assert_eq!(candidates(&parse(file), "web"), expected, "{text:?}");
        }
    }

    #[test]
    fn dots_decide_which_name_is_queried_first() {
        let config = parse(b"search one.example two.example\noptions ndots:2\n");
        for (host, expected) in [
            ("a.b", "a.b.one.example a.b.two.example a.b"),
            ("a.b.c", "a.b.c a.b.c.one.example a.b.c.two.example"),
            ("a.b.", "a.b."),
            ("hidden.onion", "hidden.onion.one.example hidden.onion.two.example"),
            ("hidden.Onion.", ""),
        ] {
            assert_eq!(candidates(&config, host), expected, "{host}");
        }
        let long = [&*"a".repeat(63), &"b".repeat(63), &"c".repeat(63), &"d".repeat(55)].join(".");
        assert_eq!(candidates(&config, &long), long, "with a domain it would be too long");
    }

    #[test]
    fn environment_variables_override_the_file() {
        let environment = Environment {
            local_domain: Some(" two.example ".to_owned()),
            options: "ndots:3 rotate".to_owned(),
        };
        let file = b"search one.example\noptions ndots:2 timeout:3\n";
        let config = ResolverConfig::parse(file, &environment);
        assert_eq!(config.search, ["two.example"]);
        let Options { ndots, rotate, timeout, .. } = config.options;
        assert_eq!((ndots, rotate, timeout.as_secs()), (3, true, 3));
        let environment = Environment { local_domain: Some(String::new()), ..environment };
        assert!(ResolverConfig::parse(file, &environment).search.is_empty());
    }
}
