//! Policy, prober, target, answers of the resolver and redirects, with the result and the number of
//! packets that reached a target.

use probe_exporter::{
    diagnostics::{Reason, RefusalCause, Stage, Verdict},
    probe::ProbeReport,
};

use super::sink::{Names, Sink, has_loopback, peers};
use crate::fixtures::{
    http::{http, ok, redirect},
    proxy::proxy,
};

/// The expected end of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Refused with the cause `denied`.
    Denied,
    /// Failed after a redirect, with the reason `denied`.
    DeniedRedirect,
    /// Not denied, whatever else it was.
    Asked,
}

fn end(report: &ProbeReport) -> End {
    match &report.verdict {
        Verdict::Refused(refusal) if refusal.cause == RefusalCause::Denied => End::Denied,
        Verdict::Failed(failure) if failure.reason == Reason::Denied => {
            assert_eq!(failure.stage, Stage::Response);
            End::DeniedRedirect
        }
        _ => End::Asked,
    }
}

const HTTP: &str = "prober: http, http: {follow_redirects: true}";
const HTTP3: &str = "prober: http, http: {enable_http3: true, enable_http2: false}";
const TCP: &str = "prober: tcp";
const TCP_TLS: &str = "prober: tcp, tcp: {tls: true}";
const DNS: &str = "prober: dns, timeout: 300ms, dns: {query_name: x.example}";
const DNS_TCP: &str =
    "prober: dns, timeout: 300ms, dns: {query_name: x.example, transport_protocol: tcp}";
const GRPC: &str = "prober: grpc, timeout: 300ms";
const WEBSOCKET: &str = "prober: websocket, timeout: 300ms";

/// Name, policy, module, target (`{}` is the port of the sink), answers of the resolver, result, and
/// whether something reaches the sink, and whether the resolver is asked.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    End,
    bool,
    bool,
);

