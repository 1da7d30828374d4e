//! The answers about denied probes, the log and the metrics.

use std::fs;

use probe_exporter::policy::Preset;

use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, redirect},
    },
    harness::{Exporter, probe_path, request},
    running::Running,
};

const DENIED: &str = "Target denied by policy\n";

/// Words that belong to the rules of the policies below, or to what is denied.
const RULES: [&str; 7] =
    ["loopback", "127.0.0.0/8", "addresses", "default", "rule-of-the-file", "169.254", "internal"];

const YAML: &str = "
policy: {addresses: {default: allow, deny: [loopback, 127.0.0.0/8]}, hosts: {deny: [rule-of-the-file.example]}}
modules:
  http: {prober: http}
  tcp: {prober: tcp}
";

#[test]
fn a_denial_says_nothing_of_the_rules_in_any_format() {
    let exporter = Exporter::start(YAML);
    for (module, target) in [
        ("http", "http://127.0.0.1:1/"),
        ("http", "http://rule-of-the-file.example/"),
        ("tcp", "localhost:1"),
    ] {
        for format in ["", "&format=metrics", "&format=json", "&debug=true", "&format=health"] {
            let answer = exporter.get(&format!("{}{format}", probe_path(module, target)));
            assert_eq!((answer.status, answer.text().as_str()), (403, DENIED), "{target} {format}");
            assert_eq!(answer.header("retry-after"), None);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        let page = exporter.get(&format!("{}&format=html", probe_path(module, target)));
        assert_eq!(page.status, 403);
        let text = page.text();
        assert!(text.contains(DENIED.trim()), "{text}");
        // A report would show the log, with the address of the name.
        let shown = ["127.0.0.1", "Beginning probe", "msg="];
        for word in shown.iter().filter(|word| !target.contains(**word)) {
            assert!(!text.contains(word), "{word} in {text}");
        }
        let body = text.split_once("</style>").map_or(&*text, |(_, body)| body);
        for word in RULES.iter().filter(|word| !target.contains(**word)) {
            assert!(!body.contains(word), "{word} in {body}");
        }
    }
}

/// Scanners for CVE-2020-16248 let the exporter probe a host of theirs, and look for a query at their
/// name server and for the time of the lookup in the response.
#[test]
fn a_scanner_learns_nothing_from_a_host_of_its_own() {
    let allowed = "policy: {preset: internal, hosts: {allow: ['*.corp.example']}}";
    let exporter = Exporter::start(&format!("{allowed}\nmodules: {{http_2xx: {{prober: http}}}}"));
    for target in ["c59h.oast.example", "http://c59h.oast.example/", "http://127.0.0.1:9115/"] {
        let answer = exporter.get(&probe_path("http_2xx", target));
        assert_eq!((answer.status, answer.text().as_str()), (403, DENIED), "{target}");
    }
}

#[test]
fn denials_are_counted_and_logged_with_their_entry() {
    let exporter = Running::start(YAML, &[]);
    for _ in 0..3 {
        let answer = exporter.probe("http", "http://127.0.0.1:1/");
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    exporter.own_metrics().expect(&[
        r#"probe_exporter_probes_refused_total{cause="denied",module="http"} 3"#,
        r#"probe_exporter_probes_refused_total{cause="denied",module="tcp"} 0"#,
        r#"probe_exporter_probes_total{module="http",prober="http",result="failure"} 0"#,
        "probe_exporter_policy_enforced 1",
    ]);
    let (_, log) = exporter.stop();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("denied")).collect();
    assert_eq!(lines.len(), 1, "{log:#?}");
    let expected = "msg=\"Probe denied\" module=http target=http://127.0.0.1:1/ client=127.0.0.1 \
                    mode=enforce policy=file list=addresses entry=loopback value=127.0.0.1 hop=0";
    assert!(lines[0].contains(expected) && lines[0].contains("level=WARN"), "{lines:?}");
}

#[test]
fn a_denied_redirect_is_a_failure() {
    let server = RUNTIME.block_on(http([redirect("http://127.0.0.2:1/")]).start());
    let yaml =
        "policy: {addresses: {default: allow, deny: [127.0.0.2]}}\nmodules: {http: {prober: http}}";
    let exporter = Running::start(yaml, &[]);
    let answer = exporter.probe("http", &format!("http://{}/", server.address));
    assert_eq!(answer.status, 200);
    answer.metrics().expect(&["probe_success 0", "probe_http_redirects 1"]);
    // The page of the target shows neither the response nor advice about it.
    let path = format!("/target?module=http&target=http://{}/", server.address);
    let page = request(exporter.address, "GET", &path, &[]);
    let text = page.text();
    assert!(page.status == 200 && text.contains("Failing for"), "{text}");
    for word in ["127.0.0.2", "HTTP/1.1 302", "Check first"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    exporter.own_metrics().expect(&[
        r#"probe_exporter_probe_failures_total{module="http",reason="denied",stage="response"} 1"#,
        r#"probe_exporter_probes_refused_total{cause="denied",module="http"} 0"#,
    ]);
    let (_, log) = exporter.stop();
    assert!(
        log.iter().any(|line| line.contains("entry=127.0.0.2 value=127.0.0.2 hop=1")),
        "{log:#?}"
    );
}

#[test]
fn the_mode_report_changes_no_answer() {
    let next = RUNTIME.block_on(http([ok("x")]).start());
    let to_next = || redirect(format!("http://{}/", next.address));
    let server = RUNTIME.block_on(http([to_next()]).start());
    let modules = "modules: {http: {prober: http}, tcp: {prober: tcp}}";
    let target = format!("http://{}/", server.address);
    let policy = "policy: {mode: report, preset: public, ports: {allow: [1]}, schemes: [https]}";
    let names = |yaml: &str| {
        let exporter = Running::start(yaml, &[]);
        let answer = exporter.probe("http", &target);
        let failed = exporter.probe("tcp", "127.0.0.1:1");
        let names: Vec<_> = [answer, failed]
            .iter()
            .flat_map(|answer| {
                assert_eq!(answer.status, 200);
                let metrics = answer.metrics();
                metrics.samples().iter().map(|sample| sample.name.clone()).collect::<Vec<_>>()
            })
            .collect();
        (names, exporter)
    };
    let (without, _) = names(modules);
    let (with, exporter) = names(&format!("{policy}\n{modules}"));
    assert_eq!(with, without);
    exporter.own_metrics().expect(&[
        r#"probe_exporter_policy_reported_total{module="http"} 1"#,
        r#"probe_exporter_policy_reported_total{module="tcp"} 1"#,
        r#"probe_exporter_probes_refused_total{cause="denied",module="http"} 0"#,
        "probe_exporter_policy_enforced 0",
    ]);
    let (_, log) = exporter.stop();
    let lines = log.iter().filter(|line| line.contains("msg=\"Probe denied\""));
    assert_eq!(lines.filter(|line| line.contains("mode=report")).count(), 2, "{log:#?}");
}

#[test]
fn a_reload_changes_the_policy_and_the_flag_stays() {
    let modules = "modules: {tcp: {prober: tcp}, free: {prober: tcp}}";
    let exporter =
        Exporter::start_with(modules, |options| options.policy_preset = Preset::Internal);
    let status = |module| exporter.get(&probe_path(module, "127.0.0.1:1")).status;
    assert_eq!((status("tcp"), status("free")), (403, 403));
    let overrides = "policy: {overrides: [{modules: ['fr?e'], policy: {}}]}";
    fs::write(exporter.config_file(), format!("{overrides}\n{modules}")).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200);
    assert_eq!((status("tcp"), status("free")), (403, 200));
    exporter.own_metrics().expect(&["probe_exporter_policy_enforced 1"]);
}

#[test]
fn the_configuration_shows_the_policy_as_written() {
    let yaml = "policy:
    mode: report
    preset: internal
    ports:
        deny:
            - \"22\"
            - 8000-8999
    overrides:
        - modules:
            - node_*
          policy:
            addresses:
                allow:
                    - loopback
modules:
    icmp:
        prober: icmp
        policy:
            hosts:
                allow:
                    - '*.example.org'
";
    let exporter = Exporter::start(yaml);
    let shown = exporter.get("/config").text();
    fs::write(exporter.config_file(), &shown).unwrap();
    assert_eq!(exporter.request("POST", "/-/reload", &[]).status, 200, "{shown}");
    assert_eq!(exporter.get("/config").text(), shown);
    for part in ["mode: report", "preset: internal", "8000-8999", "node_*", "*.example.org"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn invalid_policies_have_their_position() {
    let exporter = Exporter::start("modules: {icmp: {prober: icmp}}");
    for (yaml, error) in [
        (
            "policy: {addresses: {deny: [private, intern]}}",
            "1:38: policy.addresses.deny[1]: 'intern' is not an address, network or set",
        ),
        ("policy: {hosts: {allow: [10.0.0.1]}}", "policy.hosts.allow[0]: '10.0.0.1' is not a host"),
        ("policy: {preset: all}", "1:18: policy.preset: 'all' is not a preset"),
        ("policy: {probers: [htp]}", "policy.probers[0]: 'htp' is not a prober"),
        (
            "policy: {ports: {allow: [1], deny: [2]}}",
            "policy.ports: with 'allow' and 'deny', write what holds for the rest",
        ),
    ] {
        let text = format!("{yaml}\nmodules: {{icmp: {{prober: icmp}}}}");
        fs::write(exporter.config_file(), text).unwrap();
        let answer = exporter.request("POST", "/-/reload", &[]);
        assert!(answer.text().contains(error), "{}", answer.text());
    }
    let module = "modules: {icmp: {prober: icmp, policy: {mode: report}}}";
    fs::write(exporter.config_file(), module).unwrap();
    let text = exporter.request("POST", "/-/reload", &[]).text();
    assert!(text.contains("policy.mode") && text.contains("at the top of the file"), "{text}");
}
