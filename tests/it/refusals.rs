//! Refused probes, in every place where they are shown.

use std::{fs, io::Write as _, net::TcpStream};

use serde_json::{Value, json};

use crate::{
    fixtures::{
        hostile::{RUNTIME, Then, greeting},
        http::{RunningHttpServer, http, ok, raw},
    },
    harness::{Answer, Exporter, connect, eventually, probe_path, request},
    pages::text,
    running::Running,
    schema::Schema,
};

/// One of the two bodies fits into the memory for bodies.
const MODULES: &str = "
limits: {body_memory: 4MiB}
modules:
  http: {prober: http, timeout: 100s, http: {fail_if_body_matches_regexp: [never]}}
  other: {prober: tcp}
";

const BODY: usize = 3 << 20;

const LINE: &str = "Overloaded: the bodies of running probes fill limits.body_memory; this says \
                    nothing about the target\n";

const REFUSED: &str = r#"probe_exporter_probes_refused_total{cause="body_memory",module="http"}"#;

/// A probe that holds most of the memory for bodies, and a target whose body does not fit beside it.
pub(crate) struct Crowd {
    client: TcpStream,
    _server: RunningHttpServer,
    pub(crate) target: RunningHttpServer,
}

impl Crowd {
    /// Starts the probe with a module that checks bodies.
    pub(crate) fn start(exporter: std::net::SocketAddr, module: &str) -> Self {
        let (body, head) = (vec![b'x'; BODY], format!("Content-Length: {}\r\n\r\n", BODY + 1));
        let endless = raw(format!("HTTP/1.1 200 OK\r\n{head}")).send(&body).hang();
        let server = RUNTIME.block_on(http([endless]).start());
        let target = RUNTIME.block_on(http([ok(&body)]).start());
        let mut client = connect(exporter);
        let path = probe_path(module, &format!("http://{}/", server.address));
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        eventually("the running probe holds its body", || {
            let metrics = request(exporter, "GET", "/metrics", &[]).metrics();
            metrics.value("probe_exporter_body_memory_bytes").unwrap() > 2.8e6
        });
        Self { client, _server: server, target }
    }

    /// The path of a probe that is refused.
    fn path(&self) -> String {
        probe_path("http", &format!("http://{}/", self.target.address))
    }
}

#[track_caller]
fn assert_is_refusal(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let headers = ["retry-after", "cache-control"].map(|name| answer.header(name));
    assert_eq!(headers, [Some("1"), Some("no-store")]);
}

#[test]
fn a_refusal_is_one_line_of_text_in_every_format_but_html() {
    let exporter = Exporter::start(MODULES);
    let crowd = Crowd::start(exporter.address, "http");
    for (query, status) in [
        ("", 503),
        ("&format=metrics", 503),
        ("&format=json", 503),
        ("&debug=true", 503),
        ("&format=health", 429),
    ] {
        let answer = exporter.get(&format!("{}{query}", crowd.path()));
        assert_is_refusal(&answer, status);
        assert_eq!(answer.text(), LINE, "{query}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{query}");
    }
    let answer = exporter.get(&format!("{}&format=html", crowd.path()));
    assert_is_refusal(&answer, 503);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let page = answer.text();
    assert!(page.contains("<h1>Refused by the exporter") && page.contains("logs?id=5"), "{page}");
    let path = crowd.path();
    let Crowd { client, target: _target, .. } = crowd;
    drop(client);
    eventually("the target is probed again", || exporter.get(&path).status == 200);
}

#[test]
fn refused_probes_are_counted_apart_from_finished_ones() {
    let exporter = Exporter::start(MODULES);
    let other = r#"probe_exporter_probes_refused_total{cause="body_memory",module="other"} 0"#;
    exporter.own_metrics().expect(&[&format!("{REFUSED} 0"), other]);
    let crowd = Crowd::start(exporter.address, "http");
    assert_is_refusal(&exporter.get(&crowd.path()), 503);
    let metrics = exporter.own_metrics();
    metrics.expect(&[
        &format!("{REFUSED} 1"),
        other,
        r#"probe_exporter_probes_total{module="http",prober="http",result="success"} 0"#,
        r#"probe_exporter_probes_total{module="http",prober="http",result="failure"} 0"#,
    ]);
    let of_finished =
        ["probe_exporter_probe_duration_seconds", "probe_exporter_probe_failures_total"];
    metrics.expect_absent(&of_finished);
}

