//! Limits of how many probes run at once (`limits.in_flight`), and the queue.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::atomic::Ordering::Relaxed,
};

use serde_json::Value;

use crate::{
    fixtures::hostile::{
        Peer,
        Then::{self, Close, Wait},
        greeting,
    },
    harness::{Answer, Exporter, connect, eventually, probe_path},
    running::Running,
};

const MODULES: &str = "
modules:
  silent: {prober: tcp, timeout: 100s, tcp: {query_response: [{expect: hello}]}}
  endless: {prober: tcp, tcp: {query_response: [{expect: hello}]}}
";

/// Starts an exporter with limits and the modules above.
fn start(limits: &str) -> Exporter {
    Exporter::start_with(&format!("limits: {{{limits}}}{MODULES}"), |options| {
        options.timeout_offset = 0.0;
    })
}

fn value(exporter: &Exporter, name: &str) -> u32 {
    let value = exporter.own_metrics().value(&format!("probe_exporter_{name}")).unwrap();
    value.to_string().parse().unwrap()
}

/// Waits until so many probes run and wait.
#[track_caller]
fn wait_for(exporter: &Exporter, running: u32, queued: u32) {
    let numbers = || (value(exporter, "probes_in_flight"), value(exporter, "probes_queued"));
    eventually(&format!("{running} run, {queued} wait"), || numbers() == (running, queued));
}

fn silent() -> Peer {
    greeting("", Wait)
}

fn connections(peer: &Peer) -> usize {
    peer.seen.connections.load(Relaxed)
}

/// A scrape whose response is read later.
fn begin(exporter: &Exporter, module: &str, peer: &Peer, headers: &str) -> TcpStream {
    let mut stream = connect(exporter.address);
    let path = probe_path(module, &peer.address.to_string());
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").unwrap();
    stream
}

fn finish(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes)
}

const REFUSAL: &str = "Overloaded: 2 probes are running, as many as limits.in_flight allows; this \
                       says nothing about the target\n";

