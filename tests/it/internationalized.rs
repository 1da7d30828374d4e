//! Internationalized names: DNS, TLS and HTTP use their ASCII form, in every prober.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use probe_exporter::net::resolve::Resolver;

use crate::{
    fixtures::{
        http::{http, ok, redirect},
        names::without_ipv6,
        tls::{leaf, pki},
    },
    probing::{failed, probe, probe_by},
};

const MUNICH: &str = "xn--mnchen-3ya.test";
const STREET: &str = "xn--strae-oqa.test";

/// Modules and targets with a non-ASCII name, and the server name (SNI) that the server receives.
/// `TLS` stands for the keys that trust it, `NAME` for a `server_name`, `HELLO` for a dialogue that
/// waits for the greeting, `PORT` for its port.
const ROWS: [(&str, &str, &str); 20] = [
    ("http: {TLS}", "https://m\u{fc}nchen.test:PORT/", MUNICH),
    ("http: {TLS}", "https://M\u{dc}NCHEN.Test:PORT/", MUNICH),
    ("http: {TLS}", "https://mu\u{308}nchen.test:PORT/", MUNICH),
    ("http: {TLS}", "https://m\u{fc}nchen.test.:PORT/", MUNICH),
    ("http: {TLS}", "https://m\u{fc}nchen\u{3002}test:PORT/", MUNICH),
    ("http: {TLS}", "https://m%25C3%25BCnchen.test:PORT/", MUNICH),
    ("http: {TLS}", "https://stra\u{df}e.test:PORT/", STREET),
    ("http: {TLS}", "https://xn--mnchen-3ya.test:PORT/", MUNICH),
    ("http: {TLS, headers: {Host: m\u{fc}nchen.test}}", "https://127.0.0.1:PORT/", MUNICH),
    ("http: {TLS}", "https://127.0.0.1:PORT/&hostname=m\u{fc}nchen.test", MUNICH),
    ("http: {TLS, NAME}", "https://127.0.0.1:PORT/", MUNICH),
    ("tcp: {tls: true, HELLO, TLS}", "m\u{fc}nchen.test:PORT", MUNICH),
    ("tcp: {tls: true, HELLO, TLS}", "m\u{fc}nchen.test.:PORT", MUNICH),
    ("tcp: {tls: true, HELLO, TLS, NAME}", "127.0.0.1:PORT", MUNICH),
    ("tcp: {tls: true, HELLO, TLS}", "127.0.0.1:PORT&hostname=M\u{fc}nchen.test", MUNICH),
    (
        "tcp: {query_response: [{starttls: true}, {expect: hello}], TLS}",
        "m\u{fc}nchen.test:PORT",
        MUNICH,
    ),
    ("grpc: {tls: true, TLS}", "m\u{fc}nchen.test:PORT", MUNICH),
    ("grpc: {tls: true, TLS, NAME}", "127.0.0.1:PORT", MUNICH),
    ("websocket: {http_config: {TLS}}", "wss://m\u{fc}nchen.test:PORT/", MUNICH),
    (
        "dns: {query_name: a.test, transport_protocol: tcp, dns_over_tls: true, TLS}",
        "m\u{fc}nchen.test:PORT",
        MUNICH,
    ),
];

#[tokio::test]
async fn dns_sni_and_verification_use_the_ascii_form_of_a_name() {
    let names = without_ipv6(Duration::ZERO).await;
    join_all(ROWS.map(|row| ask(row, names.address))).await;
}

async fn ask((module, target, expected): (&str, &str, &str), names: SocketAddr) {
    let pki = pki(leaf(MUNICH).also(&format!("DNS:{STREET}")));
    let server = pki.server().alpn(b"\x02h2\x08http/1.1").start().await;
    let ca = pki.root.pem().replace('\n', "\\n");
    let own_name = if module.contains("NAME") { "server_name: m\u{fc}nchen.test," } else { "" };
    let keys = format!("tls_config: {{{own_name} ca: \"{ca}\"}}");
    let (kind, _) = module.split_once(':').unwrap();
    let hello = "query_response: [{expect: hello}]";
    let module = module.replace("HELLO", hello).replace(", NAME", "").replace("TLS", &keys);
    let module = format!("{{prober: {kind}, timeout: 10s, {module}}}");
    let target = target.replace("PORT", &server.address.port().to_string());
    let resolver = Resolver::of_servers(vec![names]);
    let probed = probe_by(resolver, &module, &target, "").await;
    probed.expect(&["probe_ssl_verify_info{result=\"ok\"} 1"]);
    assert_eq!(server.asked_for(), [Some(expected.to_owned())], "{module}, {target}");
}

#[tokio::test]
async fn a_redirect_may_name_an_internationalized_host() {
    let names = without_ipv6(Duration::ZERO).await;
    let pki = pki(leaf(MUNICH));
    let server = http([ok("")]).over_tls(pki.server().context()).start().await;
    let port = server.address.port();
    let plain = http([redirect(format!("https://m\u{fc}nchen.test:{port}/"))]).start().await;
    let ca = pki.root.pem().replace('\n', "\\n");
    let module = format!("{{prober: http, http: {{tls_config: {{ca: \"{ca}\"}}}}}}");
    let resolver = || Resolver::of_servers(vec![names.address]);
    let probed = probe_by(resolver(), &module, plain.address, "").await;
    probed.expect(&["probe_success 1", "probe_http_redirects 1"]);
    let asked = &server.asked()[0];
    assert_eq!(asked.server_name.as_deref(), Some(MUNICH));
    assert_eq!(asked.header("Host"), format!("{MUNICH}:{port}"));

    // Both notations are the same host, so the credentials are sent again.
    let port = plain.address.port();
    let again = http([redirect(format!("http://{MUNICH}:{port}/")), ok("")]).start().await;
    let target = format!("http://m\u{fc}nchen.test:{}/", again.address.port());
    let module = "{prober: http, http: {basic_auth: {username: u, password: p}}}";
    probe_by(resolver(), module, target, "").await;
    assert!(plain.asked().last().unwrap().header("Authorization").starts_with("Basic "));
}

#[tokio::test]
async fn a_name_without_an_ascii_form_is_rejected() {
    for (module, target, stage, reason) in [
        ("{prober: http}", "https://a\u{2100}.test/", "target", "invalid_target"),
        ("{prober: websocket}", "wss://a\u{ff0f}b.test/", "target", "invalid_target"),
        ("{prober: grpc}", "a\u{ff0f}b.test", "target", "invalid_target"),
    ] {
        let probed = probe(module, target).await;
        probed.expect(&[&failed(stage, reason)]);
        assert!(probed.failure().contains("internationalised host name"), "{}", probed.failure());
    }
}
