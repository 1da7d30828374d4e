//! HTTP over TLS, and HTTP/2.

use std::time::Duration;

use tempfile::NamedTempFile;

use super::{module, phase};
use crate::{
    fixtures::{
        http::{HttpServer, RunningHttpServer, http, ok, raw, redirect, status},
        tls::{Pki, leaf, pki},
    },
    probing::{Probed, failed, probe, probe_with},
};

const BOTH: &[u8] = b"\x02h2\x08http/1.1";

/// A chain for `localhost` and `127.0.0.1`, and a file with its root.
fn authorities() -> (Pki, NamedTempFile) {
    let pki = pki(leaf("localhost").also("IP:127.0.0.1"));
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pki.root.pem()).unwrap();
    (pki, file)
}

/// Starts a server over TLS; returns the key that trusts it, too.
async fn secured(server: HttpServer, more: &str) -> (RunningHttpServer, NamedTempFile, String) {
    let (pki, file) = authorities();
    let server = server.over_tls(pki.server().alpn(BOTH).context()).start().await;
    let key = format!("tls_config: {{ca_file: {}{more}}}", file.path().display());
    (server, file, key)
}

async fn probe_secured(keys: &str, server: HttpServer) -> (Probed, RunningHttpServer) {
    let (server, _file, tls) = secured(server, "").await;
    let target = format!("https://{}/x?y", server.address);
    (probe(&module(&format!("{tls}, {keys}")), target).await, server)
}

#[tokio::test]
async fn http2_is_used_if_it_is_negotiated() {
    let keys = "headers: {X-One: '1', Host: 'localhost:99', Connection: keep-alive}";
    let (probed, server) = probe_secured(keys, http([ok("hello")])).await;
    probed.expect(&[
        "probe_success 1",
        "probe_http_version 2",
        "probe_http_ssl 1",
        "probe_http_content_length 5",
        "probe_http_uncompressed_body_length 5",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_ssl_earliest_cert_expiry",
    ]);
    let asked = &server.asked()[0];
    // The server name is that of the Host header, without its port.
    assert_eq!(asked.server_name.as_deref(), Some("localhost"));
    assert_eq!(asked.line(), "GET https://localhost:99/x?y");
    assert_eq!(asked.header("X-One"), "1");
    assert_eq!(asked.header("Connection"), "");
    assert_eq!(asked.header("Host"), "");
}

#[tokio::test]
async fn http2_can_be_disabled() {
    let (probed, server) = probe_secured("enable_http2: false", http([ok("hello")])).await;
    probed.expect(&["probe_success 1", "probe_http_version 1.1"]);
    assert_eq!(server.asked()[0].header("Connection"), "close");
}

#[tokio::test]
async fn http2_is_not_offered_with_an_upgrade_header() {
    let upgrade = |connection, protocol| {
        format!("headers: {{Connection: '{connection}', Upgrade: '{protocol}'}}")
    };
    for (keys, version) in [
        (upgrade("Upgrade", "websocket"), "1.1"),
        (upgrade("keep-alive, upgrade", "WebSocket"), "1.1"),
        (upgrade("Upgrade", "h2c"), "1.1"),
        (
            "headers: {Connection: Upgrade}, http_headers: {Upgrade: {secrets: [websocket]}}"
                .to_owned(),
            "1.1",
        ),
        (upgrade("keep-alive", "websocket"), "2"),
        (upgrade("Upgrade", ""), "2"),
        ("headers: {Upgrade: websocket}".to_owned(), "2"),
    ] {
        // The redirect uses the same version.
        let (probed, server) = probe_secured(&keys, http([redirect("/y"), ok("hello")])).await;
        let version_shown = format!("probe_http_version {version}");
        probed.expect(&["probe_success 1", "probe_http_redirects 1", &version_shown]);
        for asked in server.asked() {
            let is_asked = !asked.header("Upgrade").is_empty();
            assert_eq!(is_asked, version == "1.1", "{keys}: {}", asked.head);
        }
    }
}

#[tokio::test]
async fn bodies_are_sent_and_received_over_http2() {
    let text = "x".repeat(300_000);
    let (probed, server) = probe_secured("method: POST, body: a=1", http([ok(&text)])).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 300000"]);
    assert_eq!(server.asked()[0].body, b"a=1");
    assert_eq!(server.asked()[0].header("Content-Length"), "3");
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    let keys = format!("method: POST, body_file: {}", file.path().display());
    let (probed, server) = probe_secured(&keys, http([ok("hello")])).await;
    probed.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].body, text.as_bytes());
    let (probed, _server) = probe_secured("method: HEAD", http([ok("hello")])).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 0"]);
    let (probed, _server) = probe_secured("", http([status(204)])).await;
    probed.expect(&["probe_success 1", "probe_http_content_length 0"]);
}

