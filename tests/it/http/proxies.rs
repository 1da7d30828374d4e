//! Probes through proxies.

use std::time::Duration;

use probe_exporter::net::resolve::Resolver;
use socket2::Type;

use super::{module, phase, short_module};
use crate::{
    fixtures::{
        hostile::RUNTIME,
        http::{http, ok, redirect, without_exporter_id},
        names::without_ipv6,
        ports::{closed, over_ipv6},
        proxy::{RunningProxy, proxy},
        tls::{leaf, pki},
    },
    probing::{Probed, failed, probe, probe_by},
    running::Running,
};

/// Returns the key with the URL of a proxy.
fn through(scheme: &str, proxy: &RunningProxy) -> String {
    format!("proxy_url: '{scheme}://{}'", proxy.address)
}

fn proxy_phase(name: &str) -> String {
    format!("probe_proxy_duration_seconds{{phase=\"{name}\"}}")
}

const INSECURE: &str = "tls_config: {insecure_skip_verify: true}";

#[tokio::test]
async fn a_plain_request_is_sent_to_the_proxy_in_absolute_form() {
    let server = http([ok("fine")]).start().await;
    let proxy = proxy().start().await;
    let keys = format!(
        "proxy_url: 'http://us%40er:pa:ss@{}', proxy_connect_header: {{X-Not: [here]}}, \
         headers: {{X-Zed: z}}",
        proxy.address
    );
    let target = format!("http://localhost:{}/a?b", server.address.port());
    let probed = probe(&module(&keys), &target).await;
    probed.expect(&[
        "probe_success 1",
        "probe_ip_protocol 4",
        "probe_http_ssl 0",
        "!probe_proxy_duration_seconds{phase=\"tunnel\"}",
    ]);
    let port = server.address.port();
    let expected = format!(
        "GET http://localhost:{port}/a?b HTTP/1.1\r\nHost: localhost:{port}\r\n\
         User-Agent: Blackbox-Exporter/{}\r\nX-Zed: z\r\nConnection: close\r\n\
         Proxy-Authorization: Basic dXNAZXI6cGE6c3M=\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let [head] = proxy.asked().try_into().unwrap();
    assert_eq!(without_exporter_id(&head), expected);
    assert_eq!(server.asked()[0].line(), "GET /a?b");
}

#[tokio::test]
async fn a_request_over_tls_uses_a_tunnel_to_the_chosen_address() {
    let pki = pki(leaf("localhost"));
    let server = http([ok("fine")]).over_tls(pki.server().context()).start().await;
    let proxy = proxy().start().await;
    let keys = format!(
        "proxy_url: 'http://user:secret@{}', tls_config: {{ca: '{}'}}, \
         proxy_connect_header: {{x-two: [b, c], X-One: [a], User-Agent: [me], Host: [not]}}",
        proxy.address,
        pki.root.pem().replace('\n', "\n\n"),
    );
    let target = format!("https://localhost:{}/", server.address.port());
    let probed = probe(&module(&keys), &target).await;
    probed.expect(&[
        "probe_success 1",
        "probe_http_ssl 1",
        "probe_ssl_verify_info{result=\"ok\"} 1",
        &proxy_phase("tunnel"),
    ]);
    let expected = format!(
        "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: me\r\n\
         Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\nX-One: a\r\nX-Two: b\r\nX-Two: c\r\n\r\n",
        server.address
    );
    let [head] = proxy.asked().try_into().unwrap();
    assert_eq!(without_exporter_id(&head), expected);
    assert_eq!(server.asked()[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(server.asked()[0].header("Proxy-Authorization"), "");
}

#[tokio::test]
async fn a_name_that_the_proxy_resolves_is_not_looked_up() {
    let server = http([ok("fine")]).start().await;
    let context = pki(leaf("nowhere.invalid")).server().context();
    let secure = http([ok("fine")]).over_tls(context).start().await;
    for (scheme, url, leads_to, asked) in [
        ("http", "http://nowhere.invalid", &server, "GET http://nowhere.invalid/ HTTP/1.1"),
        ("http", "https://nowhere.invalid", &secure, "CONNECT nowhere.invalid:443 HTTP/1.1"),
        ("socks5", "http://nowhere.invalid", &server, "SOCKS - nowhere.invalid:80"),
        ("socks5h", "https://nowhere.invalid:8443", &secure, "SOCKS - nowhere.invalid:8443"),
        // Non-ASCII names are encoded, and the zone of an address is not sent.
        (
            "http",
            "https://b\u{fc}cher.invalid",
            &secure,
            "CONNECT xn--bcher-kva.invalid:443 HTTP/1.1",
        ),
        ("socks5", "http://b\u{fc}cher.invalid", &server, "SOCKS - xn--bcher-kva.invalid:80"),
        ("http", "https://[fe80::1%2525lo]", &secure, "CONNECT [fe80::1]:443 HTTP/1.1"),
        ("socks5", "http://[fe80::1%2525lo]", &server, "SOCKS - [fe80::1]:80"),
    ] {
        let proxy = proxy().leading_to(leads_to.address).start().await;
        let keys =
            format!("skip_resolve_phase_with_proxy: true, {INSECURE}, {}", through(scheme, &proxy));
        let probed = probe(&module(&keys), url).await;
        probed.expect(&[
            "probe_success 1",
            "!probe_ip_protocol",
            "!probe_ip_addr_hash",
            "!probe_dns_lookup_time_seconds",
            &format!("!{}", phase("resolve")),
            &phase("connect"),
        ]);
        assert_eq!(proxy.asked()[0].lines().next(), Some(asked));
    }
}

#[tokio::test]
async fn socks_gets_the_chosen_address_and_the_user_of_the_url() {
    let server = http([ok("fine")]).start().await;
    let proxy = proxy().for_user("us@er", "pa:ss").start().await;
    let keys = format!("proxy_url: 'socks5://us%40er:pa:ss@{}'", proxy.address);
    let target = format!("http://localhost:{}/", server.address.port());
    let probed = probe(&module(&keys), target).await;
    probed.expect(&["probe_success 1", &proxy_phase("tunnel")]);
    assert_eq!(proxy.asked(), [format!("SOCKS us@er:pa:ss {}", server.address)]);
    assert_eq!(server.asked()[0].line(), "GET /", "not in absolute form");
}

#[tokio::test]
async fn a_proxy_over_tls_is_verified_by_its_own_name() {
    let context = pki(leaf("127.0.0.1")).server().context();
    let proxy_pki = pki(leaf("127.0.0.1"));
    let plain = http([ok("fine")]).start().await;
    let secure = http([ok("fine")]).over_tls(context).start().await;
    let proxy = proxy().over_tls(proxy_pki.server().context()).start().await;
    let pem = proxy_pki.root.pem().replace('\n', "\n\n");
    let keys = format!("tls_config: {{ca: '{pem}'}}, {}", through("https", &proxy));
    let probed = probe(&module(&keys), format!("http://{}", plain.address)).await;
    // The TLS metrics are about the target, not the proxy.
    probed.expect(&["probe_success 1", "probe_http_ssl 0", "!probe_tls_version_info"]);
    probed.expect(&[&proxy_phase("tls")]);
    let keys = format!("{INSECURE}, {}", through("https", &proxy));
    let probed = probe(&module(&keys), format!("https://{}", secure.address)).await;
    probed.expect(&["probe_success 1", "probe_http_ssl 1", &proxy_phase("tunnel")]);
    let probed = probe(&module(&through("https", &proxy)), plain.address).await;
    probed.expect(&[&failed("proxy", "certificate_unknown_authority"), "!probe_ssl_verify_info"]);
}

#[tokio::test]
async fn each_redirect_chooses_its_proxy_mode() {
    let context = pki(leaf("127.0.0.1")).server().context();
    let last = http([ok("fine")]).over_tls(context).start().await;
    let first = http([redirect(format!("https://{}/", last.address))]).start().await;
    let proxy = proxy().start().await;
    let keys = format!("{INSECURE}, {}", through("http", &proxy));
    let probed = probe(&module(&keys), first.address).await;
    probed.expect(&["probe_success 1", "probe_http_redirects 1", "probe_http_ssl 1"]);
    let asked: Vec<_> = proxy.asked();
    assert!(asked[0].starts_with(&format!("GET http://{}/ ", first.address)), "{asked:?}");
    assert!(asked[1].starts_with(&format!("CONNECT {} ", last.address)), "{asked:?}");
}

#[tokio::test]
async fn w10_no_proxy_matches_the_name() {
    let server = http([ok("fine")]).start().await;
    let target = format!("http://named.example:{}/", server.address.port());
    // Only the proxy can resolve the name, so that a direct probe fails.
    for (list, direct) in [
        ("named.example", true),
        (".example", true),
        ("'*'", true),
        ("'named.example:1'", false),
        ("other.example", false),
    ] {
        let proxy = proxy().leading_to(server.address).start().await;
        let keys = format!(
            "skip_resolve_phase_with_proxy: true, no_proxy: {list}, {}",
            through("http", &proxy)
        );
        let probed = probe(&short_module(&keys), &target).await;
        probed.expect(&[if direct { "probe_success 0" } else { "probe_success 1" }]);
        assert_eq!(proxy.asked().is_empty(), direct, "{list}");
    }
    // The target decides, not the `Host` header.
    let proxy = proxy().start().await;
    let port = server.address.port();
    let keys =
        format!("headers: {{Host: x.example}}, no_proxy: a.example, {}", through("http", &proxy));
    probe(&module(&keys), format!("http://localhost:{port}/")).await.expect(&["probe_success 1"]);
    assert_eq!(proxy.asked().len(), 0, "this host is reached directly");
}

#[tokio::test]
async fn networks_in_no_proxy_match_the_chosen_address() {
    let server = http([ok("fine")]).start().await;
    let proxy = proxy().start().await;
    let keys = format!("no_proxy: 127.0.0.0/8, {}", through("http", &proxy));
    let target = format!("http://localhost:{}/", server.address.port());
    probe(&module(&keys), target).await.expect(&["probe_success 1"]);
    assert_eq!(proxy.asked().len(), 0);
}

#[tokio::test]
async fn a_failing_proxy_is_reported_in_the_proxy_stage() {
    let refuse = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
    for (scheme, answer, reason, words) in [
        ("http", refuse("407 Who are you"), "proxy_authentication", "407 \"Who are you\""),
        ("http", refuse("403 Forbidden"), "proxy_denied", "403"),
        ("http", refuse("503 Service Unavailable"), "proxy_failure", "503"),
        ("http", refuse("302 Found"), "protocol", "302"),
        ("http", refuse("204 No Content"), "protocol", "204"),
        ("http", "220 mail.example\r\n\r\n".to_owned(), "not_http", "CONNECT"),
        ("http", String::new(), "closed", "CONNECT"),
        ("http", "HTTP/1.1 200".to_owned(), "closed", "CONNECT"),
        ("https", String::new(), "closed", "TLS"),
        ("https", refuse("400 Bad Request"), "not_tls", "TLS"),
        ("socks5", "\x05\x00\x05\x02\x00\x01".to_owned(), "proxy_denied", "reply 2"),
        ("socks5", "HTTP/1.1 400 No\r\n\r\n".to_owned(), "protocol", "version 72"),
        ("socks5", String::new(), "closed", "SOCKS"),
    ] {
        let proxy = proxy().answering(answer.clone()).start().await;
        let probed = probe(&module(&through(scheme, &proxy)), "https://127.0.0.1:1/").await;
        let failed = failed("proxy", reason);
        probed.expect(&["probe_success 0", "probe_http_status_code 0", &phase("connect"), &failed]);
        let found = probed.failure();
        assert!(found.contains(&proxy.address.to_string()) && found.contains(words), "{found}");
    }
}

#[tokio::test]
async fn a_response_of_the_proxy_is_not_taken_for_that_of_the_target() {
    let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let proxy = proxy().answering(answer).start().await;
    let probed = probe(&module(&through("http", &proxy)), "http://127.0.0.1:1/").await;
    let expected = failed("proxy", "proxy_authentication");
    probed.expect(&["probe_success 0", "probe_http_status_code 407", &expected]);
}

#[tokio::test]
async fn an_unreachable_proxy_fails_in_the_proxy_stage() {
    let refused = "proxy_url: 'http://127.0.0.1:1'";
    let probed = probe(&module(refused), "http://127.0.0.1:2/").await;
    probed.expect(&["probe_success 0", &failed("proxy", "refused")]);
    let nowhere = "proxy_url: 'http://proxy.invalid:3128'";
    let probed = probe(&short_module(nowhere), "http://127.0.0.1:2/").await;
    probed.expect(&["probe_success 0"]);
    assert!(probed.text().contains("stage=\"proxy\""), "{}", probed.text());
}

#[tokio::test]
async fn a_silent_proxy_times_out_in_the_proxy_stage() {
    for scheme in ["http", "https", "socks5"] {
        let silent = crate::fixtures::tcp::tcp().start().await;
        let keys = format!("proxy_url: '{scheme}://{}'", silent.address);
        let probed = probe(&short_module(&keys), "https://127.0.0.1:1/").await;
        probed.expect(&["probe_success 0", &failed("proxy", "timeout")]);
        let overhead = probed.value("probe_overhead_seconds");
        assert!(overhead < 1.5, "{scheme}: {overhead}");
    }
}

#[tokio::test]
async fn the_delay_of_the_proxy_is_in_the_tunnel_phase() {
    const TAKEN: Duration = Duration::from_secs(2);
    let context = pki(leaf("127.0.0.1")).server().context();
    let server = http([ok("fine")]).over_tls(context).start().await;
    for scheme in ["http", "socks5"] {
        let proxy = proxy().slow(TAKEN).start().await;
        let keys = format!("{INSECURE}, {}", through(scheme, &proxy));
        let probed = probe(&module(&keys), format!("https://{}", server.address)).await;
        probed.expect(&["probe_success 1"]);
        let taken = TAKEN.as_secs_f64();
        assert!(probed.value(&proxy_phase("tunnel")) >= taken, "{}", probed.text());
        for name in ["connect", "tls", "processing"] {
            assert!(probed.value(&phase(name)) < taken, "{name}:\n{}", probed.text());
        }
        adds_up(&probed);
    }
}

/// Asserts that phases and overhead of a probe over TLS through a tunnel add up to its duration.
fn adds_up(probed: &Probed) {
    let phases = ["resolve", "connect", "tls", "processing", "transfer"].map(phase);
    let all = phases.into_iter().chain(["resolve", "tunnel"].map(proxy_phase));
    let accounted: f64 = all.map(|name| probed.value(&name)).sum();
    let overhead = probed.value("probe_overhead_seconds");
    let missing = probed.value("probe_duration_seconds") - accounted - overhead;
    assert!(missing.abs() < 1e-6, "{missing} s are missing in\n{}", probed.text());
}

#[tokio::test]
async fn both_families_of_a_proxy_are_looked_up_concurrently() {
    const TAKEN: Duration = Duration::from_secs(1);
    let context = pki(leaf("127.0.0.1")).server().context();
    let server = http([ok("fine")]).over_tls(context).start().await;
    let proxy = proxy().start().await;
    let names = without_ipv6(TAKEN).await;
    let keys = format!("{INSECURE}, proxy_url: 'http://proxy.example:{}'", proxy.address.port());
    let resolver = Resolver::of_servers(vec![names.address]);
    let target = format!("https://{}", server.address);
    let probed = probe_by(resolver, &module(&keys), target, "").await;
    probed.expect(&["probe_success 1"]);
    let taken = TAKEN.as_secs_f64();
    let lookup = probed.value(&proxy_phase("resolve"));
    assert!((taken..1.8 * taken).contains(&lookup), "{}", probed.text());
    assert!(probed.value("probe_overhead_seconds") < taken / 2.0, "{}", probed.text());
    adds_up(&probed);
}

#[test]
fn the_proxy_is_read_from_the_environment() {
    // The name `localhost` also resolves to `::1`.
    let (server, _closed) = loop {
        let server = RUNTIME.block_on(http([ok("fine")]).start());
        if let Some(closed) = closed(Type::STREAM, over_ipv6(server.address)) {
            break (server, closed);
        }
    };
    let (plain, secure) = RUNTIME.block_on(async {
        let plain = proxy().leading_to(server.address).start().await;
        (plain, proxy().answering("HTTP/1.1 403 No\r\n\r\n").start().await)
    });
    let yaml = "modules: {it: {prober: http, timeout: 5s, http: {proxy_from_environment: true, \
                skip_resolve_phase_with_proxy: true}}}";
    let environment = [
        ("HTTP_PROXY", plain.address.to_string()),
        ("https_proxy", format!("http://u:p@{}", secure.address)),
        ("NO_PROXY", "direct..invalid".to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let exporter = Running::start_in(&environment, yaml, &[]);
    exporter.probe("it", "http://named.invalid/").metrics().expect(&["probe_success 1"]);
    let denied = failed("proxy", "proxy_denied");
    exporter.probe("it", "https://named.invalid/").metrics().expect(&[&denied]);
    exporter.probe("it", "http://direct..invalid/").metrics().expect(&["probe_success 0"]);
    let local = format!("http://localhost:{}/", server.address.port());
    exporter.probe("it", &local).metrics().expect(&["probe_success 1"]);
    let asked = plain.asked();
    assert!(asked.len() == 1 && asked[0].starts_with("GET http://named.invalid/ "), "{asked:?}");
    assert!(secure.asked()[0].contains("Proxy-Authorization: Basic dTpw\r\n"));
}