const LOOPBACK: &[&str] = &["127.0.0.1"];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("tcp literal", "preset: internal", TCP, "127.0.0.1:{}", LOOPBACK, End::Denied, false, false),
    ("tcp over TLS", "preset: internal", TCP_TLS, "127.0.0.1:{}", LOOPBACK, End::Denied, false, false),
    ("tcp name", "preset: internal", TCP, "h.example:{}", LOOPBACK, End::Denied, false, true),
    ("tcp 0.0.0.0", "preset: internal", TCP, "0.0.0.0:{}", LOOPBACK, End::Denied, false, false),
    ("tcp mapped", "preset: internal", TCP, "[::ffff:127.0.0.1]:{}", LOOPBACK, End::Denied, false, false),
    ("http literal", "preset: internal", HTTP, "http://127.0.0.1:{}/", LOOPBACK, End::Denied, false, false),
    ("http name", "preset: internal", HTTP, "http://h.example:{}/", LOOPBACK, End::Denied, false, true),
    ("https name", "preset: internal", HTTP, "https://h.example:{}/", LOOPBACK, End::Denied, false, true),
    ("http without a scheme", "preset: internal", HTTP, "127.0.0.1:{}", LOOPBACK, End::Denied, false, false),
    ("http with a user", "preset: internal", HTTP, "http://8.8.8.8@127.0.0.1:{}/", LOOPBACK, End::Denied, false, false),
    ("full-width digits", "preset: internal", HTTP, "http://\u{ff11}27.0.0.1:{}/", LOOPBACK, End::Denied, false, false),
    ("http3", "preset: internal", HTTP3, "https://127.0.0.1:{}/", LOOPBACK, End::Denied, false, false),
    ("http3 name", "preset: internal", HTTP3, "https://h.example:{}/", LOOPBACK, End::Denied, false, true),
    ("dns", "preset: internal", DNS, "127.0.0.1:{}", LOOPBACK, End::Denied, false, false),
    ("dns name", "preset: internal", DNS, "h.example:{}", LOOPBACK, End::Denied, false, true),
    ("dns over TCP", "preset: internal", DNS_TCP, "h.example:{}", LOOPBACK, End::Denied, false, true),
    ("grpc", "preset: internal", GRPC, "h.example:{}", LOOPBACK, End::Denied, false, true),
    ("websocket", "preset: internal", WEBSOCKET, "ws://h.example:{}/", LOOPBACK, End::Denied, false, true),
    ("metadata by name", "preset: no_metadata", HTTP, "http://h.example:{}/", &["169.254.169.254"], End::Denied, false, true),
    ("rebinding, denied first", "addresses: {deny: [127.0.0.2]}", TCP, "h.example:{}", &["127.0.0.2", "127.0.0.1"], End::Denied, false, true),
    ("rebinding, allowed first", "addresses: {deny: [127.0.0.2]}", TCP, "h.example:{}", &["127.0.0.1", "127.0.0.2"], End::Asked, true, true),
    ("a port, before a lookup", "ports: {deny: [0-65535]}", TCP, "h.example:{}", LOOPBACK, End::Denied, false, false),
    ("a port of http", "ports: {allow: [1]}", HTTP, "http://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a port of dns", "ports: {allow: [1]}", DNS, "h.example:{}", LOOPBACK, End::Denied, false, false),
    ("a port of grpc", "ports: {allow: [1]}", GRPC, "h.example:{}", LOOPBACK, End::Denied, false, false),
    ("a port of websocket", "ports: {allow: [1]}", WEBSOCKET, "ws://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a port of http3", "ports: {allow: [1]}", HTTP3, "https://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a host, before a lookup", "hosts: {allow: ['*.allowed.example']}", HTTP, "http://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a literal", "hosts: {allow: ['*.allowed.example']}", HTTP, "http://127.0.0.1:{}/", LOOPBACK, End::Denied, false, false),
    ("an allowed host", "hosts: {allow: ['*.allowed.example']}", TCP, "H.Allowed.Example.:{}", LOOPBACK, End::Asked, true, true),
    ("a host of icmp", "hosts: {deny: ['*']}", "prober: icmp", "h.example", LOOPBACK, End::Denied, false, false),
    ("an address of icmp", "preset: internal", "prober: icmp", "127.0.0.1", LOOPBACK, End::Denied, false, false),
    ("a name of icmp", "preset: internal", "prober: icmp", "h.example", LOOPBACK, End::Denied, false, true),
    ("a scheme", "schemes: [https]", HTTP, "http://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a scheme of websocket", "schemes: [wss]", WEBSOCKET, "ws://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("http3 as a scheme", "schemes: [https]", HTTP3, "https://h.example:{}/", LOOPBACK, End::Denied, false, false),
    ("a prober", "probers: [http]", TCP, "h.example:{}", LOOPBACK, End::Denied, false, false),
    ("every address", "addresses: {default: deny}", TCP, "h.example:{}", LOOPBACK, End::Denied, false, false),
    ("an allowed address", "addresses: {allow: [loopback]}", TCP, "h.example:{}", LOOPBACK, End::Asked, true, true),
    ("unix", "preset: internal", "prober: unix", "/run/x.sock", LOOPBACK, End::Denied, false, false),
    ("abstract unix", "unix_paths: {allow: ['@a']}", "prober: unix", "@b", LOOPBACK, End::Denied, false, false),
    ("no entries", "mode: enforce", TCP, "127.0.0.1:{}", LOOPBACK, End::Asked, true, false),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_reaches_what_is_denied() {
    for (what, policy, module, target, answers, expected, is_reached, asks) in ROWS {
        if module == &HTTP3 && !cfg!(feature = "http3") {
            continue;
        }
        let module_policy = if policy.starts_with("mode") { "" } else { policy };
        // The same rules, in the file and in the module.
        for yaml in [
            format!("policy: {{{policy}}}\nmodules: {{m: {{{module}}}}}"),
            format!("modules: {{m: {{{module}, policy: {{{module_policy}}}}}}}"),
        ] {
            let (names, sink) = (Names::start(answers), Sink::open());
            let target = target.replace("{}", &sink.port.to_string());
            let report = names.probe(&yaml, &target, "").await;
            assert_eq!(end(&report), *expected, "{what}: {}", report.debug_text());
            let hits = sink.hits();
            assert_eq!(hits > 0, *is_reached, "{what}: {hits} packets\n{}", report.debug_text());
            assert_eq!(names.asked() > 0, *asks, "{what}: {} queries", names.asked());
            if *expected == End::Denied {
                assert_eq!(peers(&report), [""; 0], "{what}");
                assert!(report.metrics.samples().next().is_none(), "{what}");
                assert!(!report.log.iter().any(|line| line.to_logfmt().contains("deny")), "{what}");
                assert!(report.denial.is_some(), "{what}");
            }
        }
    }
}

/// IPv6 addresses that lead to an IPv4 address where there is a translator or a tunnel.
#[tokio::test]
async fn every_embedded_form_is_denied() {
    let names = Names::start(&[]);
    for (v4, hex) in [("127.0.0.1", [0x7f00_u32, 1]), ("169.254.169.254", [0xa9fe, 0xa9fe])] {
        let [high, low] = hex;
        let [not_high, not_low] = hex.map(|part| !part & 0xffff);
        for form in [
            format!("::ffff:{v4}"),
            format!("::{high:x}:{low:x}"),
            format!("::ffff:0:{high:x}:{low:x}"),
            format!("64:ff9b::{high:x}:{low:x}"),
            format!("64:ff9b:1::{high:x}:{low:x}"),
            format!("64:ff9b:1:{high:x}:{:x}:{:x}::", low >> 8, (low & 0xff) << 8),
            format!("2002:{high:x}:{low:x}::1"),
            format!("2001:0:{high:x}:{low:x}::"),
            format!("2001:0:808:808::{not_high:x}:{not_low:x}"),
            format!("2606:4700::5efe:{high:x}:{low:x}"),
            format!("2606:4700::200:5efe:{high:x}:{low:x}"),
            format!("2606:4700:64::{high:x}:{low:x}"),
        ] {
            for preset in ["preset: internal", "preset: public"] {
                let yaml = format!(
                    "policy: {{{preset}, nat64_prefixes: ['2606:4700:64::/96']}}
modules: {{m: {{prober: tcp}}}}"
                );
                let report = names.probe(&yaml, &format!("[{form}]:1"), "").await;
                assert_eq!(end(&report), End::Denied, "{form}: {}", report.debug_text());
                assert_eq!(peers(&report), [""; 0], "{form}");
            }
        }
    }
    assert_eq!(names.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_judged_like_targets() {
    let policy = "addresses: {default: allow, deny: [127.0.0.2, 169.254.169.254]}, \
                  hosts: {deny: [denied.example]}, ports: {deny: [1]}, schemes: [http]";
    let yaml = format!("policy: {{{policy}}}\nmodules: {{m: {{prober: http}}}}");
    for (location, answers, asks) in [
        ("http://127.0.0.2:{}/", &["127.0.0.1"][..], 0),
        ("http://169.254.169.254:{}/latest/meta-data", &["127.0.0.1"], 0),
        ("http://[::ffff:127.0.0.2]:{}/", &["127.0.0.1"], 0),
        ("http://other.example:{}/", &["127.0.0.2"], 2),
        ("http://denied.example:{}/", &["127.0.0.1"], 0),
        ("http://127.0.0.1:1/", &["127.0.0.1"], 0),
        ("https://127.0.0.1:{}/", &["127.0.0.1"], 0),
    ] {
        let (names, sink) = (Names::start(answers), Sink::open());
        let location = location.replace("{}", &sink.port.to_string());
        let server = http([redirect(&location), ok("x")]).start().await;
        let report = names.probe(&yaml, &format!("http://{}/", server.address), "").await;
        assert_eq!(end(&report), End::DeniedRedirect, "{location}: {}", report.debug_text());
        assert_eq!((sink.hits(), names.asked(), server.asked().len()), (0, asks, 1), "{location}");
        let metrics = report.metrics.render();
        for sample in [
            "probe_success 0",
            "probe_http_redirects 1",
            "probe_failure_info{reason=\"denied\",stage=\"response\"} 1",
            "probe_duration_seconds ",
        ] {
            assert!(metrics.contains(sample), "{sample} in {metrics}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_an_allowed_host_is_followed() {
    let last = http([ok("x")]).start().await;
    let first = http([redirect(format!("http://{}/", last.address))]).start().await;
    let yaml =
        "policy: {addresses: {deny: [127.0.0.2], default: allow}}\nmodules: {m: {prober: http}}";
    let report = Names::start(&[]).probe(yaml, &format!("http://{}/", first.address), "").await;
    assert!(report.verdict.is_ok(), "{}", report.debug_text());
    assert_eq!(last.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_denied_family_denies_the_host_of_a_redirect() {
    if !has_loopback("::1".parse().unwrap()) {
        return;
    }
    // `localhost` has both addresses.
    let (denied, sink) = ("::1", Sink::open());
    let server = http([redirect(format!("http://localhost:{}/", sink.port))]).start().await;
    let yaml =
        format!("policy: {{addresses: {{deny: ['{denied}']}}}}\nmodules: {{m: {{prober: http}}}}");
    let config = probe_exporter::config::Config::parse(&yaml, "").unwrap();
    let query = format!("module=m&target=http://{}/", server.address);
    let request =
        probe_exporter::probe::request::RawRequest { query: &query, scrape_timeout: None };
    let request = probe_exporter::probe::ProbeRequest::parse(request, &config, 0.5).unwrap();
    let resolver = crate::fixtures::names::resolver();
    let report = probe_exporter::probe::run(request, std::sync::Arc::new(resolver)).await;
    assert_eq!(end(&report), End::DeniedRedirect, "{}", report.debug_text());
    assert_eq!(sink.hits(), 0, "the other family is not tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_a_proxy_resolves_are_judged() {
    let target = http([ok("x")]).start().await;
    let proxy = proxy().leading_to(target.address).start().await;
    let [plain, socks] =
        ["http", "socks5"].map(|scheme| format!("proxy_url: '{scheme}://{}'", proxy.address));
    let skip = "skip_resolve_phase_with_proxy: true";
    let strict = "addresses: {default: allow, deny: [127.0.0.2]}";
    let lenient = "addresses: {default: allow, deny: [127.0.0.2]}, unresolved_names: allow";
    for (what, policy, http, target, expected) in [
        ("absolute form carries the name", strict, plain.clone(), "http://h.example/", End::Denied),
        ("absolute form, allowed", lenient, plain.clone(), "http://h.example/", End::Asked),
        ("absolute form of an address", strict, plain.clone(), "http://127.0.0.1/", End::Asked),
        (
            "absolute form of a denied address",
            strict,
            plain.clone(),
            "http://127.0.0.2/",
            End::Denied,
        ),
        ("CONNECT to a resolved address", strict, plain.clone(), "https://h.example/", End::Asked),
        (
            "CONNECT to a name",
            strict,
            format!("{plain}, {skip}"),
            "https://h.example/",
            End::Denied,
        ),
        ("SOCKS to a resolved address", strict, socks.clone(), "http://h.example/", End::Asked),
        ("SOCKS to a name", strict, format!("{socks}, {skip}"), "http://h.example/", End::Denied),
        (
            "SOCKS to a name, allowed",
            lenient,
            format!("{socks}, {skip}"),
            "http://h.example/",
            End::Asked,
        ),
        ("a port", "ports: {deny: [80]}", plain.clone(), "http://h.example/", End::Denied),
        (
            "a host",
            "hosts: {deny: [h.example]}",
            format!("{plain}, {skip}"),
            "http://h.example/",
            End::Denied,
        ),
        (
            "a scheme",
            "schemes: [https]",
            format!("{plain}, {skip}"),
            "http://h.example/",
            End::Denied,
        ),
        (
            "the proxy's address",
            "proxies: {addresses: {deny: [loopback]}}",
            plain.clone(),
            "http://h.example/",
            End::Denied,
        ),
        (
            "the proxy's port",
            "proxies: {ports: {allow: [1]}}",
            plain.clone(),
            "http://h.example/",
            End::Denied,
        ),
        (
            "targets' lists do not concern proxies",
            "ports: {allow: [80]}",
            plain.clone(),
            "http://h.example/",
            End::Asked,
        ),
    ] {
        let before = proxy.asked().len();
        let yaml = format!(
            "policy: {{{policy}}}\nmodules: {{m: {{prober: http, timeout: 1s, http: {{{http}}}}}}}"
        );
        let report = Names::start(&["127.0.0.1"]).probe(&yaml, target, "").await;
        assert_eq!(end(&report), expected, "{what}: {}", report.debug_text());
        let is_asked = proxy.asked().len() > before;
        assert_eq!(is_asked, expected == End::Asked, "{what}: {}", report.debug_text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_servers_and_their_redirects_are_judged() {
    let (target, sink) = (http([ok("x")]).start().await, Sink::open());
    let tokens = http([redirect(format!("http://127.0.0.2:{}/", sink.port))]).start().await;
    let module = format!(
        "prober: http, http: {{oauth2: {{client_id: a, client_secret: b, token_url: 'http://{}/'}}}}",
        tokens.address
    );
    for (policy, expected, token_requests) in [
        ("addresses: {default: allow, deny: [127.0.0.2]}", End::Denied, 1),
        ("schemes: [https, http], ports: {allow: [1]}", End::Denied, 0),
        ("token_servers: {addresses: {deny: [127.0.0.1]}}", End::Denied, 0),
        ("token_servers: {hosts: {allow: [idp.example]}}", End::Denied, 0),
    ] {
        let before = tokens.asked().len();
        let yaml = format!("policy: {{{policy}}}\nmodules: {{m: {{{module}}}}}");
        let report =
            Names::start(&[]).probe(&yaml, &format!("http://{}/", target.address), "").await;
        assert_eq!(end(&report), expected, "{policy}: {}", report.debug_text());
        assert_eq!(tokens.asked().len() - before, token_requests, "{policy}");
    }
    assert_eq!((sink.hits(), target.asked().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parameter_hostname_is_judged_by_name() {
    let server = http([ok("x")]).start().await;
    let yaml =
        "policy: {hosts: {allow: ['*.example'], literals: allow}}\nmodules: {m: {prober: http}}";
    for (hostname, expected) in [
        ("a.example", End::Asked),
        ("a.example:80", End::Asked),
        ("A.EXAMPLE.", End::Asked),
        ("internal.test", End::Denied),
        ("internal.test:80", End::Denied),
    ] {
        let target = format!("http://{}/", server.address);
        let report = Names::start(&[]).probe(yaml, &target, &format!("&hostname={hostname}")).await;
        assert_eq!(end(&report), expected, "{hostname}: {}", report.debug_text());
    }
}
