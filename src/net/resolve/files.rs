//! The files that name resolution is set up by: `resolv.conf` and `hosts`.

use std::{
    collections::HashMap,
    fs, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use hickory_resolver::proto::rr::Name;

/// Where the two files are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) resolv_conf: PathBuf,
    pub(super) hosts: PathBuf,
}

impl Files {
    /// The system's own.
    pub(super) fn system() -> Self {
        Self { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }

    /// When each of them was changed last.
    pub(super) fn changed(&self) -> [Option<SystemTime>; 2] {
        let changed = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
        [changed(&self.resolv_conf), changed(&self.hosts)]
    }

    /// Reads both; what cannot be read counts as empty.
    pub(super) fn read(&self) -> Setup {
        let resolv_conf = fs::read(&self.resolv_conf).unwrap_or_default();
        let hosts = fs::read(&self.hosts).unwrap_or_default();
        Setup::parse(&resolv_conf, &String::from_utf8_lossy(&hosts))
    }
}

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setup {
    /// Asked in this order.
    pub(super) servers: Vec<SocketAddr>,
    /// Domains to look for a name in.
    pub(super) search: Vec<Name>,
    /// A name with this many dots is first looked for as it is.
    pub(super) ndots: usize,
    /// How long a server may take.
    pub(super) timeout: Duration,
    /// How often all servers are asked.
    pub(super) attempts: usize,
    /// Names with fixed addresses, in lower case and without a final dot.
    pub(super) hosts: HashMap<String, Vec<IpAddr>>,
}

impl Setup {
    /// What cannot be understood is left out. Without servers those of this host are asked, as Go
    /// does.
    fn parse(resolv_conf: &[u8], hosts: &str) -> Self {
        let (config, _) = resolv_conf::Config::parse_with_errors(resolv_conf);
        let mut servers: Vec<_> =
            config.nameservers.iter().map(|server| SocketAddr::new(server.into(), PORT)).collect();
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, PORT).into());
            servers.push((Ipv6Addr::LOCALHOST, PORT).into());
        }
        let mut search: Vec<_> = config.get_last_search_or_domain().cloned().collect();
        if search.is_empty() {
            search.extend(config.get_system_domain());
        }
        Self {
            servers,
            search: search
                .iter()
                .filter_map(|domain| Name::from_str_relaxed(domain).ok())
                .collect(),
            ndots: usize::try_from(config.ndots).unwrap_or_default(),
            timeout: Duration::from_secs(config.timeout.into()),
            attempts: usize::try_from(config.attempts).unwrap_or_default().max(1),
            hosts: parse_hosts(hosts),
        }
    }

    /// The names to ask for, in order, when `host` is looked for.
    pub(super) fn candidates(&self, host: &str) -> Vec<Name> {
        let parsed = if host.is_ascii() { Name::from_ascii(host) } else { Name::from_utf8(host) };
        let Ok(name) = parsed else { return Vec::new() };
        if name.is_fqdn() {
            return vec![name];
        }
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        let searched = self.search.iter().filter_map(|domain| {
            let mut searched = name.clone().append_domain(domain).ok()?;
            searched.set_fqdn(true);
            Some(searched)
        });
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        if dots >= self.ndots {
            iter::once(absolute).chain(searched).collect()
        } else {
            searched.chain(iter::once(absolute)).collect()
        }
    }

    /// The fixed addresses of `host`, if it has any.
    pub(super) fn fixed(&self, host: &str) -> Option<&[IpAddr]> {
        self.hosts.get(&key(host)).map(Vec::as_slice)
    }
}

impl Default for Setup {
    /// An empty `resolv.conf`, and no fixed names.
    fn default() -> Self {
        Self::parse(&[], "")
    }
}

const PORT: u16 = 53;

fn key(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_lowercase()
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let line = line.split_once('#').map_or(line, |(before, _)| before);
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        for name in words {
            let addresses = hosts.entry(key(name)).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(setup: &Setup, host: &str) -> Vec<String> {
        setup.candidates(host).iter().map(Name::to_ascii).collect()
    }

    #[test]
    fn resolv_conf_is_read_and_odd_lines_do_not_spoil_it() {
        let setup = Setup::parse(
            b"# comment\nnonsense here\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n\
              search one.example two.example\noptions ndots:2 timeout:3 attempts:4 odd:thing\n",
            "",
        );
        assert_eq!(
            setup.servers,
            [
                "192.0.2.53:53".parse().expect("address"),
                "[2001:db8::53]:53".parse().expect("address")
            ]
        );
        assert_eq!((setup.ndots, setup.timeout.as_secs(), setup.attempts), (2, 3, 4));
        assert_eq!(
            names(&setup, "a.b"),
            ["a.b.one.example.", "a.b.two.example.", "a.b."],
            "fewer dots than ndots: searched first"
        );
        assert_eq!(names(&setup, "a.b.c"), ["a.b.c.", "a.b.c.one.example.", "a.b.c.two.example."]);
        assert_eq!(names(&setup, "a.b."), ["a.b."], "a final dot ends the search");
    }

    #[test]
    fn without_servers_this_host_is_asked() {
        for text in ["", "search example\n"] {
            let setup = Setup::parse(text.as_bytes(), "");
            let local = ["127.0.0.1:53", "[::1]:53"].map(|server| server.parse().expect("address"));
            assert_eq!(setup.servers, local, "{text:?}");
        }
    }

    #[test]
    fn hosts_are_read_in_any_case_and_order() {
        let setup = Setup::parse(
            b"",
            "127.0.0.1 localhost\n::1 localhost ip6-localhost # comment\n\
             bad line\n192.0.2.1 Web.Example web\n192.0.2.2 web.example\n",
        );
        let addresses = |name: &str| {
            setup.fixed(name).map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(addresses("LOCALHOST."), Some(vec!["127.0.0.1".into(), "::1".into()]));
        assert_eq!(addresses("web.example"), Some(vec!["192.0.2.1".into(), "192.0.2.2".into()]));
        assert_eq!(addresses("line"), None);
    }

    #[test]
    fn impossible_names_have_no_candidates() {
        let setup = Setup::parse(b"", "");
        for host in ["a..b", &"x".repeat(64), "\u{0}bad name\u{7f}"] {
            assert!(names(&setup, host).len() <= 1, "{host:?}");
        }
        assert_eq!(names(&setup, "bücher.example"), ["xn--bcher-kva.example."]);
    }
}
