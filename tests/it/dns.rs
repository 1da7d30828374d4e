//! The dns prober against servers with valid, invalid and no responses.

use std::time::Duration;

use boring::ssl::SslContext;
use tokio::net::UdpSocket;

use crate::{
    fixtures::{
        dns::{A, DnsServer, Message, OPT, SOA, TXT, dns, message, record, record_with, soa},
        ports::closed_port,
        tls,
    },
    probing::{Probed, failed, probe},
};

/// Returns a module that queries the address of host.example, with more keys of the section.
fn module(keys: &str) -> String {
    format!("{{prober: dns, dns: {{query_name: Host.example, query_type: A{keys}}}}}")
}

/// Returns a response with two addresses.
fn addresses() -> Message {
    message().answer(record("Host.example", A, &[127, 0, 0, 1])).answer(record(
        "Host.example",
        A,
        &[127, 0, 0, 2],
    ))
}

/// Starts a server and probes it.
async fn ask(server: DnsServer, keys: &str) -> Probed {
    let server = server.start().await;
    probe(&module(keys), server.address).await
}

const TCP: &str = ", transport_protocol: tcp";

#[tokio::test]
async fn records_are_counted_by_section() {
    let opt = record_with("", OPT, 1232, 0, &[]);
    let answer = addresses().authority(record("example", SOA, &soa(5))).additional(opt);
    for keys in ["", TCP] {
        ask(dns().reply(answer.clone()), keys).await.expect(&[
            "probe_success 1",
            "probe_dns_query_succeeded 1",
            "probe_dns_answer_rrs 2",
            "probe_dns_authority_rrs 1",
            "probe_dns_additional_rrs 1",
            "probe_ip_protocol 4",
            "probe_dns_duration_seconds{phase=\"resolve\"}",
            "probe_dns_duration_seconds{phase=\"connect\"}",
            "probe_dns_duration_seconds{phase=\"request\"}",
            "!probe_dns_serial",
            "!probe_failure_info",
        ]);
    }
}

#[tokio::test]
async fn exactly_one_query_without_options_is_sent() {
    for keys in ["", TCP] {
        let server = dns().reply(addresses()).start().await;
        probe(&module(keys), server.address).await.expect(&["probe_success 1"]);
        let questions = server.questions();
        assert_eq!(questions.len(), 1);
        let rest = b"\x01\0\0\x01\0\0\0\0\0\0\x04Host\x07example\0\0\x01\0\x01";
        assert_eq!(questions[0][2..], *rest);
    }
}

#[tokio::test]
async fn the_request_phase_includes_the_delay_of_the_server() {
    let delay = Duration::from_millis(500);
    for keys in ["", TCP] {
        let probed = ask(dns().reply(addresses()).delay(delay), keys).await;
        let spent = probed.value("probe_dns_duration_seconds{phase=\"request\"}");
        assert!(spent >= delay.as_secs_f64(), "{spent}");
        let connecting = probed.value("probe_dns_duration_seconds{phase=\"connect\"}");
        assert!(connecting < spent, "{connecting} {spent}");
    }
}

#[tokio::test]
async fn the_serial_is_exported_for_soa_queries() {
    let module = "{prober: dns, dns: {query_name: example, query_type: SOA}}";
    let old = record("example", SOA, &soa(1));
    let new = record("example", SOA, &soa(2_026_112_101));
    let server = dns().reply(message().answer(old).answer(new)).start().await;
    probe(module, server.address).await.expect(&["probe_dns_serial 2.026112101e+09"]);
    let server = dns().reply(message().authority(record("example", SOA, &soa(7)))).start().await;
    probe(module, server.address).await.expect(&["probe_success 1", "probe_dns_serial 0"]);
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let module = "{prober: dns, timeout: 100ms, dns: {query_name: example, query_type: SOA}}";
    let probed = probe(module, silent.local_addr().unwrap()).await;
    probed.expect(&["probe_success 0", "!probe_dns_serial"]);
}

