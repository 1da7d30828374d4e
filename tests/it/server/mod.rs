//! The routes of the exporter, over HTTP.

mod history;
mod in_flight;
mod loops;
mod prefix;
mod reload;
mod series;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

use probe_exporter::app::{Listen, Options};

use self::reload::RELOADED;
use crate::harness::{Answer, Exporter, connect, probe_path, request};

/// Modules that only connect, and one that waits for data.
const MODULES: &str = r"
modules:
  http_2xx: {prober: http}
  connect: {prober: tcp}
  short: {prober: tcp, timeout: 5s}
  silent: {prober: tcp, tcp: {query_response: [{expect: never}]}}
  with_host: {prober: http, http: {headers: {Host: configured.example}}}
";

/// A target whose connections the kernel accepts and that sends nothing.
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

/// Returns a target that refuses connections.
fn closed_target() -> String {
    // Port 1 is privileged and has no service; a released port may be assigned again.
    "127.0.0.1:1".to_owned()
}

#[test]
fn every_route_and_no_other_path_answers() {
    let exporter = Exporter::start(MODULES);
    let metrics = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    let (text, bare) = ("text/plain; charset=utf-8", "text/plain");
    let cases = [
        ("/", 200, "text/html; charset=utf-8"),
        ("/-/healthy", 200, text),
        ("/-/ready", 200, text),
        ("/health", 200, text),
        ("/healthz", 200, text),
        ("/ready", 200, text),
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
    for path in ["/-/healthy", "/health", "/healthz"] {
        assert_eq!(exporter.get(path).text(), "Healthy", "{path}");
    }
    for path in ["/-/ready", "/ready"] {
        assert_eq!(exporter.get(path).text(), "Ready", "{path}");
    }
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
fn parameters_are_read_from_the_url_only() {
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
fn probe_rejects_queries_with_the_messages_of_blackbox_exporter() {
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
fn a_failed_probe_is_200_with_the_reason() {
    let exporter = Exporter::start(MODULES);
    let metrics = exporter.probe("connect", &closed_target());
    metrics.expect(&[
        "probe_success 0",
        "probe_duration_seconds *",
        "probe_failure_info{stage=\"connect\",reason=\"refused\"} 1",
    ]);
}

#[test]
fn metrics_have_the_requested_compression_and_format() {
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

#[test]
fn the_landing_page_escapes_names_of_targets() {
    let exporter = Exporter::start(MODULES);
    exporter.probe("connect", "<script>alert(1)</script>\"'&");
    let answer = exporter.get("/");
    let page = answer.text();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    assert!(page.contains("Failure") && page.contains("logs?id=0"), "{page}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    // The namespace of the icon is a URL that nothing is loaded from.
    let page = page.replace("xmlns='http://www.w3.org/2000/svg'", "");
    assert!(!page.contains("src=") && !page.contains("http://") && !page.contains(" style="));
}

#[test]
fn the_exporter_counts_its_probes() {
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

#[test]
fn several_listen_addresses_serve_the_same_routes() {
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
