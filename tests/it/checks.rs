//! Named checks: all failed checks of a probe are reported.

use crate::{
    fixtures::{
        dns::{A, dns, message, record},
        grpc::GrpcServer,
        http::{http, ok, status},
        tcp::tcp,
    },
    probing::{Probed, failed, probe},
};

/// Returns the names of the failed checks from the samples.
fn failed_checks(probed: &Probed) -> Vec<String> {
    let text = probed.text();
    let labels = text.lines().filter_map(|line| line.strip_prefix("probe_check_failed{check=\""));
    labels.map(|label| label.strip_suffix("\"} 1").unwrap().to_owned()).collect()
}

const DEMANDING: &str = r#"{prober: http, http: {
    valid_status_codes: {name: answers well, values: [200]},
    valid_http_versions: [HTTP/2.0],
    fail_if_not_ssl: {name: encrypted, value: true},
    fail_if_header_matches: [{header: Server, regexp: old}],
    fail_if_header_not_matches: [{name: typed, header: Content-Type, regexp: json}, {header: Server, regexp: old}],
    fail_if_body_matches_regexp: [{name: no error, regexp: error}, harmless],
    fail_if_body_not_matches_regexp: [fine, {name: "", regexp: better}]}}"#;

#[tokio::test]
async fn every_http_check_that_failed_is_named() {
    let answer = status(500).header("Server", "old one").body("error");
    let server = http([answer]).start().await;
    let probed = probe(DEMANDING, server.address).await;
    assert_eq!(
        failed_checks(&probed),
        [
            "answers well",
            "encrypted",
            "fail_if_body_not_matches_regexp[0]",
            "fail_if_body_not_matches_regexp[1]",
            "fail_if_header_matches[0]",
            "no error",
            "typed",
            "valid_http_versions",
        ]
    );
    // The first failed check is the reason, and upstream's metric of patterns ignores later checks.
    probed.expect(&[&failed("check", "status"), "probe_failed_due_to_regex 0"]);
}

#[tokio::test]
async fn checks_are_exported_only_for_failures_and_with_extra_metrics() {
    let server = http([ok("fine"), status(500)]).start().await;
    let probed = probe("{prober: http}", server.address).await;
    probed.expect(&["probe_success 1", "!probe_check_failed"]);
    let probed = probe("{prober: http, extra_metrics: false}", server.address).await;
    assert!(failed_checks(&probed).is_empty());
    probed.expect(&["probe_success 0"]);
}

#[tokio::test]
async fn every_dns_check_that_failed_is_named() {
    let reply = message().rcode(3).answer(record("host.example", A, &[127, 0, 0, 1]));
    let server = dns().reply(reply).start().await;
    let module = r#"{prober: dns, dns: {query_name: host.example, query_type: A,
        validate_answer_rrs: {
            fail_if_matches_regexp: [{name: not here, regexp: "127[.]"}, "10[.]"],
            fail_if_all_match_regexp: ["10[.]", {name: all of ten, regexp: "10[.]0"}],
            fail_if_not_matches_regexp: [IN]},
        validate_authority_rrs: {fail_if_none_matches_regexp: [NS]}}}"#;
    let probed = probe(module, server.address).await;
    assert_eq!(
        failed_checks(&probed),
        [
            "all of ten",
            "not here",
            "valid_rcodes",
            "validate_authority_rrs.fail_if_none_matches_regexp"
        ]
    );
    probed.expect(&[&failed("check", "rcode")]);
}

#[tokio::test]
async fn the_step_of_a_dialogue_that_failed_is_named() {
    let steps = "{expect: ^220, send: HELO}, {name: greeted back, expect: ^250}";
    let module = |keys: &str| {
        format!("{{prober: tcp{keys}, tcp: {{query_response: [{steps}, {{send: QUIT}}]}}}}")
    };
    let server = tcp().say("220 hello\n").line().say("500 no\n").close().start().await;
    let probed = probe(&module(""), server.address).await;
    assert_eq!(failed_checks(&probed), ["greeted back"]);
    probed.expect(&[&failed("check", "dialogue")]);

    // A step that the deadline interrupts has failed, too.
    let server = tcp().say("220 hello\n").line().line().start().await;
    let probed = probe(&module(", timeout: 1s"), server.address).await;
    assert_eq!(failed_checks(&probed), ["greeted back"]);
    probed.expect(&[&failed("response", "timeout")]);
}

#[tokio::test]
async fn the_service_that_does_not_serve_is_named() {
    let server = GrpcServer::start("127.0.0.1", None).await;
    let module = "{prober: grpc, grpc: {service: {name: payments, value: '2'}}}";
    let probed = probe(module, server.address).await;
    assert_eq!(failed_checks(&probed), ["payments"]);
    probed.expect(&[&failed("check", "not_serving")]);
}
