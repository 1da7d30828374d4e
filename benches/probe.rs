//! The cost of a probe, from request to metric text, against servers on the loopback interface.
//!
//! `make bench-micro` runs it. The figures hold for one machine at one time: compare two builds in turns.

#![expect(clippy::expect_used, reason = "without its stage there is nothing to measure")]

use std::{net::SocketAddr, sync::Arc};

use divan::{Bencher, black_box};
use probe_exporter::{
    config::Config,
    net::resolve::Resolver,
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    runtime::Runtime,
};

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

/// A configuration, a server, and a thread that runs both ends.
struct Stage {
    config: Config,
    resolver: Arc<Resolver>,
    runtime: Runtime,
    server: SocketAddr,
}

impl Stage {
    fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let server = listener.local_addr().expect("its address");
        runtime.spawn(serve(listener));
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

/// Answers every connection with one small page.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = [0; 1024];
            if matches!(stream.read(&mut request).await, Ok(length) if length > 0) {
                let page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
                stream.write_all(page).await.ok();
            }
        });
    }
}
