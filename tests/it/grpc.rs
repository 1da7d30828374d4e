//! The grpc prober against a server whose response depends on the requested service.

use socket2::Type;

use crate::{
    fixtures::{
        grpc::GrpcServer,
        ports::{closed, over_ipv6},
        tcp::tcp,
        tls::{self, leaf, pki},
    },
    probing::{failed, probe},
};

fn module(keys: &str) -> String {
    format!("{{prober: grpc, timeout: 20s, grpc: {{{keys}}}}}")
}

fn code(number: u32) -> String {
    format!("probe_grpc_status_code {number}")
}

fn serving(status: &str, value: u8) -> String {
    format!("probe_grpc_healthcheck_response{{serving_status=\"{status}\"}} {value}")
}

#[tokio::test]
async fn the_serving_status_is_exported() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    for (service, status) in
        [("0", "UNKNOWN"), ("1", "SERVING"), ("2", "NOT_SERVING"), ("3", "SERVICE_UNKNOWN")]
    {
        let probed = probe(&module(&format!("service: '{service}'")), server.address).await;
        let success = service == "1";
        probed.expect(&[&format!("probe_success {}", u8::from(success)), &code(0)]);
        for known in ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] {
            probed.expect(&[&serving(known, u8::from(known == status))]);
        }
        if !success {
            probed.expect(&[&failed("check", "not_serving")]);
        }
    }
    let probed = probe(&module("service: '7'"), server.address).await;
    probed.expect(&["probe_success 0", &code(0), &serving("7", 1), &serving("SERVING", 0)]);
}

#[tokio::test]
async fn every_failure_has_a_status_code_and_a_reason() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    for (service, number, stage, reason) in [
        ("absent", 5, "check", "grpc_status"),
        ("denied", 7, "check", "grpc_status"),
        ("http 404", 12, "check", "status"),
        ("http 503", 14, "check", "status"),
        ("page", 2, "response", "protocol"),
        ("no message", 13, "response", "protocol"),
        ("no status", 2, "response", "protocol"),
        ("odd status", 2, "response", "protocol"),
        ("two", 13, "response", "protocol"),
        ("compressed", 13, "response", "protocol"),
        ("malformed", 13, "response", "protocol"),
        ("large", 8, "response", "too_large"),
        ("no trailers", 13, "response", "protocol"),
        ("reset", 13, "response", "closed"),
    ] {
        eprintln!("{service}");
        let probed = probe(&module(&format!("service: {service}")), server.address).await;
        probed.expect(&[
            "probe_success 0",
            "probe_grpc_ssl 0",
            &code(number),
            &failed(stage, reason),
            &serving("SERVING", 0),
            "probe_grpc_duration_seconds{phase=\"check\"}",
        ]);
    }
}

#[tokio::test]
async fn the_message_of_the_server_is_reported() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let probed = probe(&module("service: absent"), server.address).await;
    assert_eq!(probed.failure(), "the call ended with status 5 (NOT_FOUND): no such");
}

