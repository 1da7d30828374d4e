//! The history of recent probes: retention and queries.

use super::{MODULES, Target, closed_target};
use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, status},
    },
    harness::Exporter,
};

#[test]
fn the_history_keeps_failures_longer() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 2);
    let (target, closed) = (Target::start(), closed_target());
    exporter.probe("connect", &closed);
    for _ in 0..4 {
        exporter.probe("connect", &target.name());
    }
    // Probe 0 failed and is kept separately, 1 is the success of the last minute that is kept of its
    // target, 2 succeeded and is gone, 3 and 4 are recent.
    let found = |id: u64| exporter.get(&format!("/logs?id={id}")).status;
    assert_eq!([0, 1, 2, 3, 4, 5].map(found), [200, 200, 404, 200, 200, 404]);
    let page = exporter.get("/").text();
    let places: Vec<_> =
        [4, 3, 0].iter().map(|id| page.find(&format!("logs?id={id}\"")).unwrap()).collect();
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
            let first = text.lines().next().unwrap();
            assert!(["Probe id not found", "Probe target not found"].contains(&first), "{text}");
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
        // After the words of blackbox_exporter, a 404 says what is kept.
        let told = answer.text();
        let is_right = if status == 404 { told.starts_with(text) } else { told == text };
        assert!(answer.status == status && is_right, "{query}: {told}");
    }
}

#[test]
fn a_history_limit_of_zero_keeps_nothing() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 0);
    exporter.probe("connect", &closed_target());
    assert_eq!(exporter.get("/logs?id=0").status, 404);
    let page = crate::pages::text(&exporter.get("/").text());
    assert!(page.contains("The history is off") && !page.contains("No probe has run"), "{page}");
}

