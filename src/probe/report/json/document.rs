//! The document itself: `docs/report.schema.json` is made from these types.

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What one probe found. Durations are in seconds, moments are in UTC as in RFC 3339. Secrets of
/// the module are nowhere in it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Document<'r> {
    /// The version of this document: 1.
    pub(super) version: u32,
    /// What was asked for.
    pub(super) request: Request<'r>,
    /// Whether the target is up: the metric `probe_success`.
    pub(super) success: bool,
    /// Why it is not; null when it is.
    pub(super) failure: Option<FailureDocument<'r>>,
    /// When the probe began.
    pub(super) started: String,
    /// How long it took.
    pub(super) duration_seconds: f64,
    /// How much of that was the exporter's own.
    pub(super) overhead_seconds: f64,
    /// The address that the probe turned to last, with the port if there is one; null when none
    /// was known.
    pub(super) address: Option<&'r str>,
    /// The exchanges that it made: one, or with redirects more.
    pub(super) hops: Vec<HopDocument<'r>>,
    /// The checks that were made, in their order.
    pub(super) checks: Vec<CheckDocument<'r>>,
    /// The samples that a scrape gets.
    pub(super) metrics: Vec<Sample<'r>>,
    /// What the probe noted on the way.
    pub(super) log: Vec<LogLine<'r>>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Request<'r> {
    /// The module's name.
    pub(super) module: &'r str,
    /// The module's prober, such as `http`.
    pub(super) prober: &'static str,
    /// The target, with passwords hidden.
    pub(super) target: &'r str,
    /// The host name that was given beside the target; null without one.
    pub(super) hostname: Option<&'r str>,
    /// How long the probe might take.
    pub(super) timeout_seconds: f64,
}

/// Why a probe failed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct FailureDocument<'r> {
    /// The step that failed, from a closed list.
    pub(super) stage: &'static str,
    /// The reason, from a closed list.
    pub(super) reason: &'static str,
    /// The particulars.
    pub(super) message: &'r str,
    /// What the reason means.
    pub(super) meaning: &'static str,
    /// What to check first.
    pub(super) advice: &'static str,
}

/// One exchange with one peer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct HopDocument<'r> {
    /// The URL that was asked for; null where the target says it all.
    pub(super) url: Option<&'r str>,
    /// The address that was turned to; null where none was known.
    pub(super) address: Option<&'r str>,
    /// When it began, since the probe did.
    pub(super) start_seconds: f64,
    /// What came back, in a few words; null without an answer.
    pub(super) answer: Option<&'r str>,
    /// Where its time went.
    pub(super) phases: Vec<PhaseDocument>,
    /// What TLS taught; null when no certificate was seen.
    pub(super) tls: Option<TlsDocument<'r>>,
}

/// A stretch of time.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct PhaseDocument {
    /// What it was spent on beside the target: `proxy`, `oauth2`; or else empty.
    pub(super) group: &'static str,
    /// The phase, as metrics name it.
    pub(super) name: &'static str,
    /// When it began, since the probe did.
    pub(super) start_seconds: f64,
    /// How long it took.
    pub(super) seconds: f64,
    /// Whether it was waited for what never came; the metric of the phase does not count it then.
    pub(super) incomplete: bool,
}

/// What a TLS handshake taught.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct TlsDocument<'r> {
    /// The version; null until the handshake is complete.
    pub(super) version: Option<String>,
    /// The cipher; null until the handshake is complete.
    pub(super) cipher: Option<&'r str>,
    /// The application protocol; null when none was agreed on.
    pub(super) alpn: Option<String>,
    /// The verdict on the certificate, also where the module accepts any.
    pub(super) verify_result: &'static str,
    /// What is wrong with the certificate; empty when nothing is.
    pub(super) verify_detail: &'r str,
    /// The certificates that the server sent, its own first.
    pub(super) certificates: Vec<CertificateDocument<'r>>,
}

/// An X.509 certificate.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct CertificateDocument<'r> {
    /// Whose it is.
    pub(super) subject: &'r str,
    /// Who signed it.
    pub(super) issuer: &'r str,
    /// What it is for: names, addresses, and what else there is.
    pub(super) names: Vec<String>,
    /// When it begins to be valid.
    pub(super) not_before: String,
    /// When it ceases to be valid.
    pub(super) not_after: String,
    /// The key, such as `RSA 2048`.
    pub(super) key: String,
    /// The algorithm of the signature, such as `ecdsa-with-SHA256`.
    pub(super) signature_algorithm: String,
    /// The bytes of the serial number in hexadecimal.
    pub(super) serial_number: &'r str,
    /// The SHA-256 of the certificate in hexadecimal.
    pub(super) fingerprint_sha256: &'r str,
}

/// A check that was made.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct CheckDocument<'r> {
    /// The name that the module gives it, or else its place there.
    pub(super) name: String,
    /// Whether it passed.
    pub(super) passed: bool,
    /// Why not; null when it passed.
    pub(super) message: Option<&'r str>,
}

/// One sample.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Sample<'r> {
    /// The metric.
    pub(super) name: &'static str,
    /// Its labels.
    pub(super) labels: BTreeMap<&'r str, &'r str>,
    /// Its value; null where that is no finite number.
    pub(super) value: Option<f64>,
}

/// A line of the log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct LogLine<'r> {
    /// When it was noted.
    pub(super) time: String,
    /// DEBUG, INFO, WARN or ERROR.
    pub(super) level: &'static str,
    /// What happened.
    pub(super) message: &'r str,
    /// The particulars.
    pub(super) fields: BTreeMap<&'static str, &'r str>,
}
