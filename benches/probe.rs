//! The cost of a probe, from request to metric text, against servers on the loopback interface, and of
//! parts of it.
//!
//! `make bench-micro` runs it. The figures hold for one machine at one time: compare two builds in turns.

#![expect(clippy::expect_used, reason = "without its stage there is nothing to measure")]

mod fixture;

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use divan::{Bencher, black_box};
use probe_exporter::{
    config::Config,
    net::resolve::Resolver,
    policy::{Policy, PolicySettings, Question, Scheme},
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};
use tokio::runtime::Runtime;

/// The modules that people start from; loading them is what a reload costs.
const MODULES: &str = include_str!("../config/blackbox.yml");

fn main() {
    divan::main();
}

#[divan::bench]
fn load_the_built_in_configuration(bencher: Bencher<'_, '_>) {
    bencher.bench(|| Config::parse(black_box(MODULES), "blackbox.yml"));
}

#[divan::bench]
fn http_probe(bencher: Bencher<'_, '_>) {
    let stage = Stage::set();
    let target = format!("http://{}/", stage.server);
    bencher.bench_local(|| stage.probe("http_2xx", &target));
}

#[divan::bench]
fn tcp_probe(bencher: Bencher<'_, '_>) {
    let stage = Stage::set();
    let target = stage.server.to_string();
    bencher.bench_local(|| stage.probe("tcp_connect", &target));
}

#[divan::bench]
fn render_metrics(bencher: Bencher<'_, '_>) {
    let stage = Stage::set();
    let report = stage.probe("http_2xx", &format!("http://{}/", stage.server));
    bencher.bench(|| black_box(&report).metrics.render());
}

/// Entries of each list of the policies that are measured.
const ENTRIES: [u32; 3] = [10, 1_000, 10_000];

/// The judgement of all that is known about a peer. It must take less than 1 µs.
#[divan::bench(args = ENTRIES)]
fn judge_a_peer(bencher: Bencher<'_, '_>, entries: u32) {
    let policy = policy(entries);
    let question = Question {
        prober: Some("http"),
        scheme: Some(Scheme::Https),
        host: Some("www.department.example.org"),
        // It may contain two IPv4 addresses (Teredo).
        address: Some(Ipv6Addr::new(0x2001, 0, 0x0808, 0x0808, 0, 0, 0xf7f7, 0xf7f7).into()),
        port: Some(443),
        ..Question::default()
    };
    assert!(policy.judge(&question).is_ok());
    bencher.bench(|| policy.judge(black_box(&question)));
}

/// The rules of `preset: internal`, and so many entries of each kind that deny.
fn policy(entries: u32) -> Policy {
    let networks = |number: u32| {
        let (short, long) = (8 + number % 25, 20 + number % 109);
        let bits = number.wrapping_mul(0x9e37_79b9) | 0x8000_0000;
        let ipv4 = Ipv4Addr::from_bits(bits >> (32 - short) << (32 - short));
        let bits = u128::from(bits).wrapping_mul(0x3c6e_f372_fe94_f82b_a54f_f53a_5f1d_36f1);
        let ipv6 = Ipv6Addr::from_bits(bits >> (128 - long) << (128 - long) | 0xf << 124);
        [format!("{ipv4}/{short}"), format!("{ipv6}/{long}")]
    };
    let hosts = |number| [format!("h{number}.example"), format!("*.z{number}.example.org")];
    let denied = |entry: &dyn Fn(u32) -> [String; 2]| (0..entries / 2).flat_map(entry).collect();
    let port = |number| [number, number + 1].map(|port| format!("{}-{}", port + 1000, port + 1009));
    let lists = [denied(&networks), denied(&hosts), denied(&port)];
    let [networks, hosts, ports]: [Vec<String>; 3] = lists;
    let policy = serde_json::json!({
        "preset": "internal", "schemes": ["https"], "probers": ["http"],
        "addresses": {"deny": networks}, "hosts": {"deny": hosts}, "ports": {"deny": ports},
    });
    let settings: PolicySettings = serde_json::from_value(policy).expect("the entries are valid");
    Policy::of_module("module", &settings, None, None).expect("there are rules")
}

/// A configuration, a server, and a thread that runs both ends.
struct Stage {
    config: Config,
    resolver: Arc<Resolver>,
    runtime: Runtime,
    server: SocketAddr,
}

impl Stage {
    fn set() -> Self {
        let (runtime, server) = fixture::start();
        let config = Config::parse(MODULES, "blackbox.yml").expect("the shipped file loads");
        Self { config, resolver: Arc::new(Resolver::system()), runtime, server }
    }

    /// One probe; a figure for probes that fail would mislead.
    fn probe(&self, module: &str, target: &str) -> ProbeReport {
        let query = format!("module={module}&target={target}");
        let raw = RawRequest { query: &query, scrape_timeout: None };
        let request = ProbeRequest::parse(raw, &self.config, 0.5).expect("a good request");
        let report = self.runtime.block_on(probe::run(request, Arc::clone(&self.resolver)));
        assert!(report.verdict.is_ok());
        report
    }
}