#[tokio::test]
async fn the_call_carries_the_configured_metadata() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let metadata = "metadata: {x-key: [one, two], x-bin: [!!binary AAE=], user-agent: [odd]}";
    probe(&module(metadata), server.address).await.expect(&["probe_success 1"]);
    let requests = server.heard();
    assert_eq!(requests.len(), 1);
    let head = &requests[0];
    let values = |name: &str| {
        let values = head.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(head.method, "POST");
    assert_eq!(head.uri.authority().unwrap().as_str(), server.address.to_string());
    assert_eq!(head.uri.scheme_str(), Some("http"));
    assert_eq!(values("x-key"), ["one", "two"]);
    assert_eq!(values("x-bin"), ["AAE"]);
    assert!(values("content-length").is_empty(), "services would see it");
    assert_eq!(values("te"), ["trailers"]);
    assert_eq!(values("content-type"), ["application/grpc"]);
    assert_eq!(values("user-agent"), [concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn the_certificate_is_shown_over_tls() {
    let pki = pki(leaf("127.0.0.1").also("DNS:grpc.example"));
    let context = pki.server().alpn(b"\x02h2").context();
    let server = GrpcServer::start("127.0.0.1", Some(context)).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pki.root.pem()).unwrap();
    let trusting =
        |keys: &str| module(&format!("tls: true, tls_config: {{ca_file: {}{keys}}}", ca.display()));
    let probed = probe(&trusting(""), server.address).await;
    let earliest = probed.value("probe_ssl_earliest_cert_expiry");
    assert_eq!(earliest.to_string(), pki.leaf.not_after().to_string());
    probed.expect(&[
        "probe_success 1",
        "probe_grpc_ssl 1",
        "probe_tls_version_info{version=\"TLS 1.3\"} 1",
        "probe_ssl_verify_info{result=\"ok\"} 1",
        "probe_grpc_check_duration_seconds{phase=\"tls\"}",
        "probe_grpc_check_duration_seconds{phase=\"request\"}",
    ]);
    let named = trusting(", server_name: grpc.example");
    probe(&named, server.address).await.expect(&["probe_success 1"]);
    let authorities = server.heard().into_iter().map(|head| head.uri.authority().unwrap().clone());
    // As in upstream, the authority over TLS is the server name.
    assert_eq!(authorities.collect::<Vec<_>>(), ["127.0.0.1", "grpc.example"]);

    let unknown = probe(&module("tls: true"), server.address).await;
    unknown.expect(&[
        "probe_success 0",
        "probe_grpc_ssl 0",
        &code(14),
        &failed("tls", "certificate_unknown_authority"),
        "probe_ssl_earliest_cert_expiry",
        "probe_ssl_verify_info{result=\"unknown_authority\"} 1",
    ]);
    let bare = trusting("").replace("{prober", "{extra_metrics: false, prober");
    probe(&bare, server.address).await.expect(&[
        "probe_grpc_ssl 1",
        "probe_ssl_earliest_cert_expiry",
        "!probe_ssl_last_chain_expiry_timestamp_seconds",
        "!probe_ssl_verify_info{result=\"ok\"}",
        "!probe_tls_cipher_info",
        "!probe_grpc_check_duration_seconds{phase=\"tls\"}",
    ]);
}

#[tokio::test]
async fn peers_with_another_protocol_have_distinct_reasons() {
    let certificate = leaf("127.0.0.1").self_signed();
    let without_http2 = tls::server(&certificate).context();
    let without_http2 = GrpcServer::start("127.0.0.1", Some(without_http2)).await;
    let plain = GrpcServer::start("127.0.0.1", None).await;
    let old = tcp().say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").start().await;
    let closing = tcp().close().start().await;
    let lenient = "tls: true, tls_config: {insecure_skip_verify: true}";
    for (name, address, keys, stage, reason) in [
        ("no ALPN", without_http2.address, lenient, "tls", "protocol"),
        ("no TLS", plain.address, lenient, "tls", "not_tls"),
        ("HTTP/1", old.address, "", "response", "protocol"),
        ("nothing", closing.address, "", "response", "closed"),
    ] {
        eprintln!("{name}");
        let probed = probe(&module(keys), address).await;
        probed.expect(&["probe_success 0", &code(14), &failed(stage, reason)]);
    }
    let refused = probe(&module(""), "127.0.0.1:1").await;
    refused.expect(&[&code(14), &failed("connect", "refused"), &serving("SERVING", 0)]);
    let unresolved = probe(&module(""), "absent.invalid:1").await;
    unresolved.expect(&[&code(0), "probe_ip_protocol 0", "!probe_grpc_healthcheck_response"]);
}

#[tokio::test]
async fn a_missing_tls_file_is_reported_before_the_name_is_resolved() {
    let probed = probe(&module("tls_config: {ca_file: /nonexistent}"), "absent.invalid:1").await;
    probed.expect(&["!probe_ip_protocol", &code(0), &failed("tls", "unusable_file")]);
}

#[tokio::test]
async fn w1_grpc_ends_at_its_deadline() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let silent = module("service: silent").replace("20s", "1s");
    let probed = probe(&silent, server.address).await;
    probed.expect(&[
        "probe_success 0",
        &code(4),
        &failed("response", "timeout"),
        &serving("SERVING", 0),
    ]);
    assert!(probed.value("probe_duration_seconds") < 10.0);
    assert!(probed.value("probe_grpc_duration_seconds{phase=\"check\"}") > 0.5);
}

#[tokio::test]
async fn w3_grpc_connects_to_the_address_it_reports() {
    // The probe over IPv6 must find the port of the server over IPv4 closed.
    let (four, _closed) = loop {
        let four = GrpcServer::start("127.0.0.1", None).await;
        if let Some(closed) = closed(Type::STREAM, over_ipv6(four.address)) {
            break (four, closed);
        }
    };
    let six = GrpcServer::start("::1", None).await;
    // IPv6 addresses work with and without a scheme.
    for target in [six.address.to_string(), format!("http://{}/path", six.address)] {
        probe(&module(""), target).await.expect(&["probe_success 1", "probe_ip_protocol 6"]);
    }
    assert_eq!(six.heard()[0].uri.authority().unwrap().as_str(), six.address.to_string());
    let name = format!("localhost:{}", four.address.port());
    let only =
        |family| module(&format!("preferred_ip_protocol: {family}, ip_protocol_fallback: false"));
    probe(&only("ip4"), &name).await.expect(&["probe_success 1", "probe_ip_protocol 4"]);
    let other = probe(&only("ip6"), &name).await;
    other.expect(&["probe_success 0", "!probe_ip_protocol 4"]);
    assert_eq!(four.heard().len(), 1, "only the probe over IPv4 came");
}

#[tokio::test]
async fn w15_grpc_without_its_section_falls_back() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    probe("{prober: grpc}", server.address)
        .await
        .expect(&["probe_success 1", "probe_ip_protocol 4"]);
}

#[tokio::test]
async fn the_phases_are_within_the_duration() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let probed = probe(&module(""), server.address).await;
    let phase = |name| probed.value(&format!("probe_grpc_duration_seconds{{phase=\"{name}\"}}"));
    let sum = phase("resolve") + phase("check") + probed.value("probe_overhead_seconds");
    let duration = probed.value("probe_duration_seconds");
    assert!((sum - duration).abs() < 1e-6, "{sum} is not {duration}");
    assert!(probed.value("probe_grpc_check_duration_seconds{phase=\"request\"}") > 0.0);
}
