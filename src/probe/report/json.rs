//! The report as JSON: what `format=json` answers.
//!
//! `docs/report.schema.json` is the schema of this document, made from the types below. Within one
//! version, keys are added and never changed or removed.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use super::{HopReport, ProbeReport};
use crate::{
    evidence::{Check, Failure, log::LogEntry},
    net::tls::{Certificate, TlsSession},
};

/// The version of the document.
const VERSION: u32 = 1;

impl ProbeReport {
    /// The report as one JSON object, described by `docs/report.schema.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // There is nothing in it that JSON cannot say.
        serde_json::to_string(&Document::of(self)).unwrap_or_default()
    }
}

/// What one probe found. Durations are in seconds, moments are in UTC as in RFC 3339. Secrets of
/// the module are nowhere in it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Document<'r> {
    /// The version of this document: 1.
    version: u32,
    /// What was asked for.
    request: Request<'r>,
    /// Whether the target is up: the metric `probe_success`.
    success: bool,
    /// Why it is not; null when it is.
    failure: Option<FailureDocument<'r>>,
    /// When the probe began.
    started: String,
    /// How long it took.
    duration_seconds: f64,
    /// How much of that was the exporter's own.
    overhead_seconds: f64,
    /// The address that the probe turned to last, with the port if there is one; null when none
    /// was known.
    address: Option<&'r str>,
    /// The exchanges that it made: one, or with redirects more.
    hops: Vec<HopDocument<'r>>,
    /// The checks that were made, in their order.
    checks: Vec<CheckDocument<'r>>,
    /// The samples that a scrape gets.
    metrics: Vec<Sample<'r>>,
    /// What the probe noted on the way.
    log: Vec<LogLine<'r>>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Request<'r> {
    /// The module's name.
    module: &'r str,
    /// The module's prober, such as `http`.
    prober: &'static str,
    /// The target, with passwords hidden.
    target: &'r str,
    /// The host name that was given beside the target; null without one.
    hostname: Option<&'r str>,
    /// How long the probe might take.
    timeout_seconds: f64,
}

/// Why a probe failed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct FailureDocument<'r> {
    /// The step that failed, from a closed list.
    stage: &'static str,
    /// The reason, from a closed list.
    reason: &'static str,
    /// The particulars.
    message: &'r str,
    /// What the reason means.
    meaning: &'static str,
    /// What to check first.
    advice: &'static str,
}

/// One exchange with one peer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct HopDocument<'r> {
    /// The URL that was asked for; null where the target says it all.
    url: Option<&'r str>,
    /// The address that was turned to; null where none was known.
    address: Option<&'r str>,
    /// When it began, since the probe did.
    start_seconds: f64,
    /// What came back, in a few words; null without an answer.
    answer: Option<&'r str>,
    /// Where its time went.
    phases: Vec<PhaseDocument>,
    /// What TLS taught; null when no certificate was seen.
    tls: Option<TlsDocument<'r>>,
}

/// A stretch of time.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct PhaseDocument {
    /// What it was spent on beside the target: `proxy`, `oauth2`; or else empty.
    group: &'static str,
    /// The phase, as metrics name it.
    name: &'static str,
    /// When it began, since the probe did.
    start_seconds: f64,
    /// How long it took.
    seconds: f64,
    /// Whether it was waited for what never came; the metric of the phase does not count it then.
    in_vain: bool,
}

/// What a TLS handshake taught.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct TlsDocument<'r> {
    /// The version; null until the handshake is complete.
    version: Option<String>,
    /// The cipher; null until the handshake is complete.
    cipher: Option<&'r str>,
    /// The application protocol; null when none was agreed on.
    alpn: Option<String>,
    /// The verdict on the certificate, also where the module accepts any.
    verify_result: &'static str,
    /// What is wrong with the certificate; empty when nothing is.
    verify_detail: &'r str,
    /// The certificates that the server sent, its own first.
    certificates: Vec<CertificateDocument<'r>>,
}

