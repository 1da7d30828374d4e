//! The report as JSON, as returned for `format=json`.
//!
//! Within one version, keys are added and never changed or removed.

mod document;

use std::{fmt::Write as _, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};

use self::document::{
    CertificateDocument, CheckDocument, Document, FailureDocument, HopDocument, LogLine,
    PartDocument, PhaseDocument, RefusalDocument, Request, Sample, TlsDocument,
};
use super::{HopReport, MAX_NAMES, ProbeReport};
use crate::{
    diagnostics::{Check, Failure, Part, Refusal, log::LogEntry, logfmt::is_invisible},
    net::tls::{Certificate, StoredSession},
};

/// Version of the document.
const VERSION: u32 = 1;

impl ProbeReport {
    /// Renders the report as one JSON object, described by `docs/report.schema.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The document contains no values that JSON cannot represent.
        visible(serde_json::to_string(&Document::of(self)).unwrap_or_default())
    }
}

/// Escapes characters that a terminal would obey or not show. They occur in strings only.
pub(in crate::probe) fn visible(json: String) -> String {
    if !json.chars().any(is_invisible) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_invisible(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(character);
        }
    }
    text
}

impl<'r> Document<'r> {
    fn of(report: &'r ProbeReport) -> Self {
        Self {
            version: VERSION,
            request: Request {
                module: &report.module_name,
                prober: report.module.prober_name(),
                target: &report.target,
                hostname: report.hostname.as_deref(),
                timeout_seconds: report.timeout.as_secs_f64(),
            },
            success: report.verdict.is_ok(),
            failure: report
                .verdict
                .failure()
                .map(|failure| FailureDocument::of(failure, report.advice())),
            refusal: report.verdict.refusal().map(RefusalDocument::of),
            started: rfc3339(report.started.into()),
            queued_seconds: report.wait.as_ref().map_or(0.0, |wait| wait.duration.as_secs_f64()),
            duration_seconds: report.duration.as_secs_f64(),
            overhead_seconds: report.overhead().as_secs_f64(),
            address: report.address(),
            hops: report.hops.iter().map(HopDocument::of).collect(),
            checks: report.checks.iter().map(CheckDocument::of).collect(),
            metrics: samples(report),
            log: report.log.iter().map(LogLine::of).collect(),
        }
    }
}

fn samples(report: &ProbeReport) -> Vec<Sample<'_>> {
    let samples = report.metrics.samples().map(|(name, labels, value)| Sample {
        name,
        labels: labels.pairs().collect(),
        value: Some(value).filter(|value| value.is_finite()),
    });
    let mut samples: Vec<_> = samples.collect();
    samples.sort_by(|one, other| (one.name, &one.labels).cmp(&(other.name, &other.labels)));
    samples
}

impl<'r> FailureDocument<'r> {
    fn of(Failure { stage, reason, message }: &'r Failure, advice: &'static str) -> Self {
        let meaning = reason.meaning();
        Self { stage: stage.label(), reason: reason.label(), message, meaning, advice }
    }
}

impl<'r> RefusalDocument<'r> {
    fn of(Refusal { cause, message }: &'r Refusal) -> Self {
        let (meaning, advice) = (cause.meaning(), cause.advice());
        Self { cause: cause.label(), message, meaning, advice }
    }
}

impl<'r> HopDocument<'r> {
    fn of(hop: &'r HopReport) -> Self {
        let seconds = Duration::as_secs_f64;
        let phases = hop.phases.iter().map(|phase| PhaseDocument {
            group: phase.group,
            name: phase.name,
            start_seconds: seconds(&phase.start),
            seconds: seconds(&phase.length),
            incomplete: phase.incomplete,
        });
        Self {
            url: hop.url.as_deref(),
            address: hop.address.as_deref(),
            start_seconds: seconds(&hop.start),
            answer: hop.response.as_deref(),
            transcript: hop.transcript.iter().map(PartDocument::of).collect(),
            phases: phases.collect(),
            tls: hop.tls.as_ref().map(TlsDocument::of),
        }
    }
}

impl<'r> PartDocument<'r> {
    fn of(part: &'r Part) -> Self {
        let (kind, encoding) = (part.kind.label(), part.encoding.label());
        Self { kind, text: &part.text, encoding, omitted_bytes: part.omitted }
    }
}

impl<'r> TlsDocument<'r> {
    fn of(tls: &'r StoredSession) -> Self {
        Self {
            version: tls.version.map(|version| version.to_string()),
            cipher: tls.cipher.as_deref(),
            alpn: tls.alpn.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            verify_result: tls.verify_result.label(),
            verify_detail: &tls.verify_detail,
            certificates: tls.certificates().map(|it| CertificateDocument::of(&it)).collect(),
        }
    }
}

impl CertificateDocument {
    fn of(certificate: &Certificate) -> Self {
        let names = certificate.names(MAX_NAMES);
        Self {
            subject: certificate.subject().to_owned(),
            issuer: certificate.issuer().to_owned(),
            names: names.shown,
            names_omitted: names.omitted,
            not_before: super::utc(certificate.not_before()),
            not_after: super::utc(certificate.not_after()),
            key: certificate.key(),
            signature_algorithm: certificate.signature_algorithm(),
            serial_number: certificate.serial_number().to_owned(),
            fingerprint_sha256: certificate.fingerprint_sha256().to_owned(),
        }
    }
}

impl<'r> CheckDocument<'r> {
    fn of(check: &'r Check) -> Self {
        Self {
            name: check.name.to_string(),
            passed: check.is_good(),
            evaluated: check.skipped.is_none(),
            message: check.failure.as_ref().map(|it| it.message.as_str()).or(check.skipped),
        }
    }
}

impl<'r> LogLine<'r> {
    fn of(entry: &'r LogEntry) -> Self {
        Self {
            time: rfc3339(entry.time.into()),
            level: entry.level.as_str(),
            message: &entry.message,
            fields: entry.fields.iter().map(|(key, value)| (*key, value.as_str())).collect(),
        }
    }
}

/// Formats a time.
pub(in crate::probe) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
pub(super) mod tests {
    use std::{env, fs, path::Path};

    use schemars::Schema;

    use super::*;

    #[test]
    fn characters_that_a_terminal_obeys_are_escaped() {
        let text = "\u{9b}31m\u{7f}\u{202e}\u{e0041}\u{e9}\"\n";
        let json = visible(serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""\u009b31m\u007f\u202e\udb40\udc41é\"\n""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    /// Compares a published schema with that of the types; `UPDATE=1` regenerates it.
    #[track_caller]
    pub(in crate::probe) fn assert_published(file: &str, schema: &Schema) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = serde_json::to_string_pretty(schema).unwrap() + "\n";
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let published = fs::read_to_string(&path).unwrap_or_default();
        assert!(published == text, "UPDATE=1 makes {file} current");
    }

    #[test]
    fn the_published_schema_is_that_of_the_document() {
        assert_published("docs/report.schema.json", &schemars::schema_for!(Document<'_>));
    }
}
