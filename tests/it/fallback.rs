//! Certificates that BoringSSL rejects itself: the probe restarts with the fallback engine.

use futures_util::future::join_all;
use probe_exporter::diagnostics::Reason;

use crate::{
    fixtures::{
        http::{http, ok},
        tls::{Key, leaf, pki},
    },
    probing::{failed, probe},
};

/// The name that servers are asked for. The process remembers such a server by its address and name,
/// and another test may get the same port later.
const HOST: &str = "fallback.test";

/// Modules over TLS, and their targets. `TLS` stands for the keys that trust the server, `PORT` for
/// its port.
const ROWS: [(&str, &str); 6] = [
    ("tcp: {tls: true, query_response: [{expect: hello}], TLS}", "127.0.0.1:PORT"),
    ("tcp: {query_response: [{starttls: true}, {expect: hello}], TLS}", "127.0.0.1:PORT"),
    ("http: {TLS}", "https://127.0.0.1:PORT/"),
    ("grpc: {tls: true, TLS}", "127.0.0.1:PORT"),
    ("websocket: {http_config: {TLS}}", "wss://127.0.0.1:PORT/"),
    (
        "dns: {query_name: a.test, transport_protocol: tcp, dns_over_tls: true, TLS}",
        "127.0.0.1:PORT",
    ),
];

#[tokio::test]
async fn every_prober_accepts_a_key_usage_without_digital_signature() {
    let rows = ROWS.into_iter().flat_map(|row| [(row, true), (row, false)]);
    join_all(rows.map(|((module, target), verified)| overlook(module, target, verified))).await;
}

async fn overlook(module: &str, target: &str, verified: bool) {
    let leaf = leaf(HOST).key(Key::Rsa(2048));
    let pki = pki(leaf.extension("keyUsage", "critical,keyEncipherment"));
    let server = pki.server().alpn(b"\x02h2\x08http/1.1").start().await;
    let trust = if verified {
        format!("ca: \"{}\"", pki.root.pem().replace('\n', "\\n"))
    } else {
        "insecure_skip_verify: true".to_owned()
    };
    let (kind, _) = module.split_once(':').unwrap();
    let module = module.replace("TLS", &format!("tls_config: {{server_name: {HOST}, {trust}}}"));
    let module = format!("{{prober: {kind}, timeout: 10s, {module}}}");
    let target = target.replace("PORT", &server.address.port().to_string());
    // The server is cached, so the second probe makes one connection.
    for handshakes in [1, 2] {
        let probed = probe(&module, &target).await;
        let result = if verified { "ok" } else { "unknown_authority" };
        probed.expect(&[
            "probe_ssl_earliest_cert_expiry",
            &format!("probe_ssl_verify_info{{result=\"{result}\"}} 1"),
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        ]);
        assert_eq!(server.asked_for().len(), handshakes, "{module}");
    }
}

#[tokio::test]
async fn an_http_probe_over_the_fallback_engine_exports_all_metrics() {
    for alpn in [&b"\x02h2"[..], b"\x08http/1.1"] {
        let pki =
            pki(leaf(HOST).key(Key::Rsa(2048)).extension("keyUsage", "critical,keyEncipherment"));
        let server = http([ok("hello"), ok("hello")]);
        let server = server.over_tls(pki.server().alpn(alpn).context()).start().await;
        let ca = pki.root.pem().replace('\n', "\\n");
        let module = format!(
            "{{prober: http, http: {{tls_config: {{server_name: {HOST}, ca: \"{ca}\"}}, \
             fail_if_body_not_matches_regexp: [hello]}}}}"
        );
        for _ in 0..2 {
            let probed = probe(&module, format!("https://{}/", server.address)).await;
            probed.expect(&[
                "probe_success 1",
                "probe_http_ssl 1",
                "probe_ssl_verify_info{result=\"ok\"} 1",
                "probe_ssl_last_chain_expiry_timestamp_seconds",
                "probe_http_content_length 5",
            ]);
        }
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn certificate_errors_are_reported_over_the_fallback_engine() {
    let leaf = leaf("other.test").key(Key::Rsa(2048)).expired();
    let pki = pki(leaf.extension("keyUsage", "critical,keyEncipherment"));
    let server = pki.server().start().await;
    let ca = pki.root.pem().replace('\n', "\\n");
    let module = format!(
        "{{prober: tcp, tcp: {{tls: true, tls_config: {{server_name: {HOST}, ca: \"{ca}\"}}}}}}"
    );
    let probed = probe(&module, server.address).await;
    probed.expect(&[
        &failed("tls", Reason::CertificateExpired.label()),
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_verify_info{result=\"expired\"} 1",
    ]);
}