#[test]
fn as_many_run_and_wait_as_allowed_and_the_rest_is_refused_at_once() {
    let exporter = start("in_flight: 2, queue_timeout: 30s");
    assert_eq!(value(&exporter, "probes_in_flight_limit"), 2);
    let [target, first, second, refused] = [(); 4].map(|()| silent());
    let mut scrapes: Vec<_> = (0..2).map(|_| begin(&exporter, "silent", &target, "")).collect();
    wait_for(&exporter, 2, 0);
    let waiting_first = begin(&exporter, "silent", &first, "");
    wait_for(&exporter, 2, 1);
    let waiting_second = begin(&exporter, "silent", &second, "");
    wait_for(&exporter, 2, 2);
    let path = probe_path("silent", &refused.address.to_string());
    for (query, status) in
        [("", 503), ("&debug=true", 503), ("&format=json", 503), ("&format=health", 429)]
    {
        let answer = exporter.get(&format!("{path}{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, REFUSAL), "{query}");
        let headers = ["retry-after", "cache-control", "content-type"];
        let headers = headers.map(|name| answer.header(name));
        let expected = [Some("1"), Some("no-store"), Some("text/plain; charset=utf-8")];
        assert_eq!(headers, expected, "{query}");
    }
    let page = exporter.get(&format!("{path}&format=html"));
    assert_eq!((page.status, page.header("retry-after")), (503, Some("1")));
    assert!(page.text().contains("as many as limits.in_flight allows"), "{}", page.text());
    // Everything else responds, and a mistake in the request is told first.
    for (path, status) in [("/-/healthy", 200), ("/", 200), ("/probe?module=unknown&target=x", 400)]
    {
        assert_eq!(exporter.get(path).status, status, "{path}");
    }
    exporter.own_metrics().expect(&[
        r#"probe_exporter_probes_refused_total{cause="in_flight",module="silent"} 5"#,
        r#"probe_exporter_probes_total{module="silent",prober="tcp",result="failure"} 0"#,
        "probe_exporter_queue_wait_seconds_count 0",
    ]);
    // Those that wait are served in their order.
    drop(scrapes.pop());
    eventually("the first one runs", || connections(&first) == 1);
    wait_for(&exporter, 2, 1);
    assert_eq!(connections(&second), 0);
    drop(scrapes.pop());
    eventually("the second one runs", || connections(&second) == 1);
    wait_for(&exporter, 2, 0);
    assert_eq!(value(&exporter, "queue_wait_seconds_count"), 2);
    assert_eq!(connections(&refused), 0, "a refused probe connects to nobody");
    drop((waiting_first, waiting_second));
    wait_for(&exporter, 0, 0);
}

#[test]
fn a_scrape_that_hangs_up_leaves_the_queue() {
    let exporter = start("in_flight: 1, queue_timeout: 30s");
    let [target, left, next] = [(); 3].map(|()| silent());
    let running = begin(&exporter, "silent", &target, "");
    wait_for(&exporter, 1, 0);
    let waiting = begin(&exporter, "silent", &left, "");
    wait_for(&exporter, 1, 1);
    drop(waiting);
    wait_for(&exporter, 1, 0);
    let waiting = begin(&exporter, "silent", &next, "");
    wait_for(&exporter, 1, 1);
    drop(running);
    eventually("the next one runs", || connections(&next) == 1);
    assert_eq!(connections(&left), 0);
    drop(waiting);
    wait_for(&exporter, 0, 0);
}

#[test]
fn a_probe_that_waited_tells_for_how_long_and_has_less_time() {
    let exporter = start("in_flight: 1, queue_timeout: 30s");
    let (target, other) = (greeting("hello\n", Close), silent());
    let running = begin(&exporter, "silent", &other, "");
    wait_for(&exporter, 1, 0);
    // A fifth of this is the time in which the other one must have ended.
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 100\r\n";
    let waiting = begin(&exporter, "endless", &target, header);
    wait_for(&exporter, 1, 1);
    drop(running);
    let answer = finish(waiting);
    let timeout = answer.metrics().value("probe_timeout_seconds").unwrap();
    answer.metrics().expect(&["probe_success 1"]);
    assert!(timeout < 100.0 && timeout > 79.0, "{timeout}");
    let id =
        (0..3).find(|id| exporter.get(&format!("/logs?id={id}")).text().contains("Success after"));
    let report = exporter.get(&format!("/logs?id={}&format=json", id.unwrap())).text();
    let report: Value = serde_json::from_str(&report).unwrap();
    let queued = report["queued_seconds"].as_f64().unwrap();
    assert!(queued > 0.0 && (queued + timeout - 100.0).abs() < 1e-6, "{queued} {timeout}");
}

#[test]
fn a_deadline_that_waiting_made_shorter_says_nothing_about_the_target() {
    let exporter = start("in_flight: 1, queue_timeout: 30s");
    let [target, other] = [(); 2].map(|()| silent());
    let header = "X-Prometheus-Scrape-Timeout-Seconds: 3\r\n";
    let refused = |cause| {
        let name = "probe_exporter_probes_refused_total";
        let metrics = exporter.own_metrics();
        metrics.value(&format!("{name}{{cause=\"{cause}\",module=\"endless\"}}")).unwrap()
    };
    let mut text = String::new();
    // On a busy machine, the place may become free too late.
    while refused("queue_deadline") < 1.0 {
        let running = begin(&exporter, "silent", &other, "");
        wait_for(&exporter, 1, 0);
        let late = refused("in_flight");
        let waiting = begin(&exporter, "endless", &target, header);
        eventually("it waits", || {
            value(&exporter, "probes_queued") > 0 || refused("in_flight") > late
        });
        drop(running);
        let answer = finish(waiting);
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(!answer.text().contains("probe_success"));
        text = answer.text();
    }
    assert!(
        text.starts_with("Overloaded: after 0.") && text.contains(" of its 3.000 s;"),
        "{text}"
    );
    assert!(exporter.get("/").text().contains("queue_deadline"));
}

#[test]
fn a_reload_changes_the_limit() {
    let exporter = start("in_flight: 1, queue_timeout: 30s");
    let target = silent();
    let reload = |limits: &str| {
        fs::write(exporter.config_file(), format!("limits: {{{limits}}}{MODULES}")).unwrap();
        assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    };
    let mut scrapes = vec![begin(&exporter, "silent", &target, "")];
    wait_for(&exporter, 1, 0);
    scrapes.push(begin(&exporter, "silent", &target, ""));
    wait_for(&exporter, 1, 1);
    reload("in_flight: 3, queue_timeout: 30s");
    wait_for(&exporter, 2, 0);
    scrapes.push(begin(&exporter, "silent", &target, ""));
    wait_for(&exporter, 3, 0);
    reload("in_flight: 1, queue_timeout: 30s");
    assert_eq!(value(&exporter, "probes_in_flight"), 3, "running probes stay");
    let waiting = begin(&exporter, "silent", &target, "");
    wait_for(&exporter, 3, 1);
    scrapes.truncate(1);
    wait_for(&exporter, 1, 1);
    scrapes.clear();
    wait_for(&exporter, 1, 0);
    reload("in_flight: 1, queue_timeout: 0s");
    let answer = exporter.get(&probe_path("silent", &target.address.to_string()));
    assert_eq!(answer.status, 503, "nothing waits without a queue");
    reload("in_flight: 0");
    scrapes.push(begin(&exporter, "silent", &target, ""));
    wait_for(&exporter, 2, 0);
    assert_eq!(value(&exporter, "probes_in_flight_limit"), 0);
    drop((waiting, scrapes));
    wait_for(&exporter, 0, 0);
}

#[test]
fn a_module_with_a_limit_leaves_places_to_others() {
    let modules = "
modules:
  limited:
    prober: tcp
    limits: {in_flight: 1}
    tcp: {query_response: [{expect: hello}]}
  other: {prober: tcp, tcp: {query_response: [{expect: hello}]}}
";
    let exporter = Exporter::start(&format!("limits: {{queue_timeout: 0s}}{modules}"));
    let target = silent();
    let running = begin(&exporter, "limited", &target, "");
    wait_for(&exporter, 1, 0);
    let answer = exporter.get(&probe_path("limited", &target.address.to_string()));
    let text = "Overloaded: 1 probes are running, as many as modules.limited.limits.in_flight \
                allows; this says nothing about the target\n";
    assert_eq!((answer.status, answer.text().as_str()), (503, text));
    exporter.own_metrics().expect(&[
        r#"probe_exporter_probes_refused_total{cause="module_in_flight",module="limited"} 1"#,
    ]);
    exporter
        .probe("other", &greeting("hello\n", Close).address.to_string())
        .expect(&["probe_success 1"]);
    let config = exporter.get("/config").text();
    assert!(config.contains("limits:\n            in_flight: 1\n"), "{config}");
    assert_eq!(connections(&target), 1);
    drop(running);
    wait_for(&exporter, 0, 0);
}

#[test]
fn a_refused_probe_has_one_line_in_the_log() {
    let yaml = format!("limits: {{in_flight: 1, queue_timeout: 0s}}{MODULES}");
    let exporter = Running::start(&yaml, &["--log.failures=off"]);
    let target = silent();
    let path = probe_path("silent", &target.address.to_string());
    let mut running = connect(exporter.address);
    write!(running, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("the probe runs", || exporter.in_flight() > 0.0);
    for _ in 0..3 {
        let refused = exporter.probe("silent", "http://user:password@refused.example/");
        assert_eq!(refused.status, 503);
    }
    drop(running);
    let (_, log) = exporter.stop();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("Probe refused")).collect();
    assert_eq!(lines.len(), 1, "{log:#?}");
    for part in [
        "level=WARN",
        "module=silent",
        "cause=in_flight",
        "target=http://user:xxxxx@refused.example/",
    ] {
        assert!(lines[0].contains(part), "{part} in {lines:?}");
    }
}

#[test]
fn probes_that_end_in_any_way_give_their_place_back() {
    let exporter = start("in_flight: 1, queue_timeout: 0s");
    for (said, then) in [("hello\n", Close), ("no\n", Close), ("", Then::Reset)] {
        let target = greeting(said, then);
        let answer = exporter.get(&probe_path("silent", &target.address.to_string()));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    wait_for(&exporter, 0, 0);
}
