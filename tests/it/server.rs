//! The exporter's own web face, over HTTP.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use probe_exporter::{
    app::{Listen, Options},
    server::{ExternalUrl, RoutePrefix},
};

use crate::harness::{Answer, Exporter, connect, eventually, probe_path, request};

/// One module that needs no more than a connection, and one that waits for ever.
const MODULES: &str = r"
modules:
  http_2xx: {prober: http}
  connect: {prober: tcp}
  short: {prober: tcp, timeout: 5s}
  silent: {prober: tcp, tcp: {query_response: [{expect: never}]}}
  with_host: {prober: http, http: {headers: {Host: configured.example}}}
";

/// A target that takes connections and never says a word; the kernel does it alone.
struct Target {
    listener: TcpListener,
}

impl Target {
    fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn name(&self) -> String {
        self.address().to_string()
    }
}

/// The name of a target that refuses connections.
fn closed_target() -> String {
    // Port 1 is privileged and has no service; a port that was just freed may be taken again.
    "127.0.0.1:1".to_owned()
}

#[test]
fn every_route_answers_and_no_other_does() {
    let exporter = Exporter::start(MODULES);
    let metrics = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    let (text, bare) = ("text/plain; charset=utf-8", "text/plain");
    let cases = [
        ("/", 200, "text/html; charset=utf-8"),
        ("/-/healthy", 200, text),
        ("/-/reload", 405, text),
        ("/config", 200, bare),
        ("/metrics", 200, metrics),
        ("/modules", 200, "text/html; charset=utf-8"),
        ("/probe", 400, text),
        ("/logs", 400, text),
        ("/nonexistent", 404, text),
        ("/probe/", 404, text),
        ("/debug/pprof/", 404, text),
    ];
    for (path, status, content_type) in cases {
        let answer = exporter.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(content_type)));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
    assert_eq!(exporter.get("/-/healthy").text(), "Healthy");
    assert_eq!(exporter.get("/-/reload").text(), "This endpoint requires a POST request.\n");
}

#[test]
fn routes_take_every_method_and_reload_only_post() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    assert_eq!(exporter.get("//-//healthy").status, 200, "slashes are merged, as in Go");
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS"] {
        let path = probe_path("connect", &target.name());
        assert_eq!(exporter.request(method, &path, &[]).status, 200, "{method}");
        assert_eq!(exporter.request(method, "/metrics", &[]).status, 200, "{method}");
        let expected = if method == "POST" { 200 } else { 405 };
        assert_eq!(exporter.request(method, "/-/reload", &[]).status, expected, "{method}");
    }
}

#[test]
fn head_is_get_without_a_body() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    for path in ["/", "/metrics", "/-/healthy", &probe_path("connect", &target.name())] {
        let answer = exporter.request("HEAD", path, &[]);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_ne!(answer.header("content-length"), Some("0"), "{path}");
    }
}

#[test]
fn parameters_come_from_the_url_alone() {
    let exporter = Exporter::start(MODULES);
    let mut stream = connect(exporter.address);
    let body = "module=connect&target=x";
    let head = "Content-Type: application/x-www-form-urlencoded\r\nConnection: close";
    let length = body.len();
    write!(
        stream,
        "POST /probe HTTP/1.1\r\nHost: x\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let answer = Answer::parse(&bytes);
    assert_eq!((answer.status, answer.text().as_str()), (400, "Target parameter is missing\n"));
}

#[test]
fn requests_that_make_no_probe_are_refused_in_upstreams_words() {
    let exporter = Exporter::start(MODULES);
    let scrape_timeout = "X-Prometheus-Scrape-Timeout-Seconds";
    let conflict = "host header defined both in module configuration (configured.example) and \
                    with URL-parameter 'hostname' (other.example)\n";
    let cases = [
        ("/probe?module=x", "Unknown module \"x\"\n"),
        ("/probe?module=a%22b%0A&target=t", "Unknown module \"a\\\"b\\n\"\n"),
        ("/probe?module=X&module=connect", "Unknown module \"X\"\n"),
        ("/probe", "Target parameter is missing\n"),
        ("/probe?module=&target=", "Target parameter is missing\n"),
        ("/probe?module=with_host&target=t&hostname=other.example", conflict),
    ];
    for (path, text) in cases {
        let answer = exporter.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (400, text), "{path}");
    }
    let answer = exporter.request("GET", "/probe?module=x", &[(scrape_timeout, "abc")]);
    assert_eq!(answer.text(), "Unknown module \"x\"\n");
    let answer = exporter.request("GET", "/probe", &[(scrape_timeout, "abc")]);
    let text = answer.text();
    assert!(text.starts_with("Failed to parse timeout from Prometheus header: "), "{text}");
    assert!(answer.status == 400 && text.contains("abc"), "{text}");
    exporter.own_metrics().expect(&["blackbox_module_unknown_total 4"]);
}

