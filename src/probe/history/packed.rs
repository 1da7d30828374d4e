//! Reports in compact form. That of a success takes a tenth of the memory of the report.

use std::{
    cell::Cell,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    codec::{Names, Reader, Writer},
    key::TargetKey,
};
use crate::{
    config::Module,
    diagnostics::{
        Check, CheckName, Failure, LogEntry, ProbeLog, Reason, Stage, Verdict,
        transcript::{Encoding, Part, PartKind},
    },
    metrics::{MetricSet, allocation},
    net::tls::{StoredSession, VerifyResult},
    probe::{
        ProbeReport, Wait,
        report::{HopReport, PhaseReport},
    },
    settings::tls::TlsVersion,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Everything.
    Full,
    /// Neither the log nor the response nor certificates.
    Results,
    /// No metrics either.
    Verdict,
}

thread_local! {
    /// Memory for the bytes of a report that is encoded.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Packed {
    /// Encodes the report of a success or a failure. Returns `None` for a refusal, and for a report
    /// that is too large even without its large parts.
    pub(super) fn of(report: &ProbeReport, names: &RwLock<Names>) -> Option<Self> {
        let details: &[Detail] = match report.verdict {
            Verdict::Ok => &[Detail::Results, Detail::Verdict],
            Verdict::Failed(_) => &[Detail::Full, Detail::Results, Detail::Verdict],
            Verdict::Refused(_) => return None,
        };
        let bytes = details.iter().find_map(|detail| encode(report, *detail, names))?;
        Some(Self { module: Arc::clone(&report.module), bytes })
    }

    /// Decodes the report.
    pub(super) fn report(&self, key: &TargetKey, names: &RwLock<Names>) -> Option<ProbeReport> {
        let names = names.read().unwrap_or_else(PoisonError::into_inner);
        read_report(&mut Reader::new(&names, &self.bytes), key, &self.module)
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

/// Encodes a report. Returns `None` if it is too long.
fn encode(report: &ProbeReport, detail: Detail, names: &RwLock<Names>) -> Option<Arc<[u8]>> {
    loop {
        let known = names.read().unwrap_or_else(PoisonError::into_inner);
        let mut writer = Writer::new(&known, BUFFER.take());
        write_report(&mut writer, report, detail);
        let unknown = std::mem::take(&mut writer.unknown);
        let bytes = writer.into_bytes();
        drop(known);
        let is_complete = unknown.is_empty();
        let packed = (is_complete && bytes.len() <= MAX_BYTES).then(|| Arc::from(bytes.as_slice()));
        if bytes.len() <= MAX_BYTES {
            BUFFER.set(bytes);
        }
        if is_complete {
            return packed;
        }
        names.write().unwrap_or_else(PoisonError::into_inner).add(unknown);
    }
}

fn write_report(writer: &mut Writer<'_>, report: &ProbeReport, detail: Detail) {
    // The policy's decision is not shown to clients, and the names are in the key.
    let ProbeReport { started, duration, waited, timeout, wait, verdict, .. } = report;
    let ProbeReport { hops, checks, metrics, log, .. } = report;
    writer.flag(detail == Detail::Full);
    writer.flag(detail == Detail::Verdict);
    writer.time(*started);
    for time in [duration, waited, timeout] {
        writer.duration(*time);
    }
    writer.flag(wait.is_some());
    if let Some(Wait { duration, whole_timeout }) = wait.as_deref() {
        writer.duration(*duration);
        writer.duration(*whole_timeout);
    }
    write_failure(writer, verdict.failure());
    writer.length(hops.len());
    for hop in hops {
        write_hop(writer, hop, detail);
    }
    writer.length(checks.len());
    for Check { name, failure, skipped } in checks {
        let (given, section, key, index) = name.parts();
        writer.optional(given);
        writer.name(section);
        writer.name(key);
        writer.length(index.map_or(0, |index| index + 1));
        write_failure(writer, failure.as_ref());
        writer.flag(skipped.is_some());
        if let Some(reason) = skipped {
            writer.name(reason);
        }
    }
    if detail != Detail::Verdict {
        metrics_codec::write(writer, metrics);
    }
    if detail == Detail::Full {
        writer.length(log.len());
        for entry in log {
            write_entry(writer, entry);
        }
    }
}

fn write_failure(writer: &mut Writer<'_>, failure: Option<&Failure>) {
    writer.flag(failure.is_some());
    if let Some(Failure { stage, reason, message }) = failure {
        writer.name(stage.label());
        writer.name(reason.label());
        writer.text(message);
    }
}

fn write_hop(writer: &mut Writer<'_>, hop: &HopReport, detail: Detail) {
    let HopReport { url, address, start, response, transcript, tls, phases } = hop;
    for text in [url, address, response] {
        writer.optional(text.as_deref());
    }
    writer.duration(*start);
    let transcript = if detail == Detail::Full { transcript.as_slice() } else { &[] };
    writer.length(transcript.len());
    for part in transcript {
        writer.name(part.kind.label());
        writer.text(&part.text);
        writer.name(part.encoding.label());
        writer.number(part.omitted);
    }
    writer.flag(tls.is_some());
    if let Some(StoredSession { version, cipher, alpn, sent, verify_result, verify_detail }) = tls {
        writer.name(version.map_or("", TlsVersion::keyword));
        writer.optional(cipher.as_deref());
        writer.flag(alpn.is_some());
        writer.blob(alpn.as_deref().unwrap_or_default());
        let sent = if detail == Detail::Full { sent.as_slice() } else { &[] };
        writer.length(sent.len());
        for der in sent {
            writer.blob(der);
        }
        writer.name(verify_result.label());
        writer.text(verify_detail);
    }
    writer.length(phases.len());
    for PhaseReport { group, name, start, length, incomplete } in phases {
        writer.name(group);
        writer.name(name);
        writer.duration(*start);
        writer.duration(*length);
        writer.flag(*incomplete);
    }
}

fn write_entry(writer: &mut Writer<'_>, entry: &LogEntry) {
    let LogEntry { time, level, message, fields } = entry;
    writer.time(*time);
    writer.name(level.as_str());
    writer.text(message);
    writer.length(fields.len());
    for (key, value) in fields {
        writer.name(key);
        writer.text(value);
    }
}

fn read_report(
    reader: &mut Reader<'_>,
    key: &TargetKey,
    module: &Arc<Module>,
) -> Option<ProbeReport> {
    let (is_full, has_no_metrics) = (reader.flag()?, reader.flag()?);
    let started = reader.time()?;
    let [duration, waited, timeout] = [reader.duration()?, reader.duration()?, reader.duration()?];
    let wait = if reader.flag()? {
        let (duration, whole_timeout) = (reader.duration()?, reader.duration()?);
        Some(Box::new(Wait { duration, whole_timeout }))
    } else {
        None
    };
    let verdict = read_failure(reader)?.map_or(Verdict::Ok, Verdict::Failed);
    let hops = reader.list(read_hop)?;
    let checks = reader.list(|reader| {
        let given = reader.optional()?;
        let (section, key) = (reader.name()?, reader.name()?);
        let name = CheckName::of_parts(given, section, key, reader.length()?.checked_sub(1));
        let failure = read_failure(reader)?;
        let skipped = if reader.flag()? { Some(reader.name()?) } else { None };
        Some(Check { name, failure, skipped })
    })?;
    let metrics = if has_no_metrics { MetricSet::default() } else { metrics_codec::read(reader)? };
    let log = if is_full { reader.list(read_entry)? } else { note(started, has_no_metrics) };
    Some(ProbeReport {
        module_name: key.module().to_owned(),
        module: Arc::clone(module),
        target: key.target().to_owned(),
        hostname: key.hostname().map(str::to_owned),
        started,
        duration,
        waited,
        timeout,
        wait,
        verdict,
        hops,
        checks,
        metrics,
        log,
        denial: None,
    })
}

/// The log of a report whose log is not stored.
fn note(started: std::time::SystemTime, has_no_metrics: bool) -> Vec<LogEntry> {
    let log = ProbeLog::default();
    let parts = if has_no_metrics {
        "log, response, certificates and metrics"
    } else {
        "log, response and certificates"
    };
    log.info(format!("The history does not keep {parts} of this older report"), &[]);
    log.take().into_iter().map(|entry| LogEntry { time: started, ..entry }).collect()
}

#[expect(clippy::option_option, reason = "the outer one tells invalid bytes")]
fn read_failure(reader: &mut Reader<'_>) -> Option<Option<Failure>> {
    if !reader.flag()? {
        return Some(None);
    }
    let (stage, reason, message) = (reader.name()?, reader.name()?, reader.text()?);
    let stage = Stage::ALL.iter().find(|it| it.label() == stage)?;
    let reason = Reason::ALL.iter().find(|it| it.label() == reason)?;
    Some(Some(Failure { stage: *stage, reason: *reason, message }))
}

fn read_hop(reader: &mut Reader<'_>) -> Option<HopReport> {
    let [url, address, response] = [reader.optional()?, reader.optional()?, reader.optional()?];
    let start = reader.duration()?;
    let transcript = reader.list(read_part)?;
    let tls = if reader.flag()? { Some(read_session(reader)?) } else { None };
    let phases = reader.list(|reader| {
        Some(PhaseReport {
            group: reader.name()?,
            name: reader.name()?,
            start: reader.duration()?,
            length: reader.duration()?,
            incomplete: reader.flag()?,
        })
    })?;
    Some(HopReport { url, address, start, response, transcript, tls, phases })
}

fn read_part(reader: &mut Reader<'_>) -> Option<Part> {
    let (kind, text) = (reader.name()?, reader.text()?);
    let (encoding, omitted) = (reader.name()?, reader.number()?);
    let kind = PartKind::ALL.into_iter().find(|it| it.label() == kind)?;
    let encoding = Encoding::ALL.into_iter().find(|it| it.label() == encoding)?;
    Some(Part::finished(kind, text, encoding, omitted))
}

fn read_session(reader: &mut Reader<'_>) -> Option<StoredSession> {
    let version = reader.name()?;
    let version = TlsVersion::ALL.into_iter().find(|it| it.keyword() == version);
    let cipher = reader.optional()?;
    let has_alpn = reader.flag()?;
    let alpn = reader.blob()?;
    let alpn = has_alpn.then(|| alpn.to_vec());
    let sent = reader.list(|reader| reader.blob().map(Arc::from))?;
    let result = reader.name()?;
    let verify_result = *VerifyResult::ALL.iter().find(|it| it.label() == result)?;
    let verify_detail = reader.text()?;
    Some(StoredSession { version, cipher, alpn, sent, verify_result, verify_detail })
}

fn read_entry(reader: &mut Reader<'_>) -> Option<LogEntry> {
    let time = reader.time()?;
    let level = reader.name()?.parse().ok()?;
    let message = reader.text()?;
    let fields = reader.list(|reader| Some((reader.name()?, reader.text()?)))?;
    Some(LogEntry { time, level, message, fields })
}

mod metrics_codec {
    //! Metrics: names are numbers, values are as short as they can be.

    use std::borrow::Cow;

    use super::{MetricSet, Reader, Writer};
    use crate::metrics::Sample;

    pub(super) fn write(writer: &mut Writer<'_>, metrics: &MetricSet) {
        let samples = metrics.all();
        writer.length(samples.len());
        for Sample { name, help, extra, labels, value } in samples {
            writer.name(name);
            writer.name(help);
            writer.flag(*extra);
            writer.length(labels.len());
            for (label, text) in labels {
                writer.flag(matches!(label, Cow::Borrowed(_)));
                match label {
                    Cow::Borrowed(label) => writer.name(label),
                    Cow::Owned(label) => writer.text(label),
                }
                writer.text(text);
            }
            writer.float(*value);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<MetricSet> {
        let samples = reader.list(|reader| {
            let (name, help, extra) = (reader.name()?, reader.name()?, reader.flag()?);
            let labels = reader.list(|reader| {
                let label = if reader.flag()? {
                    Cow::Borrowed(reader.name()?)
                } else {
                    Cow::Owned(reader.text()?)
                };
                Some((label, reader.text()?))
            })?;
            Some(Sample { name, help, extra, labels, value: reader.float()? })
        })?;
        Some(MetricSet::of(samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::history::samples;

    fn round_trip(report: &ProbeReport) -> (Packed, ProbeReport) {
        let names = RwLock::default();
        let packed = Packed::of(report, &names).unwrap();
        let key = TargetKey::of(report).unwrap();
        let read = packed.report(&key, &names).unwrap();
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
        assert!(Packed::of(&report, &RwLock::default()).is_none());
    }
}
