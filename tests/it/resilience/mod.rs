//! Hostile peers and scrapers: each probe is answered in time, with limited memory.

mod between;
mod crowd;
mod dns;
mod files;
mod grpc;
mod guard;
mod history;
mod http1;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod leaks;
mod scrapers;
mod scripts;
mod tcp;
mod tls;
mod websocket;

use std::{
    net::SocketAddr,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use crate::{
    fixtures::hostile::Peer,
    harness::{Answer, probe_path, request},
    running::Running,
};

/// The delay that a busy machine may add.
const LATENESS: f64 = 5.0;

/// Returns whether a response is the refusal of a probe that had too little CPU time.
fn is_overloaded(text: &str) -> bool {
    text.starts_with("Overloaded: the exporter had too little CPU time")
}

/// Expects a probe without success, which may be refused if the machine is busy.
fn expect_no_success(answer: &Answer) {
    if answer.status != 503 || !is_overloaded(&answer.text()) {
        answer.metrics().expect(&["probe_success 0"]);
    }
}

/// A peer to probe.
trait Target: Sync {
    fn address(&self) -> SocketAddr;

    /// Returns the number of received requests.
    fn requests(&self) -> usize;
}

impl Target for Peer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }
}

/// A target, and the expected result of its probe.
struct Attack {
    name: &'static str,
    module: &'static str,
    /// The part of the target before the address.
    scheme: &'static str,
    target: Box<dyn Target>,
    /// Several reasons, separated by `|`, if the speed of the machine decides.
    reason: &'static str,
    requests: usize,
}

impl Attack {
    /// Probes once; returns a description of a wrong result.
    fn objection(&self, exporter: SocketAddr) -> Option<String> {
        let Self { name, module, target, scheme, reason, requests } = self;
        let address = format!("{scheme}{}", target.address());
        let path = probe_path(module, &address);
        let begun = Instant::now();
        let answer = request(exporter, "GET", &path, &[]);
        let took = begun.elapsed();
        let text = answer.text();
        // All are probed at once, and some of them take much CPU time.
        if answer.status == 503 && reason.contains("timeout") && is_overloaded(&text) {
            return None;
        }
        if answer.status != 200 {
            return Some(format!("{name}: {}: {text}", answer.status));
        }
        let metrics = answer.metrics();
        let timeout = metrics.value("probe_timeout_seconds").unwrap();
        let asked = target.requests();
        let failure = text.lines().find(|line| line.starts_with("probe_failure_info{"));
        let holds = metrics.value("probe_success") == Some(0.0)
            && failure.is_some_and(|failure| {
                reason.split('|').any(|reason| failure.contains(&format!("\"{reason}\"")))
            })
            && took < Duration::from_secs_f64(timeout + LATENESS)
            && asked == *requests;
        let log = || request(exporter, "GET", &format!("/logs?target={address}"), &[]).text();
        (!holds).then(|| {
            format!(
                "{name}: {failure:?} after {took:?} and {asked} requests, not {reason} in time \
                 after {requests}\n{}",
                log()
            )
        })
    }
}

/// Probes all targets concurrently with a new exporter, which may use this many megabytes more.
fn withstand(modules: &str, megabytes: u64, attacks: &[Attack]) {
    // A sparse file, which takes no space.
    let endless = tempfile::NamedTempFile::new().unwrap();
    endless.as_file().set_len(1 << 40).unwrap();
    let modules = modules.replace("ENDLESS_FILE", endless.path().to_str().unwrap());
    let exporter = &Running::start(&modules, &[]);
    let (address, before) = (exporter.address, exporter.memory());
    let objections: Vec<_> = thread::scope(|scope| {
        // All are started before the first is joined.
        let mut probes = Vec::new();
        for attack in attacks {
            probes.push(scope.spawn(move || attack.objection(address)));
        }
        probes.into_iter().filter_map(|probe| probe.join().unwrap()).collect()
    });
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    let memory = exporter.peak_memory().saturating_sub(before).div_ceil(1 << 20);
    assert!(memory <= megabytes, "took {memory} MB of {megabytes}");
}