#[test]
fn w18_the_timeout_follows_scraper_and_module() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let cases = [
        ("connect", "", "119.5"),
        ("connect", "10", "9.5"),
        ("connect", "1e1", "9.5"),
        ("short", "15", "5"),
        ("short", "4", "3.5"),
        ("connect", "0", "119.5"),
        ("connect", "0.5", "0.5"),
    ];
    for (module, header, timeout) in cases {
        let headers = [("X-Prometheus-Scrape-Timeout-Seconds", header)];
        let metrics = exporter.probe_with(module, &target.name(), "", &headers);
        metrics.expect(&[&format!("probe_timeout_seconds {timeout}"), "probe_success 1"]);
    }
    for header in ["5s", "0x10", "NaN", "Inf", "-1", "\u{e4}"] {
        let headers = [("X-Prometheus-Scrape-Timeout-Seconds", header)];
        let path = probe_path("connect", &target.name());
        assert_eq!(exporter.request("GET", &path, &headers).status, 400, "{header}");
    }
}

#[test]
fn a_failed_probe_is_200_and_says_why() {
    let exporter = Exporter::start(MODULES);
    let metrics = exporter.probe("connect", &closed_target());
    metrics.expect(&[
        "probe_success 0",
        "probe_duration_seconds *",
        "probe_failure_info{stage=\"connect\",reason=\"refused\"} 1",
    ]);
}

#[test]
fn metrics_are_compressed_and_typed_as_asked() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let path = probe_path("connect", &target.name());
    let accept = "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.5,*/*;q=0.1";
    for path in ["/metrics", &path] {
        let headers = [("Accept-Encoding", "gzip"), ("Accept", accept)];
        let answer = exporter.request("GET", path, &headers);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{path}");
        let content_type = answer.header("content-type").unwrap();
        assert!(content_type.ends_with("escaping=allow-utf-8"), "{content_type}");
        assert!(!answer.metrics().samples().is_empty());
        let plain = exporter.request("GET", path, &[("Accept-Encoding", "br, gzip;q=0")]);
        assert_eq!(plain.header("content-encoding"), None, "{path}");
    }
}

#[test]
fn debug_shows_log_metrics_and_module() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let path = probe_path("short", &target.name());
    let answer = exporter.get(&format!("{path}&debug=true"));
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain")));
    let text = answer.text();
    let parts = ["Logs for the probe:\n", "\n\n\nMetrics that would have been returned:\n"];
    let (log, rest) = text.strip_prefix(parts[0]).unwrap().split_once(parts[1]).unwrap();
    let (metrics, module) = rest.split_once("\n\n\nModule configuration:\n").unwrap();
    assert!(log.contains("msg=\"Beginning probe\"") && log.contains("msg=\"Probe succeeded\""));
    assert!(metrics.contains("\nprobe_success 1\n"), "{metrics}");
    assert!(module.contains("prober: tcp\n") && module.contains("timeout: 5s\n"), "{module}");
    for not_true in ["1", "True", "false", ""] {
        let answer = exporter.get(&format!("{path}&debug={not_true}"));
        answer.metrics().expect(&["probe_success 1"]);
    }
}

