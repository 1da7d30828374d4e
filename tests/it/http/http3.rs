//! HTTP/3.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tempfile::NamedTempFile;

use super::{module, phase, short_module};
use crate::{
    fixtures::{
        http::{Answer, http, ok, redirect, status},
        http3::{
            DATA, HEADERS, Http3Server, REQUEST, RunningHttp3Server, STATUS_103, STATUS_200, frame,
            http3, scripted,
        },
        ports::closed_port,
        quic::{quic, socket},
        tls::{Pki, TlsServer, leaf, pki},
    },
    harness::eventually,
    probing::{Probed, failed, probe, probe_with},
};

const HTTP3: &str = "enable_http3: true, enable_http2: false";

/// A chain for `localhost` and `127.0.0.1`, and a file with its root.
fn authorities() -> (Pki, NamedTempFile) {
    let pki = pki(leaf("localhost").also("IP:127.0.0.1"));
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pki.root.pem()).unwrap();
    (pki, file)
}

/// Returns the keys of a module that trusts the root in the file.
fn trusting(file: &NamedTempFile, more: &str) -> String {
    format!("{HTTP3}, tls_config: {{ca_file: {}{more}}}", file.path().display())
}

/// Probes a trusted server with more keys.
async fn probe_http3(keys: &str, server: Http3Server) -> (Probed, RunningHttp3Server) {
    let (pki, file) = authorities();
    let server = server.start(pki.server().builder());
    let keys = format!("{}, {keys}", trusting(&file, ""));
    let probed = probe(&module(&keys), format!("https://{}/x?y", server.address)).await;
    (probed, server)
}

#[tokio::test]
async fn requests_and_responses_are_the_same_as_over_http2() {
    let keys = "headers: {X-One: '1', Host: 'localhost:99', Connection: keep-alive}, \
                http_headers: {X-Two: {values: [a, b]}}, basic_auth: {username: u, password: p}";
    let answer = ok("hello").header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    let (probed, server) = probe_http3(keys, http3([answer])).await;
    probed.expect(&[
        "probe_success 1",
        "probe_http_version 3",
        "probe_http_ssl 1",
        "probe_http_status_code 200",
        "probe_http_content_length 5",
        "probe_http_uncompressed_body_length 5",
        "probe_http_last_modified_timestamp_seconds 7.84111777e+08",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_tls_cipher_info{cipher=\"TLS_AES_128_GCM_SHA256\"} 1",
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_last_chain_expiry_timestamp_seconds",
        "probe_ssl_verify_info{result=\"ok\"} 1",
        "probe_http_duration_seconds{phase=\"connect\"} 0",
        "!probe_tcp_rtt_seconds",
    ]);
    let asked = &server.asked()[0];
    assert_eq!(asked.server_name.as_deref(), Some("localhost"));
    assert_eq!(asked.line(), "GET https://localhost:99/x?y");
    assert!(asked.header("User-Agent").starts_with("Blackbox-Exporter/"), "{}", asked.head);
    let headers = ["X-One", "X-Two", "Authorization", "Connection", "Host", "Accept-Encoding"];
    let found = headers.map(|name| asked.header(name));
    assert_eq!(found, ["1", "a|b", "Basic dTpw", "", "", ""]);
}

#[tokio::test]
async fn bodies_are_sent_and_received() {
    let text = "x".repeat(300_000);
    let (probed, server) = probe_http3("method: POST, body: a=1", http3([ok(&text)])).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 300000"]);
    assert_eq!(server.asked()[0].body, b"a=1");
    assert_eq!(server.asked()[0].header("Content-Length"), "3");
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.repeat(5)).unwrap();
    let keys = format!("method: POST, body_file: {}", file.path().display());
    let (probed, server) = probe_http3(&keys, http3([ok("hello")])).await;
    probed.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].body, text.repeat(5).as_bytes());
    let (probed, _server) = probe_http3("method: HEAD", http3([ok("hello")])).await;
    probed.expect(&[
        "probe_success 1",
        "probe_http_content_length 5",
        "probe_http_uncompressed_body_length 0",
    ]);
    let (probed, _server) = probe_http3("", http3([status(204)])).await;
    probed.expect(&["probe_success 1", "probe_http_content_length 0"]);
}

