//! The readings that are compared: how to get one, and which packets bound it.

use std::{fmt, net::Ipv4Addr, path::Path, time::Duration};

use super::{
    packet::Flow,
    responders::{NETWORK, NETWORK_BY_HAND, port},
    tls::SERVER_NAME,
};

/// A phase of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Reading {
    HttpConnect,
    HttpProcessing,
    HttpTls,
    TcpQuery,
    DnsRequest,
    IcmpRtt,
}

impl Reading {
    pub const ALL: [Self; 6] = [
        Self::HttpConnect,
        Self::HttpProcessing,
        Self::HttpTls,
        Self::TcpQuery,
        Self::DnsRequest,
        Self::IcmpRtt,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::HttpConnect => "http connect",
            Self::HttpProcessing => "http processing",
            Self::HttpTls => "http tls",
            Self::TcpQuery => "tcp query",
            Self::DnsRequest => "dns request",
            Self::IcmpRtt => "icmp rtt",
        }
    }

    /// The series that shows it.
    pub(super) fn series(self) -> &'static str {
        match self {
            Self::HttpConnect => r#"probe_http_duration_seconds{phase="connect"}"#,
            Self::HttpProcessing => r#"probe_http_duration_seconds{phase="processing"}"#,
            Self::HttpTls => r#"probe_http_duration_seconds{phase="tls"}"#,
            Self::TcpQuery => r#"probe_tcp_duration_seconds{phase="query"}"#,
            Self::DnsRequest => r#"probe_dns_duration_seconds{phase="request"}"#,
            Self::IcmpRtt => r#"probe_icmp_duration_seconds{phase="rtt"}"#,
        }
    }

    /// The time that the peer and the network took, by these packets.
    pub(super) fn truth(self, flow: &Flow) -> Option<Duration> {
        match self {
            Self::HttpConnect => flow.handshake(),
            Self::HttpTls => flow.tls_waiting(),
            Self::HttpProcessing | Self::TcpQuery | Self::DnsRequest | Self::IcmpRtt => {
                flow.answer()
            }
        }
    }

    /// The first number of the addresses at which the peers take their time with this.
    pub(super) fn network(self) -> u8 {
        if self == Self::HttpConnect { NETWORK_BY_HAND } else { NETWORK }
    }

    /// The path of the scrape.
    pub(super) fn path(self, peer: Ipv4Addr) -> String {
        let (module, target) = match self {
            Self::HttpConnect | Self::HttpProcessing => {
                ("http", format!("http://{peer}:{}/", port::HTTP))
            }
            Self::HttpTls => ("https", format!("https://{peer}:{}/", port::HTTPS)),
            Self::TcpQuery => ("dialogue", format!("{peer}:{}", port::DIALOGUE)),
            Self::DnsRequest => ("dns", format!("{peer}:{}", port::DNS)),
            Self::IcmpRtt => ("icmp", peer.to_string()),
        };
        format!("/probe?module={module}&target={target}")
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Modules for all readings, which both exporters understand.
pub(super) fn modules(authority: &Path) -> String {
    format!(
        "modules:
  http: {{prober: http, http: {{preferred_ip_protocol: ip4}}}}
  https:
    prober: http
    http:
      preferred_ip_protocol: ip4
      fail_if_not_ssl: true
      tls_config: {{ca_file: '{}', server_name: {SERVER_NAME}}}
  dialogue: {{prober: tcp, tcp: {{query_response: [{{send: hello}}, {{expect: ^welcome}}]}}}}
  dns: {{prober: dns, dns: {{query_name: {SERVER_NAME}, query_type: A, preferred_ip_protocol: ip4}}}}
  icmp: {{prober: icmp, icmp: {{preferred_ip_protocol: ip4}}}}
",
        authority.display()
    )
}
