//! ICMP in network namespaces: with and without the permissions, and through a router.
//!
//! A test starts [`one_probe`] of this binary in a [`Namespace`], optionally as another user.

mod containers;
mod forger;
mod rights;
mod routed;

use std::{env, process::Output, sync::Arc};

use probe_exporter::{
    config::Config,
    probe::{self, ProbeRequest, request::RawRequest},
};

pub(crate) use routed::NETWORK;

use crate::{fixtures::names, namespace::Namespace};

/// Environment variable with the target.
const TARGET: &str = "PROBE_EXPORTER_TEST_ICMP_TARGET";

/// Environment variable with the module.
const MODULE: &str = "PROBE_EXPORTER_TEST_ICMP_MODULE";

/// Long enough for every response.
const TIMEOUT: &str = "60s";

/// One probe in a namespace.
struct Probe<'a> {
    target: &'a str,
    timeout: &'a str,
    /// The section `icmp` of the module.
    section: &'a str,
    /// Shell commands that set the namespace up.
    setup: &'a str,
    /// The groups that may open unprivileged sockets.
    ping_group_range: &'a str,
    /// Arguments of setpriv.
    rights: &'a str,
}

/// Runs only when the other tests start it in a namespace.
#[tokio::test]
async fn one_probe() {
    let (Ok(target), Ok(module)) = (env::var(TARGET), env::var(MODULE)) else { return };
    let config = Config::parse(format!("modules: {{icmp: {module}}}").as_str(), "").unwrap();
    let query = format!("module=icmp&target={target}");
    let request = RawRequest { query: &query, scrape_timeout: None };
    let request = ProbeRequest::parse(request, &config, 0.5).unwrap();
    let report = probe::run(request, Arc::new(names::resolver())).await;
    println!("{}", report.debug_text());
}

impl Probe<'_> {
    /// Probes, and expects each text in the report.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let Some(output) = self.run() else { return };
        let report = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        for text in expected {
            assert!(report.contains(text), "{}: no {text:?} in\n{report}\n{errors}", self.target);
        }
    }

    /// Returns `None` and reports a skip if namespaces or users are not available.
    fn run(&self) -> Option<Output> {
        let Self { setup, ping_group_range, rights, .. } = *self;
        let module = format!("{{prober: icmp, timeout: {}, icmp: {}}}", self.timeout, self.section);
        Namespace { setup, ping_group_range, rights }
            .run("icmp::one_probe", &[(TARGET, self.target), (MODULE, &module)])
    }
}
