//! The targets: probers and kinds, and the modules that probe them.

use std::{fmt, net::Ipv4Addr, path::Path, time::Duration};

use serde::Serialize;

use super::super::{
    responders::{FIRST_NET, NETWORK, NETWORK_BY_HAND, NEVER, port},
    tls::SERVER_NAME,
};

/// A module, named after its prober; `Tls` is a tcp probe with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Prober {
    Http,
    Https,
    Tcp,
    Tls,
    Dns,
    Icmp,
}

impl Prober {
    pub const ALL: [Self; 6] =
        [Self::Http, Self::Https, Self::Tcp, Self::Tls, Self::Dns, Self::Icmp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Icmp => "icmp",
        }
    }
}

/// The behaviour of a target, which is the truth about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answers at once.
    Healthy,
    /// Answers after 80 % of the module's timeout.
    InTime,
    /// Answers after 115 % of the module's timeout.
    TooLate,
    /// Never answers. Half of those over TCP accept connections, the others do not.
    Silent,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Healthy, Self::InTime, Self::TooLate, Self::Silent];

    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::InTime => "in time",
            Self::TooLate => "too late",
            Self::Silent => "silent",
        }
    }

    pub(super) fn delay(self, timeout: Duration) -> Duration {
        match self {
            Self::Healthy => Duration::ZERO,
            Self::InTime => timeout * 80 / 100,
            Self::TooLate => timeout * 115 / 100,
            Self::Silent => NEVER,
        }
    }

    /// Checks whether a probe of such a target must succeed.
    pub(super) fn is_up(self) -> bool {
        matches!(self, Self::Healthy | Self::InTime)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl fmt::Display for Prober {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// A target of the mix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) prober: Prober,
    pub(super) kind: Kind,
    /// Tells it from others of its kind.
    pub(super) number: u16,
}

impl Target {
    /// The target of the scrape with this number. All probers take turns; of ten targets of each,
    /// seven are healthy.
    pub(super) fn of_mix(number: usize) -> Self {
        use Kind::{Healthy, InTime, Silent, TooLate};
        const KINDS: [Kind; 10] = [
            Healthy, Healthy, InTime, Healthy, Healthy, TooLate, Healthy, Healthy, Silent, Healthy,
        ];
        let (round, index) = (number / Prober::ALL.len(), number % Prober::ALL.len());
        let prober = Prober::ALL.get(index).copied().unwrap_or(Prober::Http);
        // Not all probers at once have a target of the same kind.
        let kind = KINDS.get((round + index * 3) % KINDS.len()).copied().unwrap_or(Healthy);
        let [.., high, low] = number.to_be_bytes();
        Self { prober, kind, number: u16::from_be_bytes([high, low]) }
    }

    /// The path of the scrape.
    pub(super) fn path(self) -> String {
        let peer = self.address();
        let target = match self.prober {
            Prober::Http => format!("http://{peer}:{}/", port::HTTP),
            Prober::Https => format!("https://{peer}:{}/", port::HTTPS),
            Prober::Tcp => format!("{peer}:{}", port::DIALOGUE),
            Prober::Tls => format!("{peer}:{}", port::TLS_DIALOGUE),
            Prober::Dns => format!("{peer}:{}", port::DNS),
            Prober::Icmp => peer.to_string(),
        };
        format!("/probe?module={}&target={target}", self.prober.name())
    }

    fn address(self) -> Ipv4Addr {
        let is_black_hole = self.kind == Kind::Silent && self.number / 60 % 2 == 1;
        let first = if is_black_hole { NETWORK_BY_HAND } else { NETWORK };
        let index = Kind::ALL.iter().position(|kind| *kind == self.kind);
        let second = index.and_then(|index| u8::try_from(index).ok()).unwrap_or_default();
        let [high, low] = self.number.to_be_bytes();
        Ipv4Addr::new(first, FIRST_NET + second, high, low)
    }
}

/// Modules of all probers, which both exporters understand.
pub(super) fn modules(authority: &Path, timeout: Duration) -> String {
    let timeout = timeout.as_millis();
    let tls = format!("{{ca_file: '{}', server_name: {SERVER_NAME}}}", authority.display());
    let dialogue = "query_response: [{send: hello}, {expect: ^welcome}]";
    format!(
        "modules:
  http: {{prober: http, timeout: {timeout}ms, http: {{preferred_ip_protocol: ip4}}}}
  https:
    prober: http
    timeout: {timeout}ms
    http: {{preferred_ip_protocol: ip4, fail_if_not_ssl: true, tls_config: {tls}}}
  tcp: {{prober: tcp, timeout: {timeout}ms, tcp: {{{dialogue}}}}}
  tls: {{prober: tcp, timeout: {timeout}ms, tcp: {{tls: true, tls_config: {tls}, {dialogue}}}}}
  dns:
    prober: dns
    timeout: {timeout}ms
    dns: {{query_name: {SERVER_NAME}, query_type: A, preferred_ip_protocol: ip4}}
  icmp: {{prober: icmp, timeout: {timeout}ms, icmp: {{preferred_ip_protocol: ip4}}}}
"
    )
}
