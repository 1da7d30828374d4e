//! The kinds of probes that are measured: their modules and their targets.

use std::fmt;

use clap::ValueEnum;

use crate::responders::{self, Responders};

/// A kind of probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A small page.
    Http,
    /// The same over TLS, verified against a CA file.
    Https,
    /// A connection, and nothing else.
    Tcp,
    /// One echo.
    Icmp,
    /// An A record over UDP.
    Dns,
    /// A page of 1 MiB that must match a pattern.
    HttpBody,
    /// A connection to a name, which `make bench-names` brings a name server for.
    Name,
}

impl Kind {
    /// Those that need nothing beside the servers of this program.
    pub(crate) const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Tcp, Self::Icmp, Self::Dns, Self::HttpBody];

    /// The module of this kind; as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Icmp => "icmp",
            Self::Dns => "dns",
            Self::HttpBody => "http-body",
            Self::Name => "name",
        }
    }

    /// The targets: several addresses, like those of a Prometheus server. This also keeps the ports of
    /// closed connections from running out.
    pub(crate) fn targets(self, responders: &Responders) -> Vec<String> {
        let addresses = |scheme: &str, of: &[std::net::SocketAddr], path: &str| {
            of.iter().map(|address| format!("{scheme}{address}{path}")).collect()
        };
        match self {
            Self::Http => addresses("http://", &responders.http, "/"),
            Self::Https => addresses("https://", &responders.https, "/"),
            Self::Tcp => addresses("", &responders.http, ""),
            Self::Icmp => responders.http.iter().map(|address| address.ip().to_string()).collect(),
            Self::Dns => addresses("", &responders.dns, ""),
            Self::HttpBody => addresses("http://", &responders.http, "/big"),
            Self::Name => {
                responders.http.iter().flat_map(|address| responders::named(*address)).collect()
            }
        }
    }

    /// The path and query of a scrape.
    pub(crate) fn scrape(self, target: &str) -> String {
        scrape(self.name(), target)
    }
}

/// The path and query that probe `target` with `module`.
pub(crate) fn scrape(module: &str, target: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("module", module)
        .append_pair("target", target)
        .finish();
    format!("/probe?{query}")
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One module for each kind, in words that blackbox_exporter knows too.
pub(crate) fn modules(responders: &Responders) -> String {
    let authority = responders.authority.display();
    let question = responders::QUESTION;
    format!(
        "modules:
  http: {{prober: http, http: {{preferred_ip_protocol: ip4}}}}
  https: {{prober: http, http: {{preferred_ip_protocol: ip4, tls_config: {{ca_file: '{authority}'}}}}}}
  tcp: {{prober: tcp, tcp: {{preferred_ip_protocol: ip4}}}}
  name: {{prober: tcp, tcp: {{preferred_ip_protocol: ip4}}}}
  icmp: {{prober: icmp, icmp: {{preferred_ip_protocol: ip4}}}}
  dns: {{prober: dns, dns: {{preferred_ip_protocol: ip4, query_name: {question}, query_type: A}}}}
  http-body:
    prober: http
    http: {{preferred_ip_protocol: ip4, fail_if_body_not_matches_regexp: ['end of [a-z]+ page']}}
"
    )
}