#[tokio::test]
async fn checks_limits_and_compression_apply_to_http3() {
    for (keys, expected) in [
        ("fail_if_body_not_matches_regexp: [hello]", "probe_success 1".to_owned()),
        ("fail_if_body_matches_regexp: [hello]", failed("check", "body")),
        ("fail_if_header_matches: [{header: X-One, regexp: '1'}]", failed("check", "header")),
        ("body_size_limit: 3B", failed("response", "too_large")),
        ("compression: gzip", failed("response", "decompression")),
        ("valid_status_codes: [404]", failed("check", "status")),
        ("valid_http_versions: [HTTP/3.0]", "probe_success 1".to_owned()),
        ("valid_http_versions: [HTTP/1.0]", failed("check", "version")),
        ("fail_if_ssl: true", failed("check", "tls_presence")),
        ("fail_if_not_ssl: true", "probe_success 1".to_owned()),
    ] {
        let (probed, _server) = probe_http3(keys, http3([ok("hello").header("X-One", "1")])).await;
        probed.expect(&[&expected, "probe_http_version 3"]);
    }
}

/// Weak point W4 of blackbox_exporter: HTTP/3 ignores the chosen address and the keys for
/// credentials and headers, decompresses twice, and sends every host the server name of the first.
#[tokio::test]
async fn w4_http3_goes_to_the_chosen_address_and_honours_every_key() {
    // The name also resolves to ::1, where nobody listens.
    let (pki, file) = authorities();
    let server = http3([ok("hello")]).start(pki.server().builder());
    let target = format!("localhost:{}/", server.address.port());
    let keys = trusting(&file, "");
    let probed = probe(&module(&keys), format!("https://{target}")).await;
    probed.expect(&["probe_success 1", "probe_ip_protocol 4"]);
    // The target may have no scheme.
    probe(&module(&keys), &target).await.expect(&["probe_success 1", "probe_http_version 3"]);
    assert_eq!(server.asked()[1].server_name.as_deref(), Some("localhost"));

    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, b"hello, packed").unwrap();
    let packed = ok(gzip.finish().unwrap()).header("Content-Encoding", "gzip");
    let keys = "compression: gzip, headers: {Accept-Encoding: gzip}, \
                fail_if_body_not_matches_regexp: [packed]";
    let (probed, server) = probe_http3(keys, http3([packed])).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 13"]);
    assert_eq!(server.asked()[0].header("Accept-Encoding"), "gzip");
    for (keys, value) in [
        ("authorization: {credentials: c}", "Bearer c"),
        ("basic_auth: {username: u, password: p}", "Basic dTpw"),
        ("http_headers: {X-Two: {values: [b]}}, headers: {Authorization: own}", "own"),
    ] {
        let (probed, server) = probe_http3(keys, http3([ok("")])).await;
        probed.expect(&["probe_success 1"]);
        assert_eq!(server.asked()[0].header("Authorization"), value, "{keys}");
    }

    let token = ok(r#"{"access_token": "t", "token_type": "bearer"}"#);
    let tokens = http([token.header("Content-Type", "application/json")]).start().await;
    let keys = format!(
        "oauth2: {{client_id: c, client_secret: s, token_url: 'http://{}/'}}",
        tokens.address
    );
    let (probed, server) = probe_http3(&keys, http3([ok("")])).await;
    probed.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].header("Authorization"), "Bearer t");

    // Each host of a redirect gets its own server name.
    let (pki, file) = authorities();
    let second = http3([ok("there")]).start(pki.server().builder());
    let there = format!("https://localhost:{}/", second.address.port());
    let first = http3([redirect(there)]).start(pki.server().builder());
    let probed = probe(&module(&trusting(&file, "")), format!("https://{}/", first.address)).await;
    probed.expect(&["probe_success 1", "probe_http_redirects 1"]);
    assert_eq!(first.asked()[0].server_name, None);
    assert_eq!(second.asked()[0].server_name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn redirects_keep_cookies_and_credentials_with_the_name() {
    let (pki, file) = authorities();
    let second = http3([ok("fine")]).start(pki.server().builder());
    for (host, kept) in [("127.0.0.1", true), ("localhost", false)] {
        let location = format!("https://{host}:{}/", second.address.port());
        let first = redirect(location).header("Set-Cookie", "c=2; Path=/");
        let first = http3([first]).start(pki.server().builder());
        let keys = "basic_auth: {username: user, password: secret}";
        let keys = format!("{}, {keys}", trusting(&file, ""));
        let probed = probe(&module(&keys), format!("https://{}/", first.address)).await;
        probed.expect(&["probe_success 1", "probe_http_redirects 1"]);
        let asked = second.asked().pop().unwrap();
        let found = (asked.header("Authorization"), asked.header("Cookie"));
        let expected = if kept { ("Basic dXNlcjpzZWNyZXQ=", "c=2") } else { ("", "") };
        assert_eq!((found.0.as_str(), found.1.as_str()), expected, "{host}");
    }
}

#[tokio::test]
async fn a_redirect_from_http3_to_plaintext_is_refused() {
    let plain = http([ok("plain")]).start().await;
    let location = format!("http://{}/", plain.address);
    let (probed, _server) = probe_http3("", http3([redirect(location)])).await;
    probed.expect(&[
        &failed("response", "invalid_redirect"),
        "probe_http_redirects 1",
        "probe_http_status_code 0",
    ]);
    assert!(plain.asked().is_empty());
    let (pki, file) = authorities();
    let server = http3([ok("hello")]).start(pki.server().builder());
    let probed = probe(&module(&trusting(&file, "")), format!("http://{}/", server.address)).await;
    probed.expect(&["probe_success 1", "probe_http_ssl 1"]);
}

#[tokio::test]
async fn certificates_are_verified_as_over_tcp() {
    let (good, file) = authorities();
    let other = pki(leaf("other.example"));
    let expired = leaf("127.0.0.1").expired().signed_by(&good.intermediate);
    let expired = super::super::fixtures::tls::server(&expired).chain(&[&good.intermediate]);
    for (tls, root, reason) in [
        (other.server(), &other, "certificate_wrong_host"),
        (expired, &good, "certificate_expired"),
        (good.server(), &other, "certificate_unknown_authority"),
    ] {
        std::fs::write(file.path(), root.root.pem()).unwrap();
        let server = http3([ok("hello")]).start(tls.builder());
        let target = format!("https://{}/", server.address);
        let keys = trusting(&file, "");
        let probed = probe(&module(&keys), &target).await;
        probed.expect(&[
            &failed("tls", reason),
            "probe_ssl_earliest_cert_expiry",
            "probe_http_ssl 0",
            "!probe_tls_version_info",
        ]);
        assert!(server.asked().is_empty(), "{reason}: nothing is asked of it");
        let lenient = format!("{HTTP3}, tls_config: {{insecure_skip_verify: true}}");
        probe(&module(&lenient), &target).await.expect(&[
            "probe_success 1",
            "probe_tls_version_info{version=\"TLS 1.3\"} 1",
            "!probe_ssl_last_chain_expiry_timestamp_seconds",
        ]);
    }
}

#[tokio::test]
async fn client_certificates_are_sent_and_their_absence_is_reported() {
    let (pki, file) = authorities();
    let demanding = |pki: &Pki| -> TlsServer { pki.server().demand_client_certificate(&pki.root) };
    let server = http3([ok("hello")]).start(demanding(&pki).builder());
    let target = format!("https://{}/", server.address);
    let (certificate, key) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
    let client = leaf("client.example").signed_by(&pki.root);
    std::fs::write(certificate.path(), client.pem()).unwrap();
    std::fs::write(key.path(), client.key_pem()).unwrap();
    let with = format!(
        ", cert_file: {}, key_file: {}",
        certificate.path().display(),
        key.path().display()
    );
    probe(&module(&trusting(&file, &with)), &target).await.expect(&["probe_success 1"]);
    let probed = probe(&module(&trusting(&file, "")), &target).await;
    probed.expect(&[&failed("tls", "client_certificate_required")]);
}

#[tokio::test]
async fn the_hostname_of_the_request_is_the_server_name() {
    let (pki, file) = authorities();
    let server = http3([ok("")]).start(pki.server().builder());
    let target = format!("https://{}/", server.address);
    let module = module(&trusting(&file, ""));
    let probed = probe_with(&module, &target, "&hostname=localhost:1").await;
    probed.expect(&["probe_success 1"]);
    assert_eq!(server.asked()[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(server.asked()[0].line(), "GET https://localhost:1/");
    let probed = probe_with(&module, &target, "&hostname=other.example").await;
    probed.expect(&[&failed("tls", "certificate_wrong_host")]);
}

#[tokio::test]
async fn a_retry_packet_is_answered() {
    let (probed, server) = probe_http3("", http3([ok("hello")]).retry()).await;
    probed.expect(&["probe_success 1", "probe_http_version 3"]);
    assert!(probed.value(&phase("tls")) > 0.0);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_closed_port_is_reported_at_once() {
    let closed = closed_port();
    let probed = probe(&module(HTTP3), format!("https://{}/", closed.address)).await;
    probed.expect(&[
        &failed("connect", "refused"),
        "probe_ip_protocol 4",
        "probe_http_duration_seconds{phase=\"tls\"} 0",
        "!probe_ssl_earliest_cert_expiry",
    ]);
    assert!(probed.value("probe_duration_seconds") < 5.0);
}

#[tokio::test]
async fn a_silent_port_is_a_timeout_in_the_connect_stage() {
    let (address, _silent) = socket();
    let probed = probe(&short_module(HTTP3), format!("https://{address}/")).await;
    probed.expect(&[&failed("connect", "timeout"), "probe_http_duration_seconds{phase=\"tls\"} 0"]);
    assert!(probed.value("probe_overhead_seconds") < 1.5);
}

#[tokio::test]
async fn the_delay_of_the_server_is_processing_and_that_of_the_body_is_transfer() {
    const DELAY: Duration = Duration::from_millis(100);
    let answer: Answer = ok("ok").wait(DELAY);
    let (probed, _server) = probe_http3("", http3([answer])).await;
    probed.expect(&["probe_success 1"]);
    assert!(probed.value(&phase("processing")) >= DELAY.as_secs_f64());
    let phases = ["resolve", "connect", "tls", "processing", "transfer"];
    let all: f64 = phases.map(|name| probed.value(&phase(name))).iter().sum();
    assert!(all <= probed.value("probe_duration_seconds"));

    // An interim response, then the head, then the body, each this much time after the last.
    let (pki, file) = authorities();
    let sent = Arc::new(Mutex::new((0, Instant::now())));
    let server = scripted(quic(pki.server().builder()), move |connection, _| {
        let mut sent = sent.lock().unwrap();
        let (count, at) = *sent;
        let (bytes, ends) = match count {
            0 => (frame(HEADERS, STATUS_103), false),
            1 if at.elapsed() >= DELAY => (frame(HEADERS, STATUS_200), false),
            2 if at.elapsed() >= DELAY => (frame(DATA, b"ok"), true),
            _ => return,
        };
        connection.stream_send(REQUEST, &bytes, ends).unwrap();
        *sent = (count + 1, Instant::now());
    });
    let target = format!("https://{}/", server.server.address);
    let probed = probe(&module(&trusting(&file, "")), target).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 2"]);
    for name in ["processing", "transfer"] {
        let time = probed.value(&phase(name));
        // The packet with the headers may take longer than that with the body.
        assert!(time >= 0.9 * DELAY.as_secs_f64(), "{name} took {time}");
    }
}

#[tokio::test]
async fn the_connection_is_closed_when_a_probe_ends() {
    let (pki, file) = authorities();
    for answers in [true, false] {
        let told = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&told);
        let server = scripted(quic(pki.server().builder()), move |connection, turn| {
            if turn == 0 && answers {
                connection.stream_send(REQUEST, &frame(HEADERS, STATUS_200), true).unwrap();
            }
            if let Some(error) = connection.peer_error() {
                *heard.lock().unwrap() = Some((error.is_app, error.error_code));
            }
        });
        let target = format!("https://{}/", server.server.address);
        let probed = probe(&short_module(&trusting(&file, "")), target).await;
        probed.expect(&[if answers { "probe_success 1" } else { "probe_success 0" }]);
        let no_error = Some((true, 0x100));
        eventually("the server is told", || *told.lock().unwrap() == no_error);
    }
}

#[tokio::test]
async fn trailers_are_not_part_of_the_body() {
    let (pki, file) = authorities();
    let server = scripted(quic(pki.server().builder()), |connection, turn| {
        if turn == 0 {
            let trailer = [0, 0, 0x21, b'x', 1, b'y'];
            let answer = [frame(HEADERS, STATUS_200), frame(DATA, b"ok"), frame(HEADERS, &trailer)];
            connection.stream_send(REQUEST, &answer.concat(), true).unwrap();
        }
    });
    let target = format!("https://{}/", server.server.address);
    let probed = probe(&module(&trusting(&file, "")), target).await;
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 2"]);
}

/// Servers with aioquic close the connection if a client stops such a stream.
#[tokio::test]
async fn the_streams_of_qpack_stay_open() {
    const ENCODER: u64 = 7;
    const DECODER: u64 = 11;
    const DELAY: Duration = Duration::from_millis(50);
    let (pki, file) = authorities();
    let opened = Arc::new(Mutex::new(None));
    let server = scripted(quic(pki.server().builder()), move |connection, _| {
        let mut opened = opened.lock().unwrap();
        match *opened {
            None => {
                // The type of the stream, and a capacity of 0 for the dynamic table.
                connection.stream_send(ENCODER, &[2, 0x20], false).unwrap();
                connection.stream_send(DECODER, &[3], false).unwrap();
                *opened = Some(Instant::now());
            }
            Some(at) if at.elapsed() >= DELAY => {
                for stream in [ENCODER, DECODER] {
                    if connection.stream_capacity(stream).is_err() {
                        connection.close(true, 0x104, b"a critical stream was stopped").ok();
                        return;
                    }
                }
                connection.stream_send(REQUEST, &frame(HEADERS, STATUS_200), true).ok();
            }
            Some(_) => {
                connection.stream_send(ENCODER, &[0x20], false).ok();
            }
        }
    });
    let target = format!("https://{}/", server.server.address);
    let probed = probe(&module(&trusting(&file, "")), target).await;
    probed.expect(&["probe_success 1"]);
}