#[test]
fn the_history_keeps_failures_longer() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 2);
    let (target, closed) = (Target::start(), closed_target());
    for name in [&closed, &target.name(), &target.name(), &target.name()] {
        exporter.probe("connect", name);
    }
    // 0 failed and is kept apart, 1 succeeded and is gone, 2 and 3 are the recent ones.
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
fn logs_are_refused_in_upstreams_words() {
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
fn a_history_of_nothing_keeps_nothing() {
    let exporter = Exporter::start_with(MODULES, |options| options.history_limit = 0);
    exporter.probe("connect", &closed_target());
    assert_eq!(exporter.get("/logs?id=0").status, 404);
    assert!(exporter.get("/").text().contains("None yet"));
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let yaml = "modules: {m: {prober: http, http: {basic_auth: {username: u, password: hush}}}}";
    let exporter = Exporter::start(yaml);
    let answer = exporter.get("/config");
    let text = answer.text();
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert!(text.starts_with("modules:\n    m:\n        prober: http\n"), "{text}");
    assert!(text.contains("password: <secret>\n") && !text.contains("hush"), "{text}");
    let debug = exporter.debug("m", &closed_target());
    assert!(debug.contains("password: <secret>\n") && !debug.contains("hush"), "{debug}");
}

const RELOADED: &str = "blackbox_exporter_config_last_reload_successful";
const RELOADED_AT: &str = "blackbox_exporter_config_last_reload_success_timestamp_seconds";

#[test]
fn a_reload_takes_a_good_file_and_leaves_a_bad_one() {
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
fn the_file_is_looked_at_regularly_when_asked() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.auto_reload = Some(Duration::from_millis(20));
    });
    fs::write(exporter.config_file(), "modules: {fresh: {prober: tcp}}").unwrap();
    let path = "/probe?module=fresh";
    eventually("the new module", || exporter.get(path).text() == "Target parameter is missing\n");
    fs::write(exporter.config_file(), "modules: {connect: {prober: smoke}}").unwrap();
    eventually("a failed reload", || exporter.own_metrics().value(RELOADED) == Some(0.0));
}

#[test]
fn routes_lie_below_the_prefix() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.route_prefix = RoutePrefix::parse("/a/b").unwrap();
        options.external_url = Some(ExternalUrl::parse("https://example.com/a/b/").unwrap());
    });
    for (path, status) in [
        ("/a/b/", 200),
        ("/a/b/metrics", 200),
        ("/a/b/-/healthy", 200),
        ("/a/b/nonexistent", 404),
        ("/metrics", 404),
        ("/a/", 404),
    ] {
        assert_eq!(exporter.get(path).status, status, "{path}");
    }
    let root = exporter.get("/");
    assert_eq!((root.status, root.header("location")), (302, Some("https://example.com/a/b")));
    let bare = exporter.get("/a/b?x=1");
    assert_eq!((bare.status, bare.header("location")), (301, Some("/a/b/?x=1")));
}

#[test]
fn without_an_external_url_the_root_leads_to_the_prefix() {
    let exporter = Exporter::start_with(MODULES, |options| {
        options.route_prefix = RoutePrefix::parse("a").unwrap();
    });
    let root = exporter.get("/");
    assert_eq!((root.status, root.header("location")), (302, Some("/a/")));
}

#[test]
fn the_landing_page_shows_texts_from_strangers_as_texts() {
    let exporter = Exporter::start(MODULES);
    exporter.probe("connect", "<script>alert(1)</script>\"'&");
    let answer = exporter.get("/");
    let page = answer.text();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    assert!(page.contains("Failure") && page.contains("logs?id=0"), "{page}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.contains("src=") && !page.contains("http://") && !page.contains(" style="));
}

#[test]
fn the_exporter_counts_what_it_does() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let counted = |module: &str, result: &str| {
        format!(
            "probe_exporter_probes_total{{module=\"{module}\",prober=\"tcp\",result=\"{result}\"}}"
        )
    };
    let (success, failure) = (counted("connect", "success"), counted("connect", "failure"));
    exporter.own_metrics().expect(&[&format!("{success} 0"), &format!("{failure} 0")]);
    exporter.probe("connect", &target.name());
    exporter.probe("connect", &closed_target());
    exporter.probe("connect", &closed_target());
    let metrics = exporter.own_metrics();
    metrics.expect(&[
        &format!("{success} 1"),
        &format!("{failure} 2"),
        "probe_exporter_probe_duration_seconds_count{module=\"connect\"} 3",
        "probe_exporter_probes_in_flight 0",
        "probe_exporter_kernel_timestamps_available{socket=\"tcp\"} *",
        "probe_exporter_timed_arrivals_total{socket=\"icmp\",clock=\"kernel\"} *",
        "process_start_time_seconds *",
        "process_open_fds *",
        "process_resident_memory_bytes *",
        &format!("{RELOADED} 1"),
    ]);
    for (name, family) in metrics.families() {
        assert!(family.help.ends_with('.') && !family.kind.is_empty(), "{name}: {family:?}");
    }
    let build: Vec<_> =
        metrics.samples().iter().filter(|s| s.name == "blackbox_exporter_build_info").collect();
    let labels: Vec<_> = build[0].labels.keys().map(String::as_str).collect();
    let expected = ["branch", "goarch", "goos", "goversion", "revision", "tags", "version"];
    assert_eq!((build.len(), labels), (1, expected.to_vec()));
    assert!(!metrics.names().iter().any(|n| n.starts_with("go_") || n.starts_with("promhttp_")));
}

