//! ICMP in network namespaces of its own: with and without the rights for it, and through a router.
//!
//! A test starts this binary again in a [`Namespace`], perhaps as another user, as [`one_probe`].

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

/// Names the target when this binary was started to probe it.
const TARGET: &str = "PROBE_EXPORTER_TEST_ICMP_TARGET";

/// Holds the module.
const MODULE: &str = "PROBE_EXPORTER_TEST_ICMP_MODULE";

/// Long enough for whatever answers.
const TIMEOUT: &str = "60s";

/// One probe to be made in a namespace.
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

/// Not a test by itself: the probe of the others, which start it where it is to happen.
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
    /// Probes, and looks for each text in the report.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let Some(output) = self.run() else { return };
        let report = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        for text in expected {
            assert!(report.contains(text), "{}: no {text:?} in\n{report}\n{errors}", self.target);
        }
    }

    /// Gives nothing, and says so, where namespaces and users cannot be had.
    fn run(&self) -> Option<Output> {
        let Self { setup, ping_group_range, rights, .. } = *self;
        let module = format!("{{prober: icmp, timeout: {}, icmp: {}}}", self.timeout, self.section);
        Namespace { setup, ping_group_range, rights }
            .run("icmp::one_probe", &[(TARGET, self.target), (MODULE, &module)])
    }
}
