//! The limit of modules with series of their own (`--metrics.max-modules`).

use std::fs;

use super::closed_target;
use crate::harness::Exporter;

const MODULES: &str = "modules: {a: {prober: tcp}, b: {prober: tcp}, c: {prober: tcp}}";

fn probes(module: &str, prober: &str, failures: u32) -> String {
    format!(
        "probe_exporter_probes_total{{module=\"{module}\",prober=\"{prober}\",result=\"failure\"}} {failures}"
    )
}

/// Returns the values of the label `module` on `/metrics`.
fn modules(exporter: &Exporter) -> Vec<String> {
    let metrics = exporter.own_metrics();
    let modules =
        metrics.samples().iter().filter_map(|sample| sample.labels.get("module").cloned());
    let mut modules: Vec<_> = modules.collect();
    modules.sort_unstable();
    modules.dedup();
    modules
}

#[test]
fn further_modules_share_their_series_also_after_a_reload() {
    let exporter = Exporter::start_with(MODULES, |options| options.max_modules = 2);
    assert_eq!(modules(&exporter), ["_other"], "more modules than have series");
    for module in ["b", "c", "a", "b"] {
        exporter.probe(module, &closed_target());
    }
    exporter.own_metrics().expect(&[
        &probes("b", "tcp", 2),
        &probes("c", "tcp", 1),
        &probes("_other", "_other", 1),
        "probe_exporter_probe_duration_seconds_count{module=\"_other\"} 1",
        "probe_exporter_probe_failures_total{module=\"_other\",stage=\"connect\",reason=\"refused\"} 1",
    ]);

    fs::write(exporter.config_file(), "modules: {a: {prober: tcp}, d: {prober: tcp}}").unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    for module in ["d", "a"] {
        exporter.probe(module, &closed_target());
    }
    exporter.own_metrics().expect(&[
        &probes("b", "tcp", 2),
        &probes("c", "tcp", 1),
        &probes("_other", "_other", 3),
    ]);
    assert_eq!(modules(&exporter), ["_other", "b", "c"]);
}
