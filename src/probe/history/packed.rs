//! Reports in compact form. That of a success takes a tenth of the memory of the report.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::key::TargetKey;
use crate::{
    config::Module,
    diagnostics::{Check, Failure, LogEntry, ProbeLog, Verdict},
    metrics::{MetricSet, allocation},
    probe::{ProbeReport, Wait, report::HopReport},
};

/// A report in compact form, without the names of module and target. It can be cloned cheaply.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) module: Arc<Module>,
    bytes: Arc<[u8]>,
}

/// Maximum length of the bytes of a report. A longer one is stored without its large parts.
const MAX_BYTES: usize = 16 << 10;

/// Size of the two counters of an `Arc` in bytes.
const COUNTERS: usize = 2 * size_of::<usize>();

/// The parts of a report that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Detail {
    /// Everything.
    Full,
    /// Neither the log nor the response nor certificates.
    Results,
    /// No metrics either.
    Verdict,
}

/// The serialized parts of a report. The policy's decision is not shown to clients, and the names are in the key.
#[derive(Debug, Serialize, Deserialize)]
struct Content<'r> {
    detail: Detail,
    started: SystemTime,
    duration: Duration,
    waited: Duration,
    timeout: Duration,
    wait: Cow<'r, Option<Box<Wait>>>,
    failure: Cow<'r, Option<Failure>>,
    hops: Cow<'r, [HopReport]>,
    checks: Cow<'r, [Check]>,
    metrics: Cow<'r, MetricSet>,
    log: Cow<'r, [LogEntry]>,
}

impl Packed {
    /// Packs the report of a success or a failure. Returns `None` for a refusal, and for a report that is
    /// too large even without its large parts.
    pub(super) fn of(report: &ProbeReport) -> Option<Self> {
        let details: &[Detail] = match report.verdict {
            Verdict::Ok => &[Detail::Results, Detail::Verdict],
            Verdict::Failed(_) => &[Detail::Full, Detail::Results, Detail::Verdict],
            Verdict::Refused(_) => return None,
        };
        let bytes = details.iter().find_map(|detail| {
            let bytes = postcard::to_allocvec(&Content::of(report, *detail)).ok()?;
            (bytes.len() <= MAX_BYTES).then_some(bytes)
        })?;
        Some(Self { module: Arc::clone(&report.module), bytes: bytes.into() })
    }

    /// Restores the report.
    pub(super) fn report(&self, key: &TargetKey) -> Option<ProbeReport> {
        let content: Content<'_> = postcard::from_bytes(&self.bytes).ok()?;
        Some(content.into_report(key, Arc::clone(&self.module)))
    }

    /// The memory in bytes, without the module.
    pub(super) fn weight(&self) -> usize {
        allocation(COUNTERS + self.bytes.len())
    }

    /// An estimate of the memory of the module in bytes, for a report that alone keeps it: of a
    /// configuration that is not active any more.
    pub(super) fn module_weight(&self) -> usize {
        size_of::<Module>() + 4 * self.module.text_size()
    }
}

impl<'r> Content<'r> {
    fn of(report: &'r ProbeReport, detail: Detail) -> Self {
        let ProbeReport { started, duration, waited, timeout, ref wait, .. } = *report;
        let is_full = detail == Detail::Full;
        let abridged = || report.hops.iter().map(HopReport::abridged).collect();
        Self {
            detail,
            started,
            duration,
            waited,
            timeout,
            wait: Cow::Borrowed(wait),
            failure: Cow::Owned(report.verdict.failure().cloned()),
            hops: if is_full { Cow::Borrowed(&report.hops) } else { Cow::Owned(abridged()) },
            checks: Cow::Borrowed(&report.checks),
            metrics: match detail {
                Detail::Verdict => Cow::Owned(MetricSet::default()),
                Detail::Full | Detail::Results => Cow::Borrowed(&report.metrics),
            },
            log: Cow::Borrowed(if is_full { &report.log } else { &[] }),
        }
    }

    fn into_report(self, key: &TargetKey, module: Arc<Module>) -> ProbeReport {
        let Self { detail, started, duration, waited, timeout, .. } = self;
        ProbeReport {
            module_name: key.module().to_owned(),
            module,
            target: key.target().to_owned(),
            hostname: key.hostname().map(str::to_owned),
            started,
            duration,
            waited,
            timeout,
            wait: self.wait.into_owned(),
            verdict: self.failure.into_owned().map_or(Verdict::Ok, Verdict::Failed),
            hops: self.hops.into_owned(),
            checks: self.checks.into_owned(),
            metrics: self.metrics.into_owned(),
            log: if detail == Detail::Full { self.log.into_owned() } else { note(started, detail) },
            denial: None,
        }
    }
}

/// The log of a report whose log is not stored.
fn note(started: SystemTime, detail: Detail) -> Vec<LogEntry> {
    let log = ProbeLog::default();
    let parts = match detail {
        Detail::Verdict => "log, response, certificates and metrics",
        Detail::Full | Detail::Results => "log, response and certificates",
    };
    log.info(format!("The history does not keep {parts} of this older report"), &[]);
    log.take().into_iter().map(|entry| LogEntry { time: started, ..entry }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::history::samples;

    fn round_trip(report: &ProbeReport) -> (Packed, ProbeReport) {
        let packed = Packed::of(report).unwrap();
        let key = TargetKey::of(report).unwrap();
        let read = packed.report(&key).unwrap();
        (packed, read)
    }

    #[test]
    fn a_failure_is_stored_with_everything() {
        let report = samples::https("https://shop.example/", Some("connecting: refused"));
        let (packed, read) = round_trip(&report);
        assert_eq!(format!("{read:?}"), format!("{report:?}"));
        assert!(packed.weight() < report.weight() / 2, "{}", packed.weight());
    }

    #[test]
    fn a_success_is_stored_without_log_and_certificates() {
        let report = samples::https("https://shop.example/", None);
        let (packed, read) = round_trip(&report);
        assert!(read.log[0].message.contains("does not keep log, response and certificates"));
        assert!(read.hops[0].tls.as_ref().unwrap().sent.is_empty());
        let mut expected = ProbeReport { log: read.log.clone(), ..report.clone() };
        expected.hops[0].transcript.clear();
        expected
            .hops
            .iter_mut()
            .filter_map(|hop| hop.tls.as_mut())
            .for_each(|tls| tls.sent.clear());
        assert_eq!(format!("{read:?}"), format!("{expected:?}"));
        assert!(packed.weight() < report.weight() / 6, "{} {}", packed.weight(), report.weight());
    }

    #[test]
    fn a_large_report_loses_its_large_parts() {
        let mut report = samples::https("https://shop.example/", Some("refused"));
        report.log[0].message = "x".repeat(MAX_BYTES);
        let (_, read) = round_trip(&report);
        assert!(read.log[0].message.contains("does not keep log, response and certificates"));
        assert_eq!(read.metrics, report.metrics);
        let url = report.hops[0].url.as_mut().unwrap();
        url.push_str(&"x".repeat(MAX_BYTES));
        assert!(Packed::of(&report).is_none());
    }
}
