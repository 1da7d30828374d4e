//! The scripts of hostile servers in the corpus of the fuzz target `hostile_server`.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, sync::Arc, time::Duration};

use probe_exporter::{
    config::Config,
    diagnostics::Reason,
    net::resolve::Resolver,
    probe::{self, ProbeRequest, request::RawRequest},
};
use test_fixtures::hostile::HostileServer;
use tokio::select;

/// Expected verdicts of scripts by their names in the corpus. Those of others depend on times.
const VERDICTS: &[(&str, &str)] = &[
    ("grpc_health", "ok"),
    ("grpc_large_message", "too_large"),
    ("h2_continuations", "ok"),
    ("h2_empty_data", "protocol"),
    ("h2_goaway", "ok"),
    ("h2_gzip", "ok"),
    ("h2_hpack_bomb", "too_large"),
    ("h2_one_byte_records", "ok"),
    ("h2_other_streams", "ok"),
    ("h2_padding_and_windows", "protocol"),
    ("h2_page", "ok"),
    ("h2_push_promise", "protocol"),
    ("h2_reset", "closed"),
    ("h2_small_data", "json"),
    ("h2_trailers", "ok"),
    ("http1_brotli", "ok"),
    ("http1_chunked_gzip", "ok"),
    ("http1_cookies", "too_many_redirects"),
    ("http1_deflate_bomb", "ok"),
    ("http1_gzip_bomb", "ok"),
    ("http1_gzip_empty_blocks", "decompression"),
    ("http1_half_closed_head", "closed"),
    ("http1_json_nested", "json"),
    ("http1_json_wide", "ok"),
    ("http1_long_header", "ok"),
    ("http1_long_location", "invalid_redirect"),
    ("http1_long_location_of_other_bytes", "invalid_redirect"),
    ("http1_many_headers", "too_large"),
    ("http1_not_http", "not_http"),
    ("http1_over_tls", "ok"),
    ("http1_over_verified_tls", "ok"),
    ("http1_page", "ok"),
    ("http1_redirect_loop", "too_many_redirects"),
    ("http1_reset_in_body", "reset"),
    ("http1_secrets_in_body", "json"),
    ("http1_slow_pattern", "json"),
    ("http1_tiny_chunks", "json"),
    ("redirect_to_tls", "ok"),
    ("tls12_chain_unverified", "tls_protocol"),
    ("tls12_chain_verified", "tls_protocol"),
    ("tls12_expired", "certificate_expired"),
    ("tls12_key_exchange", "tls_incompatible"),
    ("tls12_long_chain", "certificate_unknown_authority"),
    ("tls12_ocsp_garbage", "tls_protocol"),
    ("tls12_one_byte_records", "tls_protocol"),
    ("tls13_hello_then_garbage", "tls_protocol"),
    ("tls_alert_flood", "tls_protocol"),
    ("tls_empty_records", "tls_protocol"),
    ("tls_not_tls", "not_tls"),
    ("ws_fragments", "ok"),
    ("ws_over_tls", "ok"),
    ("ws_upgrade", "ok"),
];

#[tokio::test]
async fn probes_of_hostile_servers_end_with_a_verdict() {
    let server = HostileServer::new(Duration::from_millis(200));
    let config = Config::parse(server.modules(), "").unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/hostile_server");
    let mut expected: BTreeMap<_, _> = VERDICTS.iter().copied().collect();
    let mut wrong = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (listener, address, script) = server.bind(&fs::read(&path).unwrap()).await;
        let query = format!("module={}&target={}", script.module, script.target(address));
        let raw = RawRequest { query: &query, scrape_timeout: Some("60") };
        let request = ProbeRequest::parse(raw, &config, 0.0).unwrap();
        let report = select! {
            report = probe::run(request, Arc::new(Resolver::default())) => report,
            () = server.serve(listener, &script) => unreachable!(),
        };
        let reason = report.verdict.failure().map(|failure| failure.reason);
        let is_defect =
            matches!(reason, Some(Reason::Internal | Reason::Timeout | Reason::OutOfResources));
        let is_defect = is_defect || report.verdict.refusal().is_some();
        let verdict = reason.map_or("ok", Reason::label);
        let other = expected.remove(name).filter(|expected| *expected != verdict);
        if is_defect || other.is_some() {
            writeln!(wrong, "{name}: {verdict}, not {other:?}: {:?}", report.verdict).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(expected.is_empty(), "no scripts: {expected:?}");
}
