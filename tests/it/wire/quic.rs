//! Data that arrives over QUIC while the process is late has the time of its arrival.

use std::{
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use socket_timestamps::SUPPORTED;
use tokio::sync::Notify;

use crate::{
    fixtures::{
        http3::{DATA, HEADERS, REQUEST, STATUS_200, Scripted, frame, scripted},
        quic::quic,
        tls::{leaf, server},
    },
    http::phase,
    probing::{Probed, probe},
};

/// The pause of the peer before the headers, and again before the body.
const PAUSE: Duration = Duration::from_secs(1);

/// Time that this thread sleeps after the request.
const LATE: Duration = Duration::from_secs(6);

#[test]
fn a_late_process_does_not_lengthen_the_phases_of_http3() {
    let asked = Arc::new(Notify::new());
    let probed = probe_late(&pausing(&asked), &asked);
    probed.expect(&["probe_success 1", "probe_http_uncompressed_body_length 2"]);
    if !SUPPORTED {
        // Without timestamps, all data is as late as the process.
        return;
    }
    for name in ["processing", "transfer"] {
        let found = probed.value(&phase(name));
        // A packet may take longer than the next one.
        assert!(found >= PAUSE.as_secs_f64() / 2.0, "{name}: {found}");
        assert!(found < LATE.as_secs_f64() / 2.0, "{name}: {found}");
    }
    assert!(probed.value("probe_overhead_seconds") > 1.0, "the rest is the process's own");
}

/// Starts a server that pauses before the headers and before the body, and notifies of a request.
fn pausing(asked: &Arc<Notify>) -> Scripted {
    let asked = Arc::clone(asked);
    let (begun, head, body) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
    let times = Arc::new((begun, head, body));
    let tls = server(&leaf("127.0.0.1").self_signed()).builder();
    scripted(quic(tls), move |connection, turn| {
        let (begun, head, body) = &*times;
        if turn == 0 {
            asked.notify_one();
        }
        let is_due = |last: &OnceLock<Instant>| last.get().is_some_and(|at| at.elapsed() >= PAUSE);
        begun.get_or_init(Instant::now);
        if is_due(begun) && head.set(Instant::now()).is_ok() {
            connection.stream_send(REQUEST, &frame(HEADERS, STATUS_200), false).unwrap();
        }
        if is_due(head) && body.set(()).is_ok() {
            connection.stream_send(REQUEST, &frame(DATA, b"ok"), true).unwrap();
        }
    })
}

/// Probes a server; this thread sleeps after the request.
fn probe_late(server: &Scripted, asked: &Notify) -> Probed {
    let module = "{prober: http, timeout: 60s, http: {enable_http3: true, enable_http2: false, \
                  tls_config: {insecure_skip_verify: true}}}";
    let target = format!("https://{}", server.server.address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sleep = async {
            asked.notified().await;
            thread::sleep(LATE);
        };
        tokio::join!(probe(module, target), sleep).0
    })
}
