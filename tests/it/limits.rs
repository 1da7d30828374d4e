//! Limits of what all probes take together.

use std::fs;

use crate::{harness::Exporter, running::Running};

const MODULES: &str = "modules:\n    icmp:\n        prober: icmp\n";

fn limit(exporter: &Exporter) -> Option<f64> {
    exporter.own_metrics().value("probe_exporter_body_memory_limit_bytes")
}

#[test]
fn a_reload_changes_the_limit_of_memory() {
    let exporter = Exporter::start(&format!("limits:\n    body_memory: 2MiB\n{MODULES}"));
    assert_eq!(limit(&exporter), Some(2_097_152.0));
    assert_eq!(exporter.own_metrics().value("probe_exporter_body_memory_bytes"), Some(0.0));
    fs::write(exporter.config_file(), format!("limits: {{body_memory: 0}}\n{MODULES}")).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    assert_eq!(limit(&exporter), Some(0.0));
    fs::write(exporter.config_file(), MODULES).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    let automatic = limit(&exporter).unwrap();
    assert!((8_388_608.0..=201_326_592.0).contains(&automatic), "{automatic}");
}

#[test]
fn the_configuration_shows_only_limits_that_are_set() {
    for (written, shown) in [
        ("", ""),
        ("limits:\n", ""),
        ("limits: {body_memory: auto}\n", ""),
        ("limits: {body_memory: 1024KB}\n", "limits:\n    body_memory: 1MiB\n"),
        ("limits: {body_memory: 0}\n", "limits:\n    body_memory: \"0\"\n"),
        ("limits: {in_flight: auto, queue_timeout: 1s}\n", ""),
        (
            "limits: {in_flight: 100, queue_timeout: 2500ms}\n",
            "limits:\n    in_flight: 100\n    queue_timeout: 2.5s\n",
        ),
        ("limits: {in_flight: 0}\n", "limits:\n    in_flight: 0\n"),
    ] {
        let exporter = Exporter::start(&format!("{written}{MODULES}"));
        assert_eq!(exporter.get("/config").text(), format!("{shown}{MODULES}"), "{written}");
    }
}

#[test]
fn an_invalid_limit_has_its_position() {
    let exporter = Exporter::start(MODULES);
    for (written, error) in [
        ("limits: {body_memory: 5}", "1:23: limits.body_memory: '5' has no unit"),
        (
            "limits: {in_flight: -1}",
            "1:21: limits.in_flight: '-1' is not a number of probes; write auto, 0 for no limit, or \
             at most 1000000",
        ),
        ("limits: {queue_timeout: 31s}", "limits.queue_timeout: 31s is not between 0s and 30s"),
        (
            "limits: {body_memory: 10KB}",
            "1:23: limits.body_memory: '10KB' is too small; write auto",
        ),
        (
            "limits: {body_memry: 1GB}",
            "1:10: limits.body_memry: unknown key 'body_memry'; did you \
                                       mean 'body_memory'?",
        ),
        ("limit: {}", "1:1: limit: unknown key 'limit'; did you mean 'limits'?"),
    ] {
        fs::write(exporter.config_file(), format!("{written}\n{MODULES}")).unwrap();
        let answer = exporter.request("POST", "/-/reload", &[]);
        assert_eq!(answer.status, 500);
        assert!(answer.text().contains(error), "{}", answer.text());
    }
}

#[test]
fn the_log_shows_limits_name_servers_and_icmp_sockets_at_the_start() {
    let (_, lines) =
        Running::start(&format!("limits: {{in_flight: 50, body_memory: 32MiB}}\n{MODULES}"), &[])
            .stop();
    for fields in [
        &["msg=Limits in_flight=50 body_memory=32MiB memory=", " cpu=", " open_files="][..],
        &["level=INFO", "msg=\"Name resolution\" resolver=dns servers=", ":53", " search="],
        &["msg=ICMP socket="],
    ] {
        let has_fields = |line: &&String| fields.iter().all(|field| line.contains(field));
        assert_eq!(lines.iter().filter(has_fields).count(), 1, "{fields:?} in {lines:?}");
    }
    let (_, lines) = Running::start(MODULES, &["--dns.resolver=system"]).stop();
    let found = lines.iter().any(|line| line.ends_with("msg=\"Name resolution\" resolver=system"));
    assert!(found, "{lines:?}");
}