fn in_flight(exporter: &Exporter) -> f64 {
    exporter.own_metrics().value("probe_exporter_probes_in_flight").unwrap()
}

/// Sends a request and leaves its answer for later.
fn begin(exporter: &Exporter, path: &str) -> std::net::TcpStream {
    let mut stream = connect(exporter.address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

#[test]
fn a_probe_ends_when_its_scraper_hangs_up() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    drop(scraper);
    eventually("the probe ends", || in_flight(&exporter) < 1.0);
    eventually("the history shows it", || exporter.get("/logs?id=0").status == 200);
    let log = exporter.get("/logs?id=0").text();
    assert!(log.contains("stage=response reason=abandoned"), "{log}");
}

#[test]
fn a_running_probe_keeps_the_module_it_began_with() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let mut scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    fs::write(exporter.config_file(), "modules: {other: {prober: tcp}}").unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    answer_never(&target);
    let mut bytes = Vec::new();
    scraper.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes).metrics().expect(&["probe_success 1"]);
}

/// Says the word that the module `silent` waits for.
fn answer_never(target: &Target) {
    let (mut peer, _) = target.listener.accept().unwrap();
    peer.write_all(b"never\n").unwrap();
}

#[test]
fn stopping_lets_running_probes_finish_and_refuses_new_ones() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let address = exporter.address;
    let mut scraper = begin(&exporter, &probe_path("silent", &target.name()));
    eventually("the probe runs", || in_flight(&exporter) > 0.0);
    let stopping = thread::spawn(move || exporter.stop());
    eventually("new connections are refused", || std::net::TcpStream::connect(address).is_err());
    assert!(!stopping.is_finished());
    answer_never(&target);
    let mut bytes = Vec::new();
    scraper.read_to_end(&mut bytes).unwrap();
    Answer::parse(&bytes).metrics().expect(&["probe_success 1"]);
    stopping.join().unwrap();
}

#[test]
fn many_slow_probes_leave_the_others_alone() {
    let exporter = Exporter::start(MODULES);
    let target = Target::start();
    let path = probe_path("silent", &target.name());
    let scrapers: Vec<_> = (0..200).map(|_| begin(&exporter, &path)).collect();
    eventually("all probes run", || in_flight(&exporter) >= 200.0);
    exporter.probe("connect", &Target::start().name()).expect(&["probe_success 1"]);
    assert_eq!(exporter.get("/-/healthy").status, 200);
    drop(scrapers);
    eventually("all probes end", || in_flight(&exporter) < 1.0);
}

#[test]
fn several_addresses_serve_the_same() {
    let local: probe_exporter::app::ListenAddress = "127.0.0.1:0".parse().unwrap();
    let listen = Listen::Addresses(vec![local.clone(), local]);
    let options = Options { listen, ..Options::default() };
    let app = probe_exporter::app::App::build(options).unwrap();
    let addresses = app.addresses().to_vec();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        app.run_until(async {
            stopped.await.ok();
        })
    });
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert_eq!(request(address, "GET", "/-/healthy", &[]).status, 200);
    }
    stop.send(()).unwrap();
    serving.join().unwrap().unwrap();
}