#[test]
fn the_page_of_a_failing_target_has_advice_and_the_response() {
    let exporter = Exporter::start("modules: {web: {prober: http}}");
    let server = RUNTIME.block_on(http([status(503).body("maintenance until noon")]).start());
    let name = server.address.to_string();
    exporter.probe("web", &name);
    let page = exporter.get(&format!("/target?module=web&target={name}")).text();
    let text = crate::pages::text(&page);
    for told in [
        "Failing for at least",
        "no success is kept",
        "Check first",
        "reason=status",
        "maintenance until noon",
        "Report of the latest probe: phases, checks, certificates, log",
        "Recent probes",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
}

/// Three targets succeed and then fail, and the list of the latest probes forgets them.
#[test]
fn an_old_failure_is_found_and_compared_with_the_success_before_it() {
    let modules = "modules: {web: {prober: http}, connect: {prober: tcp}}";
    let exporter = Exporter::start_with(modules, |options| options.history_limit = 2);
    let answers = || http([ok("fine"), status(503).body("down")]).start();
    let servers: Vec<_> = (0..3).map(|_| RUNTIME.block_on(answers())).collect();
    let names: Vec<_> = servers.iter().map(|server| server.address.to_string()).collect();
    for _ in 0..2 {
        for name in &names {
            exporter.probe("web", name);
        }
    }
    let others: Vec<_> = (0..4).map(|_| Target::start()).collect();
    for other in &others {
        exporter.probe("connect", &other.name());
    }
    let name = &names[0];
    let failure = exporter.get(&format!("/logs?target={name}")).text();
    assert!(failure.contains("probe_success 0") && failure.contains("503"), "{failure}");
    let page = exporter.get(&format!("/target?module=web&target={name}"));
    let text = crate::pages::text(&page.text());
    assert_eq!(page.status, 200, "{text}");
    for told in [
        "Failing for",
        "status",
        "What changed",
        "Result",
        "success",
        "HTTP/1.1 200",
        "HTTP/1.1 503",
    ] {
        assert!(text.contains(told), "{told} in {text}");
    }
    assert!(!text.contains("Recent probes"), "the list is empty: {text}");
    // The reports of both are linked, and found.
    let page = page.text();
    let (_, comparison) = page.split_once("id=\"comparison\"").unwrap();
    let ids: Vec<u64> = comparison
        .split("logs?id=")
        .skip(1)
        .map(|link| link.split(|it: char| !it.is_ascii_digit()).next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids[..2], [0, 3]);
    for (id, success) in [(0, "probe_success 1"), (3, "probe_success 0")] {
        let report = exporter.get(&format!("/logs?id={id}&format=metrics")).text();
        assert!(report.contains(success), "{report}");
        assert_eq!(exporter.get(&format!("/logs?id={id}&format=html")).status, 200);
        assert_eq!(exporter.get(&format!("/logs?id={id}&format=json")).status, 200);
    }
    // The start page shows the failing targets first.
    let page = exporter.get("/?view=probes").text();
    let (_, failing) = page.split_once("Failing Now").unwrap();
    let (failing, _) = failing.split_once("Recent Probes").unwrap();
    assert!(names.iter().all(|name| failing.contains(&format!(">{name}<"))), "{failing}");
    assert!(page.contains("3 failing now") && page.contains("7 targets"), "{page}");
    // The latest probes are not of all targets.
    let page = exporter.get("/").text();
    let (_, targets) = page.split_once("<h2>Targets</h2>").unwrap();
    let place = |name: &str| targets.find(&format!(">{name}<")).unwrap();
    let first_success = others.iter().map(|other| place(&other.name())).min().unwrap();
    assert!(names.iter().all(|name| place(name) < first_success), "{targets}");
    assert!(
        page.contains("href=\"./?view=probes\"") && page.contains("p class=\"legend"),
        "{page}"
    );
}

#[test]
fn a_probe_that_is_not_kept_has_a_text_about_what_is() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 2);
    let target = Target::start();
    for _ in 0..4 {
        exporter.probe("connect", &target.name());
    }
    let text = exporter.get("/logs?id=1").text();
    for told in ["the latest 2 probes (now 2 since 2", "1 reports of 1 target)", "16MiB", "See /\n"]
    {
        assert!(text.contains(told), "{told} in {text}");
    }
    let other = format!("/logs?target={}&module=other", target.name());
    assert!(exporter.get(&other).text().contains("See /target?module=other&target=127.0.0.1"));
    let page = exporter.get(&format!("{other}&format=html")).text();
    let link = format!("target?module=connect&amp;target={}", target.name().replace(':', "%3A"));
    assert!(page.contains(&link), "{page}");
    let unknown = exporter.get("/target?target=nobody");
    assert!(unknown.status == 404 && unknown.text().contains("the latest 2 probes"));
    assert_eq!(exporter.get("/target?target=").status, 400);
}

#[test]
fn one_row_per_target_is_sorted_and_refreshed_on_request() {
    let exporter = Exporter::start(MODULES);
    // By its name, the failing target is the last one.
    let (target, closed) = (Target::start(), "127.9.9.9:1".to_owned());
    for name in [&closed, &target.name(), &target.name(), &target.name()] {
        exporter.probe("connect", name);
    }
    let rows = |query: &str| {
        let answer = exporter.get(&format!("/?view=targets{query}"));
        let page = answer.text();
        let (_, list) = page.split_once("<h2>Targets</h2>").unwrap();
        let order = [&closed, &target.name()].map(|name| list.find(&format!("<bdi>{name}<")));
        (order, answer.header("refresh").map(str::to_owned))
    };
    let (order, refresh) = rows("");
    assert!(order[0].unwrap() < order[1].unwrap(), "failing first");
    assert_eq!(refresh, None);
    let (order, refresh) = rows("&sort=-result&refresh=30");
    assert!(order[0].unwrap() > order[1].unwrap(), "as requested");
    assert_eq!(refresh.as_deref(), Some("30"));
    assert!(rows("&failures=true").0[1].is_none());
}
