//! Failing probes leak neither file descriptors nor memory.

use std::thread;

use socket2::{Socket, Type};

use super::http2::saying;
#[cfg(feature = "http3")]
use super::{Target, http3};
use crate::{
    fixtures::{
        hostile::{
            Peer,
            Then::{self, Close, Repeat, Reset, Wait},
            greeting,
        },
        ports::closed,
    },
    harness::{eventually, probe_path, request},
    running::Running,
};

const MODULES: &str = "
modules:
  http: {prober: http, timeout: 5s}
  http_cut: {prober: http, timeout: 50ms}
  https: {prober: http, timeout: 5s, http: {fail_if_not_ssl: true}}
  http2_cut:
    {prober: http, timeout: 100ms, http: {tls_config: {insecure_skip_verify: true}}}
  grpc_cut:
    {prober: grpc, timeout: 100ms, grpc: {tls: true, tls_config: {insecure_skip_verify: true}}}
  tcp: {prober: tcp, timeout: 5s, tcp: {query_response: [{expect: never}]}}
  tcp_cut: {prober: tcp, timeout: 50ms, tcp: {query_response: [{expect: never}]}}
  tls: {prober: tcp, timeout: 5s, tcp: {tls: true}}
  dns_cut: {prober: dns, timeout: 50ms, dns: {query_name: example.org, transport_protocol: udp}}
  dns_tcp: {prober: dns, timeout: 5s, dns: {query_name: example.org, transport_protocol: tcp}}
  icmp: {prober: icmp, timeout: 5s, icmp: {source_ip_address: 192.0.2.1}}
";

const HTTP3: &str = "  # And over HTTP/3.
  http3: {prober: http, timeout: 5s, http: {enable_http3: true, enable_http2: false}}
  http3_cut: {prober: http, timeout: 50ms, http: {enable_http3: true, enable_http2: false}}
";

/// Numbers of probes of each kind: before the measurement, and during it.
const REHEARSAL: usize = 40;
const PROBES: usize = 200;

#[test]
fn failing_probes_leave_nothing_behind() {
    let modules = [MODULES, if cfg!(feature = "http3") { HTTP3 } else { "" }].concat();
    let exporter = Running::start(&modules, &["--history.limit=10"]);
    let peers = Peers::new();
    fail(&exporter, &peers, REHEARSAL);
    eventually("all connections are closed", || exporter.in_flight() < 1.0);
    let (descriptors, memory) = (exporter.descriptors(), exporter.memory());
    fail(&exporter, &peers, PROBES);
    // The connections of scrapers are closed a moment later.
    eventually("the descriptors are given back", || exporter.descriptors() <= descriptors);
    let more = exporter.memory().saturating_sub(memory);
    assert!(more < 8 << 20, "keeps {more} bytes more after {PROBES} failures of each kind");
}

fn fail(exporter: &Running, peers: &Peers, probes: usize) {
    let exporter = exporter.address;
    thread::scope(|scope| {
        for (module, target) in peers.probes() {
            scope.spawn(move || {
                for _ in 0..probes {
                    let answer = request(exporter, "GET", &probe_path(module, &target), &[]);
                    super::expect_no_success(&answer);
                }
            });
        }
    });
}

struct Peers {
    closing: Peer,
    resetting: Peer,
    silent: Peer,
    babbling: Peer,
    silent_http2: Peer,
    #[cfg(feature = "http3")]
    http3: [Box<dyn Target>; 2],
    /// Reserves the UDP ports of the peers that are probed over UDP, too.
    _closed_udp_ports: [Socket; 2],
}

impl Peers {
    fn new() -> Self {
        let (closing, closing_udp) = without_udp(&Close);
        let (silent, silent_udp) = without_udp(&Wait);
        Self {
            closing,
            resetting: greeting("", Reset),
            silent,
            babbling: greeting("", Repeat("hello\r\n".into())),
            silent_http2: saying(Vec::new(), Vec::new()),
            #[cfg(feature = "http3")]
            http3: http3::leading_nowhere(),
            _closed_udp_ports: [closing_udp, silent_udp],
        }
    }

    fn probes(&self) -> Vec<(&'static str, String)> {
        let [closing, resetting, silent, babbling] =
            [&self.closing, &self.resetting, &self.silent, &self.babbling]
                .map(|peer| peer.address.to_string());
        let silent_http2 = self.silent_http2.address;
        let mut probes = vec![
            ("http", closing.clone()),
            ("http", resetting.clone()),
            ("http_cut", silent.clone()),
            ("https", format!("https://{closing}")),
            ("http2_cut", format!("https://{silent_http2}")),
            ("grpc_cut", silent_http2.to_string()),
            ("tcp", closing.clone()),
            ("tcp", resetting),
            ("tcp_cut", silent.clone()),
            ("tls", babbling),
            ("dns_cut", silent),
            ("dns_tcp", closing),
            ("icmp", "127.0.0.1".to_owned()),
        ];
        #[cfg(feature = "http3")]
        {
            // An untrusted server, a silent one and a closed port.
            let [untrusted, silent] = self.http3.each_ref().map(|peer| peer.address().to_string());
            let nobody = self.closing.address.to_string();
            probes.extend([("http3", untrusted), ("http3_cut", silent), ("http3", nobody)]);
        }
        probes
    }
}

/// Starts a peer that ends connections like this, on a port that is closed for UDP.
fn without_udp(then: &Then) -> (Peer, Socket) {
    loop {
        let peer = greeting("", then.clone());
        if let Some(closed) = closed(Type::DGRAM, peer.address) {
            return (peer, closed);
        }
    }
}