#[tokio::test]
async fn the_delay_of_the_server_is_processing_over_both_versions() {
    const DELAY: Duration = Duration::from_millis(100);
    let http1 = raw("").wait(DELAY).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    for (keys, answer) in [("enable_http2: false", http1), ("", ok("ok").wait(DELAY))] {
        let (probed, _server) = probe_secured(keys, http([answer])).await;
        probed.expect(&["probe_success 1"]);
        // Session tickets of TLS 1.3 and SETTINGS of HTTP/2 arrive before the response.
        let processing = probed.value(&phase("processing"));
        assert!(processing >= DELAY.as_secs_f64(), "{keys}: {processing}");
        assert!(probed.value(&phase("tls")) > 0.0);
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_fails_over_http2_too() {
    let answer = ok("").header("X-Long", "a".repeat(700_000));
    let (probed, server) = probe_secured("", http([answer])).await;
    probed.expect(&[
        "probe_success 0",
        "probe_http_status_code 0",
        "probe_ssl_earliest_cert_expiry",
    ]);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_untrusted_certificate_is_exported() {
    let (server, _file, _) = secured(http([ok("hello")]), "").await;
    let probed = probe(&module(""), format!("https://{}/", server.address)).await;
    probed.expect(&[
        &failed("tls", "certificate_unknown_authority"),
        "probe_http_ssl 0",
        "probe_ssl_earliest_cert_expiry",
    ]);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn tls_metrics_describe_the_last_connection() {
    let plain = http([ok("plain")]).start().await;
    let (probed, _server) =
        probe_secured("", http([redirect(format!("http://{}/", plain.address))])).await;
    probed.expect(&["probe_success 1", "probe_http_ssl 0", "!probe_ssl_earliest_cert_expiry"]);
    assert_eq!(plain.asked()[0].header("Referer"), "", "not from https to http");

    let (server, _file, tls) = secured(http([ok("secure")]), "").await;
    let plain = http([redirect(format!("https://{}/", server.address))]).start().await;
    let keys = format!("fail_if_not_ssl: true, {tls}");
    let probed = probe(&module(&keys), plain.address).await;
    probed.expect(&["probe_success 1", "probe_http_ssl 1", "probe_ssl_earliest_cert_expiry"]);
}

#[tokio::test]
async fn a_configured_server_name_applies_to_the_target_only() {
    for (target, asked_for) in
        [("127.0.0.1", Some("localhost".to_owned())), ("localhost", Some("localhost".to_owned()))]
    {
        let (server, _file, tls) = secured(http([ok("")]), ", server_name: localhost").await;
        // The most common redirect: to the same host over TLS.
        let port = server.address.port();
        let plain = http([redirect(format!("https://{target}:{port}/"))]).start().await;
        let target = format!("http://{target}:{}/", plain.address.port());
        probe(&module(&tls), target).await.expect(&["probe_success 1"]);
        assert_eq!(server.asked()[0].server_name, asked_for);
    }
    let (server, _file, tls) = secured(http([ok("")]), ", server_name: other.example").await;
    let plain = http([redirect(format!("https://localhost:{}/", server.address.port()))]);
    let plain = plain.start().await;
    probe(&module(&tls), plain.address).await.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].server_name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn w13_the_hostname_of_the_request_is_the_server_name_without_its_port() {
    let (server, _file, tls) = secured(http([ok("")]), "").await;
    let target = format!("https://{}/", server.address);
    let probed = probe_with(&module(&tls), &target, "&hostname=localhost:1").await;
    probed.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].server_name.as_deref(), Some("localhost"));
    let probed = probe_with(&module(&tls), &target, "&hostname=other.example").await;
    probed.expect(&[&failed("tls", "certificate_wrong_host")]);
}

#[tokio::test]
async fn unreadable_tls_files_fail_the_probe_without_tls_too() {
    let server = http([ok("")]).start().await;
    let keys = "tls_config: {ca_file: /nonexistent/ca.pem}";
    let probed = probe(&module(keys), server.address).await;
    probed.expect(&[
        "probe_success 0",
        "probe_ip_protocol 4",
        "!probe_http_duration_seconds{phase=\"connect\"}",
    ]);
    assert!(server.asked().is_empty());
}
