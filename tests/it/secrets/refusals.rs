//! Secrets of refused probes.

use std::io::Write as _;

use super::{Output, case, get, planted};
use crate::{
    fixtures::{
        hostile::{RUNTIME, Then, greeting},
        http::{http, ok, redirect},
    },
    harness::{connect, eventually, probe_path},
    refusals::Crowd,
    running::Running,
};

#[test]
fn denied_probes_are_redacted() {
    let [password, token] = ["password", "token"].map(planted);
    let yaml = format!(
        "policy: {{hosts: {{deny: ['*.denied.example']}}}}
modules:
  m: {{prober: http, http: {{authorization: {{credentials: {token}}}}}}}
"
    );
    let exporter = Running::start(&yaml, &["--log.level=debug", "--log.prober=debug"]);
    // The name of the host is what the policy judges and the log names.
    let target =
        RUNTIME.block_on(http([redirect(format!("http://{token}.denied.example/"))]).start());
    let mut output = Output::default();
    for (host, status) in [(target.address.to_string(), 200), ("a.denied.example".to_owned(), 403)]
    {
        let answer =
            get(exporter.address, &probe_path("m", &format!("http://u:{password}@{host}/")));
        assert_eq!(answer.status, status, "{}", answer.text());
        output.record("probe", &answer.text());
    }
    for id in 0..2 {
        for format in ["metrics", "json", "health", "debug", "html"] {
            let answer = get(exporter.address, &format!("/logs?id={id}&format={format}"));
            assert!(!answer.text().is_empty(), "{format}");
            output.record(format, &answer.text());
        }
    }
    output.record("/", &get(exporter.address, "/").text());
    let (_, log) = exporter.stop();
    let denied = log.iter().filter(|line| line.contains("Probe denied"));
    assert_eq!(denied.count(), 2, "{log:#?}");
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[case("a denied probe", "", "", true, ())]);
}

#[test]
fn probes_that_do_not_begin_are_redacted() {
    let [password, token] = ["password", "token"].map(planted);
    let yaml = format!(
        "limits: {{in_flight: 1, queue_timeout: 0s}}
modules:
  silent: {{prober: tcp, timeout: 100s, tcp: {{query_response: [{{expect: never}}]}}}}
  plain: {{prober: http, http: {{authorization: {{credentials: {token}}}}}}}
  twice: {{prober: http, http: {{authorization: {{credentials: {token}}}}}}}
"
    );
    let exporter = Running::start(&yaml, &["--log.level=debug", "--log.prober=debug"]);
    let peer = greeting("", Then::Wait);
    let mut running = connect(exporter.address);
    let path = probe_path("silent", &peer.address.to_string());
    write!(running, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("the probe runs", || exporter.in_flight() > 0.0);
    let mut output = Output::default();
    // The target of the second one is encoded twice.
    for (module, target) in [
        ("plain", format!("http://u:{password}@refused.example/")),
        ("twice", format!("http%3A%2F%2Fu%3A{password}%40refused.example%2F")),
    ] {
        for format in ["metrics", "json", "health", "debug", "html"] {
            let path = format!("{}&format={format}", probe_path(module, &target));
            let answer = get(exporter.address, &path);
            assert!([503, 429].contains(&answer.status), "{}", answer.text());
            output.record(format, &answer.text());
        }
    }
    let list = get(exporter.address, "/").text();
    assert_eq!(list.matches("u:xxxxx@refused.example").count(), 10, "{list}");
    for path in ["/", "/metrics", "/config", "/?target=refused.example"] {
        output.record(path, &get(exporter.address, path).text());
    }
    drop(running);
    let (_, log) = exporter.stop();
    let refused = log.iter().filter(|line| line.contains("Probe refused"));
    let hidden = refused.filter(|line| line.contains("u:xxxxx@refused.example"));
    assert_eq!(hidden.count(), 2, "{log:#?}");
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[case("a probe that does not begin", "", "", true, ())]);
}

#[test]
fn refused_probes_are_redacted() {
    let [password, token, cookie] = ["password", "token", "cookie"].map(planted);
    let check = "fail_if_body_matches_regexp: [never]";
    let yaml = format!(
        "limits: {{body_memory: 4MiB}}
modules:
  crowd: {{prober: http, timeout: 100s, http: {{{check}}}}}
  refused: {{prober: http, http: {{{check}, authorization: {{credentials: {token}}}}}}}
"
    );
    let arguments = ["--log.level=debug", "--log.prober=debug"];
    let exporter = Running::start(&yaml, &arguments);
    let crowd = Crowd::start(exporter.address, "crowd");
    let body = ok(vec![b'x'; 3 << 20]).header("X-Said", &token);
    let next = redirect(format!("/?said={token}")).header("Set-Cookie", format!("a={cookie}"));
    let target = RUNTIME.block_on(http([next, body]).start());
    let mut output = Output::default();
    let url = format!("http://u:{password}@{}/", target.address);
    let answer = get(exporter.address, &probe_path("refused", &url));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(target.asked().iter().any(|asked| asked.head.contains(&token)), "used");
    output.record("probe", &answer.text());
    for path in ["/", "/metrics", "/logs?id=0"] {
        output.record(path, &get(exporter.address, path).text());
    }
    for format in ["metrics", "json", "health", "debug", "html"] {
        let answer = get(exporter.address, &format!("/logs?id=0&format={format}"));
        assert!(answer.text().len() > 50, "{format}");
        output.record(format, &answer.text());
    }
    drop(crowd);
    let (_, log) = exporter.stop();
    assert!(log.iter().any(|line| line.contains("Probe refused")), "{log:#?}");
    output.record("log", &log.join("\n"));
    output.assert_no_secrets(&[case("a refused probe", "", "", true, ())]);
}