#[test]
fn the_start_page_lists_refused_probes_apart_and_the_log_is_kept() {
    let exporter = Exporter::start(MODULES);
    let crowd = Crowd::start(exporter.address, "http");
    assert!(!exporter.get("/").text().contains("Refused Probes"));
    assert_is_refusal(&exporter.get(&crowd.path()), 503);
    let page = exporter.get("/").text();
    let (recent, refused) = page.split_once("<h2>Refused Probes</h2>").unwrap();
    assert!(recent.contains("No probe has run yet.") && !recent.contains("logs?id=0"), "{page}");
    assert!(refused.contains("body_memory") && refused.contains("href=\"logs?id=0\""), "{page}");
    let text = text(&page);
    assert!(text.contains(LINE.trim_end()) && text.contains("Raise limits.body_memory"), "{text}");
    assert!(!exporter.get("/?module=other").text().contains("Refused Probes"), "filtered");

    let debug = exporter.get("/logs?id=0");
    assert_eq!(debug.status, 200);
    let text = debug.text();
    for part in [
        "level=WARN msg=\"Probe refused\" cause=body_memory err=",
        "\nRefused after 0.",
        " s, cause body_memory\n  Overloaded: ",
        "Metrics that would have been returned:\n\n",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(!text.contains("probe_success") && !text.contains("Probe failed"), "{text}");
    assert_eq!(exporter.get("/logs?id=0&format=html").status, 200);
    for (format, status) in [("metrics", 503), ("health", 429)] {
        let answer = exporter.get(&format!("/logs?id=0&format={format}"));
        assert_is_refusal(&answer, status);
        assert_eq!(answer.text(), LINE);
    }
    let by_target = crowd.path().replace("/probe?", "/logs?");
    assert_eq!(exporter.get(&by_target).status, 404, "only finished probes");
}

#[test]
fn the_start_page_lists_the_latest_probes_that_did_not_begin() {
    let exporter = Exporter::start(
        "
limits: {in_flight: 1, queue_timeout: 0s}
modules:
  silent: {prober: tcp, timeout: 100s, tcp: {query_response: [{expect: never}]}}
  other: {prober: tcp}
",
    );
    let peer = greeting("", Then::Wait);
    let mut running = connect(exporter.address);
    let path = probe_path("silent", &peer.address.to_string());
    write!(running, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("the probe runs", || {
        exporter.own_metrics().value("probe_exporter_probes_in_flight") == Some(1.0)
    });
    assert!(!exporter.get("/").text().contains("Refused Probes"));
    for number in 0..25 {
        let answer = exporter.get(&probe_path("other", &format!("target{number}.example")));
        assert_is_refusal(&answer, 503);
    }
    let page = exporter.get("/").text();
    let (recent, refused) = page.split_once("<h2>Refused Probes</h2>").unwrap();
    assert!(recent.contains("No probe has run yet.") && !refused.contains("logs?id="), "{page}");
    let targets =
        refused.match_indices("target").filter_map(|(at, _)| refused[at..].split_once(".example"));
    let targets: Vec<_> =
        targets.map(|(target, _)| target.to_owned()).filter(|t| t.len() < 9).collect();
    let newest_first: Vec<_> = (5..25).rev().map(|number| format!("target{number}")).collect();
    assert_eq!(targets, newest_first);
    let said = text(&page);
    let line = "Overloaded: 1 probes are running, as many as limits.in_flight allows";
    assert_eq!(
        (said.matches(line).count(), said.matches("Raise limits.in_flight").count()),
        (20, 1)
    );
    for (query, shown) in [("module=silent", 0), ("target=TARGET2", 5), ("failures=true", 20)] {
        let page = exporter.get(&format!("/?{query}")).text();
        assert_eq!(page.matches("<td class=\"reason\">in_flight").count(), shown, "{query}");
    }
    assert_eq!(exporter.get("/logs?target=target9.example&module=other").status, 404);
    drop(running);
}

#[test]
fn the_start_page_names_no_rule_that_denied_a_probe() {
    let exporter = Exporter::start(
        "
policy: {addresses: {deny: [127.0.0.0/30, link_local]}, hosts: {deny: ['*.denied.example']}}
modules:
  other: {prober: tcp, policy: {ports: {deny: [7000-7009]}}}
",
    );
    for target in ["127.0.0.1:1", "[::1]:7001", "a.denied.example:2"] {
        assert_eq!(exporter.get(&probe_path("other", target)).status, 403, "{target}");
    }
    let page = exporter.get("/").text();
    let (_, refused) = page.split_once("<h2>Refused Probes</h2>").unwrap();
    assert_eq!(refused.matches("Target denied by policy").count(), 3, "{page}");
    for rule in ["127.0.0.0", "link_local", "*.denied", "7000", "addresses", "ports"] {
        assert!(!refused.contains(rule), "{rule}: {refused}");
    }
}

#[test]
fn the_json_report_of_a_refused_probe_has_a_refusal_and_no_failure() {
    let exporter = Exporter::start(MODULES);
    let crowd = Crowd::start(exporter.address, "http");
    assert_is_refusal(&exporter.get(&crowd.path()), 503);
    let document: Value =
        serde_json::from_str(&exporter.get("/logs?id=0&format=json").text()).unwrap();
    let schema = Schema::parse(&fs::read_to_string("docs/report.schema.json").unwrap());
    assert_eq!(schema.check(&document), Ok(()));
    let empty = ["failure", "success", "metrics", "checks"].map(|key| document[key].clone());
    assert_eq!(empty, [Value::Null, json!(false), json!([]), json!([])], "{document}");
    let refusal = &document["refusal"];
    assert_eq!(refusal["cause"], "body_memory");
    assert_eq!(refusal["message"], LINE.trim_end());
    assert!(document["hops"][0]["address"].is_string(), "{document}");
}

#[test]
fn the_log_has_one_line_for_the_refusals_of_a_module() {
    let exporter = Running::start(MODULES, &["--log.failures=off"]);
    let crowd = Crowd::start(exporter.address, "http");
    for _ in 0..3 {
        assert_is_refusal(&request(exporter.address, "GET", &crowd.path(), &[]), 503);
    }
    drop(crowd);
    let (_, log) = exporter.stop();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("refused")).collect();
    assert_eq!(lines.len(), 1, "{log:#?}");
    let start = "msg=\"Probe refused\" module=http cause=body_memory err=\"Overloaded: ";
    assert!(lines[0].contains(start) && lines[0].contains("level=WARN"), "{lines:?}");
    assert!(!log.iter().any(|line| line.contains("Probe failed")), "{log:#?}");
}
