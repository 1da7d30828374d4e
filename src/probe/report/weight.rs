//! The memory that a report takes.

use std::mem::size_of;

use super::{HopReport, PhaseReport, ProbeReport};
use crate::{
    diagnostics::{Check, Failure, log::LogEntry},
    metrics::allocation,
    net::tls::StoredSession,
    policy::Denial,
};

/// Size of the two counters of an `Arc` in bytes.
const COUNTERS: usize = 2 * size_of::<usize>();

impl ProbeReport {
    /// The memory of the report in bytes, as the allocator counts it. Certificates count in full, also
    /// if they are shared. The module is not included: the configuration shares it.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Self { module_name, target, hostname, verdict, hops, checks, metrics, log, .. } = self;
        let denied = self.denial.as_deref();
        allocation(COUNTERS + size_of::<Self>())
            + text(module_name)
            + text(target)
            + optional(hostname.as_ref())
            + optional(verdict.message())
            + list(hops, hop)
            + list(checks, |Check { failure: it, .. }| it.as_ref().map_or(0, failure))
            + metrics.weight()
            + list(log, entry)
            + denied.map_or(0, denial)
    }
}

/// Returns the memory of a list, with that of its elements.
fn list<T>(elements: &Vec<T>, weight: impl Fn(&T) -> usize) -> usize {
    allocation(elements.capacity() * size_of::<T>()) + elements.iter().map(weight).sum::<usize>()
}

fn text(text: &String) -> usize {
    allocation(text.capacity())
}

fn optional(it: Option<&String>) -> usize {
    it.map_or(0, text)
}

fn failure(failure: &Failure) -> usize {
    text(&failure.message)
}

fn entry(LogEntry { message, fields, .. }: &LogEntry) -> usize {
    text(message) + list(fields, |(_, value)| text(value))
}

fn denial(denial: &Denial) -> usize {
    allocation(size_of::<Denial>()) + text(&denial.entry) + text(&denial.value)
}

fn hop(hop: &HopReport) -> usize {
    let HopReport { url, address, response, transcript, tls, phases, .. } = hop;
    let texts = [url, address, response].map(|it| optional(it.as_ref()));
    let phases = list(phases, |_: &PhaseReport| 0);
    let parts = list(transcript, |part| text(&part.text));
    texts.iter().sum::<usize>() + parts + phases + tls.as_ref().map_or(0, session)
}

fn session(session: &StoredSession) -> usize {
    let StoredSession { cipher, alpn, sent, verify_detail, .. } = session;
    let alpn = alpn.as_ref().map_or(0, |name| allocation(name.capacity()));
    let certificates = list(sent, |der| allocation(COUNTERS + der.len()));
    optional(cipher.as_ref()) + alpn + certificates + text(verify_detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{CheckName, Part, PartKind, ProbeLog, Reason, Stage, Verdict},
        metrics::{Metric, MetricSet},
        net::tls::VerifyResult,
        probe::report::tests::{failed, report},
    };

    const LENGTH: usize = 10_000;

    /// Every text that a peer chooses counts with its length.
    #[test]
    fn each_text_counts() {
        let text = || "x".repeat(LENGTH);
        let failure =
            || Failure { message: text(), ..Failure::new(Stage::Tls, Reason::Closed, "") };
        let mut part = Part::of(PartKind::Body, b"");
        part.text = text();
        let exchange = HopReport {
            url: Some(text()),
            address: Some(text()),
            start: std::time::Duration::ZERO,
            response: Some(text()),
            transcript: vec![part],
            tls: Some(StoredSession {
                version: None,
                cipher: Some(text()),
                alpn: Some(text().into()),
                sent: vec![text().into_bytes().into(); 3],
                verify_result: VerifyResult::Invalid,
                verify_detail: text(),
            }),
            phases: Vec::new(),
        };
        let mut metrics = MetricSet::default();
        metrics.add(&Metric::new("probe_x", "", ["label"]), [&text()], 1);
        let owned = Metric::new("probe_y", "", []);
        metrics.add_dynamic(&owned, vec![(text(), text())], 1);
        let log = ProbeLog::default();
        log.info(text(), &[("line", &"x".repeat(LENGTH / 4))]);
        let full = ProbeReport {
            module_name: text(),
            hostname: Some(text()),
            hops: vec![exchange],
            checks: vec![Check::new(CheckName::of_key("x"), Err(failure()))],
            metrics,
            log: log.take(),
            ..failed(&text(), failure())
        };
        let texts = 19 * LENGTH + LENGTH / 4;
        let weight = full.weight();
        assert!(weight > texts && weight < texts * 5 / 4, "{weight} for {texts} bytes");
        assert!(report("", Verdict::Ok).weight() < 1000);
    }

    #[test]
    fn short_entries_count_too() {
        let log = ProbeLog::default();
        for _ in 0..1000 {
            log.info("a", &[("b", &"c"), ("d", &"e")]);
        }
        let entry = size_of::<LogEntry>() + 16 + 2 * (size_of::<(&str, String)>() + 32);
        let report = ProbeReport { log: log.take(), ..report("", Verdict::Ok) };
        let weight = report.weight();
        assert!(weight > 1000 * entry && weight < 1200 * entry, "{weight}, {entry} each");
    }
}
