//! A whole server that is hostile: HTTP/1, HTTP/2, WebSocket frames and TLS records in any order.
//!
//! A probe of it ends by itself, with a verdict other than a defect or a timeout, and within limits
//! of CPU time and memory.

#![no_main]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, LazyLock},
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use probe_exporter::{
    config::Config,
    diagnostics::Reason,
    net::resolve::Resolver,
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};
use rustix::time::{ClockId, clock_gettime};
use test_fixtures::hostile::{Action, HostileServer, Script};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

static SERVER: LazyLock<HostileServer> =
    LazyLock::new(|| HostileServer::new(Duration::from_millis(1)));

static MODULES: LazyLock<Config> =
    LazyLock::new(|| Config::parse(SERVER.modules(), "").expect("it is valid"));

/// The slowness of this build and machine, by the CPU time of a probe of a harmless server: 1 for
/// an optimised build with coverage counters.
static SLOWNESS: LazyLock<u32> = LazyLock::new(|| {
    let cost = (0..20).map(|_| RUNTIME.block_on(probe(HARMLESS)).1.total).min();
    let usual = Duration::from_micros(250);
    let slowness = cost.unwrap_or_default().as_micros() / usual.as_micros();
    // Without optimisation, our code is slowed by more than the kernel and BoringSSL.
    let slowness = if slowness > 1 { 4 * slowness } else { 1 };
    u32::try_from(slowness).unwrap_or(1)
});

/// An HTTP/1 server that sends `ok`.
const HARMLESS: &[u8] = b"\0\0\x0a\x00\x28HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Maximum CPU time of one poll of the probe.
const MAX_POLL: Duration = Duration::from_millis(8);

/// Maximum CPU time of a probe, and that for each KiB that the server sends.
const MAX_TOTAL: Duration = Duration::from_millis(50);
const MAX_PER_KIB: Duration = Duration::from_micros(30);

/// Maximum number of bytes that a probe allocates at once, in addition to twice what the server sends.
/// The largest window of brotli has 16 MiB.
const MAX_MEMORY: usize = 24 << 20;

/// Maximum number of bytes in use between probes: caches.
const MAX_KEPT: usize = 256 << 20;

/// A probe that takes too long is tried as often as this, since the machine can be the cause.
const ATTEMPTS: usize = 3;

/// The cost of a probe.
#[derive(Debug)]
struct Cost {
    /// CPU time of all threads.
    total: Duration,
    /// CPU time of the longest poll.
    poll: Duration,
    /// Bytes allocated at the peak.
    memory: usize,
    /// Bytes that the server was to send.
    sent: usize,
}

fuzz_target!(|input: &[u8]| {
    let slowness = *SLOWNESS;
    let mut found = None;
    for _ in 0..ATTEMPTS {
        let (report, cost) = RUNTIME.block_on(probe(input));
        found = objection(&report, &cost, slowness);
        if found.is_none() {
            break;
        }
    }
    if let Some(found) = found {
        panic!("{found}");
    }
});

/// Returns what is wrong with a probe.
fn objection(report: &ProbeReport, cost: &Cost, slowness: u32) -> Option<String> {
    let kib = u32::try_from(cost.sent.div_ceil(1024)).unwrap_or(u32::MAX);
    let failure = report.verdict.failure();
    let is_wrong = report.verdict.refusal().is_some()
        || failure.is_some_and(|failure| {
            failure.message.is_empty()
                || matches!(
                    failure.reason,
                    Reason::Internal | Reason::Timeout | Reason::OutOfResources | Reason::Abandoned
                )
        });
    let is_costly = cost.poll > MAX_POLL * slowness
        || cost.total > (MAX_TOTAL + MAX_PER_KIB * kib) * slowness
        || cost.memory > MAX_MEMORY + 2 * cost.sent
        || ALLOCATOR.current_usage() > MAX_KEPT;
    (is_wrong || is_costly).then(|| {
        let kept = ALLOCATOR.current_usage();
        format!("{:?} with {cost:?}, slowness {slowness}, {kept} bytes in use", report.verdict)
    })
}

/// Probes a server that does what `input` says.
async fn probe(input: &[u8]) -> (ProbeReport, Cost) {
    let (listener, address, script) = SERVER.bind(input).await;
    let script = Arc::new(script);
    let query = format!("module={}&target={}", script.module, script.target(address));
    let raw = RawRequest { query: &query, scrape_timeout: Some("10") };
    let request = ProbeRequest::parse(raw, &MODULES, 0.0).expect("it is valid");
    let (before, threads) = (ALLOCATOR.current_usage(), cpu_of_other_threads());
    ALLOCATOR.reset_peak_usage();
    let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
    // Inputs contain arbitrary names. Queries for them are refused.
    let resolver = Resolver::of_servers([([127, 0, 0, 1], 9).into()]);
    let mut probing = pin!(probe::run(request, Arc::new(resolver)));
    let probing = poll_fn(|context| {
        let start = cpu_time(ClockId::ThreadCPUTime);
        let polled = probing.as_mut().poll(context);
        let taken = cpu_time(ClockId::ThreadCPUTime) - start;
        total += taken;
        longest = longest.max(taken);
        polled
    });
    // In a task of its own, so that the probe is polled only when it is woken.
    let (server, played) = (&*SERVER, Arc::clone(&script));
    let serving = tokio::spawn(async move { server.serve(listener, &played).await });
    let report = probing.await;
    serving.abort();
    let start = cpu_time(ClockId::ThreadCPUTime);
    assert!(!report.metrics.render().is_empty() && !report.debug_text().is_empty());
    assert!(!report.to_json().is_empty());
    total += cpu_time(ClockId::ThreadCPUTime) - start;
    total += cpu_of_other_threads().saturating_sub(threads);
    let memory = ALLOCATOR.peak_usage().saturating_sub(before);
    (report, Cost { total, poll: longest, memory, sent: sent(&script) })
}

/// The number of bytes that a script sends, on as many connections as a probe makes.
fn sent(script: &Script) -> usize {
    let sent = |actions: &[Action]| {
        actions
            .iter()
            .map(|action| if let Action::Send(bytes) = action { bytes.len() } else { 0 })
            .sum()
    };
    let sent: Vec<usize> = script.connections.iter().map(|one| sent(&one.actions)).collect();
    (0..11).map(|number| sent.get(number).unwrap_or(&sent[0])).sum()
}

fn cpu_of_other_threads() -> Duration {
    cpu_time(ClockId::ProcessCPUTime).saturating_sub(cpu_time(ClockId::ThreadCPUTime))
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
