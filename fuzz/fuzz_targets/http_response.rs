//! A response of any bytes, over HTTP/1 or HTTP/2, is read, checked and measured to its end.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use probe_exporter::{
    config::{AnyProber, Config},
    metrics::{Export as _, MetricSet},
    net::{Context, resolve::Resolver},
    probers::http::{HttpMeasurements, fuzzing},
};
use tokio::{
    io::AsyncWriteExt as _,
    runtime::{Builder, Runtime},
    time::Instant,
};

static MODULES: LazyLock<Config> = LazyLock::new(|| {
    let modules = r#"modules:
  plain: {prober: http}
  head: {prober: http, http: {method: HEAD}}
  checks: {prober: http, http: {body_size_limit: 1MB, fail_if_body_matches_regexp: ["a+b"],
    fail_if_header_not_matches: [{header: X, regexp: "^y", allow_missing: true}],
    fail_if_body_json_not_matches_cel: "body.a == 1"}}
  gzip: {prober: http, http: {compression: gzip, body_size_limit: 1MB}}
  br: {prober: http, http: {compression: br, body_size_limit: 1MB}}
  deflate: {prober: http, http: {compression: deflate, body_size_limit: 1MB}}"#;
    Config::parse(modules, "").expect("it is valid")
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

// The first byte chooses the module and the version, the second how large the pieces are.
fuzz_target!(|input: &[u8]| {
    let [choice, piece, said @ ..] = input else { return };
    let names = ["plain", "head", "checks", "gzip", "br", "deflate"];
    let module = MODULES.module(names[usize::from(choice >> 1) % names.len()]).expect("there");
    let AnyProber::Http(prober) = &module.prober else { return };
    let http2 = choice & 1 == 1;
    RUNTIME.block_on(async {
        let deadline = Instant::now() + Duration::from_secs(60);
        let context = Context::new(deadline, Arc::new(Resolver::default()));
        let (ours, theirs) = tokio::io::duplex(usize::from(*piece) * 16 + 1);
        let (mut hear, mut say) = tokio::io::split(theirs);
        let peer = async {
            // We may be gone before all is said.
            say.write_all(said).await.ok();
            say.shutdown().await.ok();
        };
        let mut sink = tokio::io::sink();
        let listener = tokio::io::copy(&mut hear, &mut sink);
        let mut seen = HttpMeasurements::default();
        let probe = fuzzing::probe_over(prober, &context, ours, http2, &mut seen);
        let (result, (), _) = tokio::join!(probe, peer, listener);
        let mut metrics = MetricSet::default();
        seen.export(&mut metrics);
        assert!(!metrics.render().is_empty());
        if let Err(failure) = result {
            assert!(!failure.message.is_empty());
        }
    });
});