#[tokio::test]
async fn the_response_code_must_be_a_valid_one() {
    for (rcode, valid, success) in [
        (0, "", true),
        (3, "", false),
        (3, ", valid_rcodes: [NOERROR, NXDOMAIN]", true),
        (0, ", valid_rcodes: [NXDOMAIN]", false),
        (0, ", valid_rcodes: []", false),
        (4, ", valid_rcodes: [NOTIMPL]", true),
    ] {
        let probed = ask(dns().reply(message().rcode(rcode)), valid).await;
        probed.expect(&["probe_dns_query_succeeded 1"]);
        if success {
            probed.expect(&["probe_success 1"]);
        } else {
            probed.expect(&["probe_success 0", &failed("check", "rcode")]);
        }
    }
}

#[tokio::test]
async fn an_opt_record_extends_the_response_code() {
    let answer = message().additional(record_with("", OPT, 1232, 1 << 24, &[]));
    let probed = ask(dns().reply(answer.clone()), "").await;
    assert!(probed.failure().contains("BADSIG"), "{}", probed.failure());
    ask(dns().reply(answer), ", valid_rcodes: [BADSIG]").await.expect(&["probe_success 1"]);
}

#[tokio::test]
async fn patterns_match_the_text_of_records() {
    let answer = addresses().additional(record("txt.example", TXT, b"\x08say \"hi\""));
    for (rule, success) in [
        (
            r"validate_answer_rrs: {fail_if_not_matches_regexp: ['^Host\.example\.\t300\tIN\tA\t127']}",
            true,
        ),
        (r"validate_answer_rrs: {fail_if_not_matches_regexp: ['127\.0\.0\.1$']}", false),
        (r"validate_answer_rrs: {fail_if_none_matches_regexp: ['127\.0\.0\.2$']}", true),
        (r"validate_answer_rrs: {fail_if_matches_regexp: ['127\.0\.0\.2$']}", false),
        (r"validate_answer_rrs: {fail_if_all_match_regexp: ['127\.0\.0\.1$']}", false),
        (r"validate_answer_rrs: {fail_if_all_match_regexp: ['127\.0\.0']}", true),
        (r"validate_authority_rrs: {fail_if_not_matches_regexp: ['.']}", false),
        (r"validate_authority_rrs: {fail_if_matches_regexp: ['.']}", true),
        (r#"validate_additional_rrs: {fail_if_not_matches_regexp: ['"say \\"hi\\""$']}"#, true),
    ] {
        let probed = ask(dns().reply(answer.clone()), &format!(", {rule}")).await;
        if success {
            probed.expect(&["probe_success 1"]);
        } else {
            probed.expect(&["probe_success 0", &failed("check", "records")]);
        }
    }
}

/// The rule does the opposite of its name; existing modules depend on it.
#[tokio::test]
async fn w11_fail_if_all_match_fails_unless_all_match() {
    for (pattern, success) in [(r"127\.0\.0", true), (r"127\.0\.0\.1$", false), ("nothing", false)]
    {
        let rule = format!(", validate_answer_rrs: {{fail_if_all_match_regexp: ['{pattern}']}}");
        let probed = ask(dns().reply(addresses()), &rule).await;
        probed.expect(&[&format!("probe_success {}", u8::from(success))]);
    }
}

#[tokio::test]
async fn responses_with_another_message_id_are_ignored_over_udp_only() {
    let answers = || dns().reply(addresses().other_identifier()).reply(message());
    ask(answers(), "").await.expect(&["probe_success 1", "probe_dns_answer_rrs 0"]);
    ask(answers(), TCP).await.expect(&["probe_success 0", &failed("response", "protocol")]);
}

#[tokio::test]
async fn a_response_from_another_port_is_ignored() {
    let server = dns().reply(addresses()).other_source().start().await;
    let module = module("").replace("prober: dns,", "prober: dns, timeout: 1s,");
    let probed = probe(&module, server.address).await;
    probed.expect(&[
        "probe_success 0",
        "probe_dns_query_succeeded 0",
        "probe_dns_answer_rrs 0",
        &failed("response", "timeout"),
    ]);
    let waited = probed.value("probe_dns_duration_seconds{phase=\"request\"}");
    assert!(waited > 0.0, "the wait is a part of the request");
}

#[tokio::test]
async fn malformed_and_incomplete_responses_fail() {
    let protocol = failed("response", "protocol");
    for (what, server, keys, failure) in [
        ("no message", dns().garbage(b"\xff\xff"), "", &protocol),
        ("no message", dns().garbage(b"\xff\xff"), TCP, &protocol),
        ("bad name", dns().garbage(b"\x80\0\0\x01\0\0\0\0\0\0\xff"), "", &protocol),
        ("half a message", dns().half(), TCP, &failed("response", "closed")),
    ] {
        let probed = ask(server, keys).await;
        let samples = ["probe_success 0", "probe_dns_query_succeeded 0", failure];
        eprintln!("{what}: {}", probed.failure());
        probed.expect(&samples);
    }
}

#[tokio::test]
async fn at_most_512_bytes_are_read_over_udp() {
    let mut large = message();
    for _ in 0..8 {
        large = large.answer(record("host.example", TXT, &[vec![99], vec![b'x'; 99]].concat()));
    }
    let probed = ask(dns().reply(large.clone()), "").await;
    probed.expect(&["probe_success 0", &failed("response", "too_large")]);
    ask(dns().reply(large), TCP).await.expect(&["probe_success 1", "probe_dns_answer_rrs 8"]);
    let short = addresses().truncated();
    ask(dns().reply(short), "").await.expect(&["probe_success 1", "probe_dns_answer_rrs 2"]);
}

#[tokio::test]
async fn a_refused_query_fails_in_the_right_stage() {
    let closed = closed_port();
    for (keys, stage) in [(TCP, "connect"), ("", "response")] {
        let probed = probe(&module(keys), closed.address).await;
        probed.expect(&["probe_success 0", &failed(stage, "refused"), "probe_ip_protocol 4"]);
    }
}

#[tokio::test]
async fn invalid_targets_are_rejected_as_in_blackbox_exporter() {
    let invalid = failed("target", "invalid_target");
    for target in ["127.0.0.1:nonsense", "127.0.0.1:65536", "[::1]", ":53"] {
        let probed = probe(&module(""), target).await;
        probed.expect(&["probe_success 0", &invalid, "probe_dns_lookup_time_seconds"]);
    }
}

#[tokio::test]
async fn tls_is_verified_as_configured() {
    let pki = tls::pki(tls::leaf("localhost").also("IP:127.0.0.1"));
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, pki.root.pem()).unwrap();
    let context: SslContext = pki.server().context();
    let server = dns().reply(addresses()).tls(context).start().await;
    let keys = |tls: &str| format!("{TCP}, dns_over_tls: true, tls_config: {{{tls}}}");
    let trusting = format!("ca_file: '{}'", ca.display());

    let probed = probe(&module(&keys(&trusting)), server.address).await;
    probed.expect(&["probe_success 1", "probe_dns_answer_rrs 2", "probe_ssl_earliest_cert_expiry"]);
    let upstream_only =
        module(&keys(&trusting)).replace("{prober", "{extra_metrics: false, prober");
    let probed = probe(&upstream_only, server.address).await;
    probed.expect(&["probe_success 1", "!probe_ssl_earliest_cert_expiry"]);

    for (tls, failure) in [
        (String::new(), failed("tls", "certificate_unknown_authority")),
        (format!("{trusting}, server_name: a.b"), failed("tls", "certificate_wrong_host")),
        ("ca_file: /nonexistent".to_owned(), failed("tls", "unusable_file")),
    ] {
        let probed = probe(&module(&keys(&tls)), server.address).await;
        probed.expect(&["probe_success 0", &failure]);
    }
    let plain = dns().reply(addresses()).start().await;
    let probed =
        probe(&module(&keys(&trusting)).replace("{prober", "{timeout: 1s, prober"), plain.address)
            .await;
    probed.expect(&["probe_success 0", "probe_dns_query_succeeded 0"]);
}
