//! A dialogue with a peer that says anything, in pieces of any size, comes to an end.

#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use probe_exporter::{
    config::{AnyProber, Config},
    net::{Context, resolve::Resolver},
    probers::query_response::{DialogueFacts, QueryResponse, talk},
};
use tokio::{
    io::AsyncWriteExt as _,
    runtime::{Builder, Runtime},
    time::Instant,
};

static MODULES: LazyLock<Config> = LazyLock::new(|| {
    let modules = r#"modules:
  lines: {prober: tcp, tcp: {query_response: [
    {expect: "^220 (?P<name>\\S*)( ESMTP)?$", send: "HELO ${name} $2 $$"},
    {expect: "^250[ -]", labels: [{name: a, value: "$1"}]}, {expect: "(a|b)*c", send: "$1"}]}}
  bytes: {prober: tcp, tcp: {query_response: [
    {expect_bytes: "ab"}, {expect: "^c"}, {send: x, skip_newline_on_send: true}, {expect_bytes: "d"}]}}
  tls: {prober: tcp, tcp: {query_response: [{expect: "^OK"}, {starttls: true}]}}"#;
    Config::parse(modules, "").expect("it is valid")
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

// The first byte chooses the module, the second how large the pieces are.
fuzz_target!(|input: &[u8]| {
    let [choice, piece, said @ ..] = input else { return };
    let names = ["lines", "bytes", "tls"];
    let module = MODULES.module(names[usize::from(*choice) % names.len()]).expect("it is there");
    let AnyProber::Tcp(prober) = &module.prober else { return };
    RUNTIME.block_on(hold(&prober.query_response, said, usize::from(*piece) + 1));
});

async fn hold(query_response: &QueryResponse, said: &[u8], piece: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let context = Context::new(deadline, Arc::new(Resolver::default()));
    let (mut ours, theirs) = tokio::io::duplex(piece);
    let (mut hear, mut say) = tokio::io::split(theirs);
    let peer = async {
        // We may be gone before all is said.
        say.write_all(said).await.ok();
        say.shutdown().await.ok();
    };
    let mut sink = tokio::io::sink();
    let listener = tokio::io::copy(&mut hear, &mut sink);
    let mut facts = DialogueFacts::default();
    let talk = async {
        let result = talk(&context, &mut ours, query_response.steps(), 0, &mut facts).await;
        drop(ours);
        result
    };
    let (result, (), _) = tokio::join!(talk, peer, listener);
    if let Err(failure) = result {
        assert!(!failure.message.is_empty());
    }
}
