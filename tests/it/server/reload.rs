//! Reloads of the configuration.

use std::{fs, time::Duration};

use super::MODULES;
use crate::harness::{Exporter, eventually};

pub(super) const RELOADED: &str = "blackbox_exporter_config_last_reload_successful";
const RELOADED_AT: &str = "blackbox_exporter_config_last_reload_success_timestamp_seconds";

#[test]
fn a_reload_applies_a_valid_file_and_ignores_an_invalid_one() {
    let exporter = Exporter::start(MODULES);
    let reload = || exporter.request("POST", "/-/reload", &[]);
    let own = |name: &str| exporter.own_metrics().value(name).unwrap();
    let first = own(RELOADED_AT);

    let unchanged = reload();
    assert_eq!((unchanged.status, unchanged.body.len()), (200, 0));
    let second = own(RELOADED_AT);
    assert!(second > first, "{second} {first}");

    fs::write(exporter.config_file(), "modules: {connect: {prober: smoke}}").unwrap();
    let bad = reload();
    let text = bad.text();
    assert_eq!(bad.status, 500);
    assert!(text.starts_with("failed to reload config: ") && text.contains("smoke"), "{text}");
    exporter.own_metrics().expect(&[&format!("{RELOADED} 0")]);
    assert_eq!(own(RELOADED_AT).total_cmp(&second), std::cmp::Ordering::Equal);
    assert!(exporter.get("/").text().contains("smoke"), "the page tells of it");
    assert_eq!(exporter.get("/probe?module=short").text(), "Target parameter is missing\n");

    fs::write(exporter.config_file(), MODULES).unwrap();
    assert_eq!(reload().status, 200);
    exporter.own_metrics().expect(&[&format!("{RELOADED} 1")]);
    assert!(!exporter.get("/").text().contains("smoke"));

    fs::write(exporter.config_file(), "modules: {fresh: {prober: tcp}}").unwrap();
    assert_eq!(reload().status, 200);
    assert_eq!(exporter.get("/probe?module=fresh").text(), "Target parameter is missing\n");
    assert_eq!(exporter.get("/probe?module=short").text(), "Unknown module \"short\"\n");
}

#[test]
fn auto_reload_checks_the_file_regularly() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.auto_reload = Some(Duration::from_millis(20));
    });
    fs::write(exporter.config_file(), "modules: {fresh: {prober: tcp}}").unwrap();
    let path = "/probe?module=fresh";
    eventually("the new module", || exporter.get(path).text() == "Target parameter is missing\n");
    fs::write(exporter.config_file(), "modules: {connect: {prober: smoke}}").unwrap();
    eventually("a failed reload", || exporter.own_metrics().value(RELOADED) == Some(0.0));
}