/// An X.509 certificate.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct CertificateDocument<'r> {
    /// Whose it is.
    subject: &'r str,
    /// Who signed it.
    issuer: &'r str,
    /// What it is for: names, addresses, and what else there is.
    names: Vec<String>,
    /// When it begins to be valid.
    not_before: String,
    /// When it ceases to be valid.
    not_after: String,
    /// The key, such as `RSA 2048`.
    key: String,
    /// The algorithm of the signature, such as `ecdsa-with-SHA256`.
    signature_algorithm: String,
    /// The bytes of the serial number in hexadecimal.
    serial_number: &'r str,
    /// The SHA-256 of the certificate in hexadecimal.
    fingerprint_sha256: &'r str,
}

/// A check that was made.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct CheckDocument<'r> {
    /// The name that the module gives it, or else its place there.
    name: String,
    /// Whether it passed.
    passed: bool,
    /// Why not; null when it passed.
    message: Option<&'r str>,
}

/// One sample.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Sample<'r> {
    /// The metric.
    name: &'static str,
    /// Its labels.
    labels: BTreeMap<&'r str, &'r str>,
    /// Its value; null where that is no finite number.
    value: Option<f64>,
}

/// A line of the log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct LogLine<'r> {
    /// When it was noted.
    time: String,
    /// DEBUG, INFO, WARN or ERROR.
    level: &'static str,
    /// What happened.
    message: &'r str,
    /// The particulars.
    fields: BTreeMap<&'static str, &'r str>,
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
            failure: report.verdict.as_ref().err().map(FailureDocument::of),
            started: rfc3339(report.started.into()),
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
    fn of(Failure { stage, reason, message }: &'r Failure) -> Self {
        let (meaning, advice) = (reason.meaning(), reason.advice());
        Self { stage: stage.label(), reason: reason.label(), message, meaning, advice }
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
            in_vain: phase.in_vain,
        });
        Self {
            url: hop.url.as_deref(),
            address: hop.address.as_deref(),
            start_seconds: seconds(&hop.start),
            answer: hop.answer.as_deref(),
            phases: phases.collect(),
            tls: hop.tls.as_ref().map(TlsDocument::of),
        }
    }
}

impl<'r> TlsDocument<'r> {
    fn of(tls: &'r TlsSession) -> Self {
        Self {
            version: tls.version.map(|version| version.to_string()),
            cipher: tls.cipher.as_deref(),
            alpn: tls.alpn.as_ref().map(|name| String::from_utf8_lossy(name).into_owned()),
            verify_result: tls.verify_result.label(),
            verify_detail: &tls.verify_detail,
            certificates: tls.peer_chain.iter().map(|it| CertificateDocument::of(it)).collect(),
        }
    }
}

impl<'r> CertificateDocument<'r> {
    fn of(certificate: &'r Certificate) -> Self {
        Self {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            names: certificate.all_names(),
            not_before: super::utc(certificate.not_before()),
            not_after: super::utc(certificate.not_after()),
            key: certificate.key(),
            signature_algorithm: certificate.signature_algorithm(),
            serial_number: certificate.serial_number(),
            fingerprint_sha256: certificate.fingerprint_sha256(),
        }
    }
}

impl<'r> CheckDocument<'r> {
    fn of(check: &'r Check) -> Self {
        Self {
            name: check.name.to_string(),
            passed: check.failure.is_none(),
            message: check.failure.as_ref().map(|failure| failure.message.as_str()),
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

fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// The schema that is published follows the types; `UPDATE=1` writes it anew.
    #[test]
    fn the_published_schema_is_that_of_the_document() {
        const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json");
        let schema = schemars::schema_for!(Document<'_>);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if env::var_os("UPDATE").is_some() {
            fs::write(FILE, &text).unwrap();
        }
        assert!(fs::read_to_string(FILE).unwrap() == text, "UPDATE=1 makes {FILE} current");
    }
}
