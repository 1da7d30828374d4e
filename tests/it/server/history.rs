//! The history of recent probes: retention and queries.

use super::{MODULES, Target, closed_target};
use crate::harness::Exporter;

#[test]
fn the_history_keeps_failures_longer() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 2);
    let (target, closed) = (Target::start(), closed_target());
    for name in [&closed, &target.name(), &target.name(), &target.name()] {
        exporter.probe("connect", name);
    }
    // Probe 0 failed and is kept separately, 1 succeeded and is gone, 2 and 3 are recent.
    let found = |id: u64| exporter.get(&format!("/logs?id={id}")).status;
    assert_eq!([found(0), found(1), found(2), found(3), found(4)], [200, 404, 200, 200, 404]);
    let page = exporter.get("/").text();
    let places: Vec<_> =
        [3, 2, 0].iter().map(|id| page.find(&format!("logs?id={id}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{page}");
    let answer = exporter.get("/logs?id=0");
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(answer.text().contains("\nprobe_success 0\n"));
}

#[test]
fn logs_of_a_target_are_the_latest_ones() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    exporter.probe("connect", &target.name());
    exporter.probe("short", &target.name());
    let logs = |query: &str| exporter.get(&format!("/logs?{query}"));
    let name = target.name();
    assert!(logs(&format!("target={name}")).text().contains("timeout: 5s"));
    assert!(!logs(&format!("target={name}&module=connect")).text().contains("timeout: 5s"));
    assert_eq!(logs(&format!("target={name}&module=silent")).status, 404);
}

#[test]
fn the_page_of_an_unknown_probe_names_other_replicas_and_each_page_its_host() {
    let exporter = Exporter::start(MODULES);
    for query in ["id=7", "target=t"] {
        let answer = exporter.get(&format!("/logs?{query}&format=html"));
        let page = answer.text();
        assert!(answer.status == 404 && page.contains("another replica"), "{page}");
        let host = std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
        let host =
            host.unwrap_or_else(|| rustix::system::uname().nodename().to_str().unwrap().to_owned());
        assert!(page.contains(&format!("Host {host}</footer>")), "{page}");
        for format in ["debug", "json", "health", "metrics"] {
            let text = exporter.get(&format!("/logs?{query}&format={format}")).text();
            assert!(
                ["Probe id not found\n", "Probe target not found\n"].contains(&&*text),
                "{text}"
            );
        }
    }
    let bad = exporter.get("/logs?format=html").text();
    assert!(!bad.contains("another replica"), "{bad}");
}

#[test]
fn logs_rejects_queries_with_the_messages_of_blackbox_exporter() {
    let exporter = Exporter::start(MODULES);
    let both = "Probe id and target can't be defined at the same time\n";
    let neither = "Probe id or target must be defined as http query parameters\n";
    let module = "Probe module filter only works in conjunction with target parameter\n";
    let cases = [
        ("", 400, neither),
        ("?id=abc", 400, neither),
        ("?id=-1", 400, neither),
        ("?module=x", 400, neither),
        ("?id=0&target=t", 400, both),
        ("?id=-1&target=t", 400, both),
        ("?id=0&module=m", 400, module),
        ("?id=0", 404, "Probe id not found\n"),
        ("?id=-7", 404, "Probe id not found\n"),
        ("?target=t", 404, "Probe target not found\n"),
        ("?id=abc&target=t", 404, "Probe target not found\n"),
    ];
    for (query, status, text) in cases {
        let answer = exporter.get(&format!("/logs{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{query}");
    }
}

#[test]
fn a_history_limit_of_zero_keeps_nothing() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 0);
    exporter.probe("connect", &closed_target());
    assert_eq!(exporter.get("/logs?id=0").status, 404);
    assert!(exporter.get("/").text().contains("None yet"));
}
