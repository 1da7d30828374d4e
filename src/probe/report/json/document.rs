//! The types of the JSON document. `docs/report.schema.json` is generated from them.

use std::collections::BTreeMap;

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// The report of one probe. Durations are in seconds, times are RFC 3339 in UTC. Secrets of the
/// module are masked.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Document<'r> {
    /// Version of this document: 1.
    pub(super) version: u32,
    /// The request.
    pub(super) request: Request<'r>,
    /// True if the probe succeeded: the metric `probe_success`.
    pub(super) success: bool,
    /// The failure; null if the probe succeeded or was refused.
    pub(super) failure: Option<FailureDocument<'r>>,
    /// The refusal by the exporter, which says nothing about the target; null if the probe succeeded or
    /// failed.
    pub(super) refusal: Option<RefusalDocument<'r>>,
    /// Start of the probe.
    pub(super) started: String,
    /// Time for which the probe waited in the queue before it started.
    pub(super) queued_seconds: f64,
    /// Duration of the probe.
    pub(super) duration_seconds: f64,
    /// Time spent in the exporter itself.
    pub(super) overhead_seconds: f64,
    /// The address of the last connection attempt, with the port if there is one; null if no address
    /// was known.
    pub(super) address: Option<&'r str>,
    /// The exchanges with peers: one, or more with redirects.
    pub(super) hops: Vec<HopDocument<'r>>,
    /// The results of the checks, in the order of the module.
    pub(super) checks: Vec<CheckDocument<'r>>,
    /// The samples that a scrape returns.
    pub(super) metrics: Vec<Sample<'r>>,
    /// The log of the probe.
    pub(super) log: Vec<LogLine<'r>>,
}

/// The request of a probe.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Request<'r> {
    /// Name of the module.
    pub(super) module: &'r str,
    /// Prober of the module, for example `http`.
    pub(super) prober: &'static str,
    /// The target, with passwords masked.
    pub(super) target: &'r str,
    /// The parameter `hostname` of the request; null without it.
    pub(super) hostname: Option<&'r str>,
    /// Timeout of the probe.
    pub(super) timeout_seconds: f64,
}

/// The failure of a probe.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct FailureDocument<'r> {
    /// The stage that failed, one of a fixed list.
    pub(super) stage: &'static str,
    /// The reason, one of a fixed list.
    pub(super) reason: &'static str,
    /// The details.
    pub(super) message: &'r str,
    /// Meaning of the reason.
    pub(super) meaning: &'static str,
    /// Advice on the first thing to check.
    pub(super) advice: &'static str,
}

/// The refusal of a probe.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct RefusalDocument<'r> {
    /// The cause, one of a fixed list.
    pub(super) cause: &'static str,
    /// The response to the client.
    pub(super) message: &'r str,
    /// Meaning of the cause.
    pub(super) meaning: &'static str,
    /// Advice on what to change.
    pub(super) advice: &'static str,
}

/// One exchange with one peer.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct HopDocument<'r> {
    /// The requested URL; null for probers without URLs.
    pub(super) url: Option<&'r str>,
    /// The address of the last connection attempt; null if no address was known.
    pub(super) address: Option<&'r str>,
    /// Start of the exchange, relative to the start of the probe.
    pub(super) start_seconds: f64,
    /// The response in a few words; null without a response.
    pub(super) answer: Option<&'r str>,
    /// Excerpts of the response or of the dialogue, in order. Empty if the probe succeeded, unless this
    /// document was requested with the probe, and with `show_response: false`.
    pub(super) transcript: Vec<PartDocument<'r>>,
    /// The phases, ordered by their start.
    pub(super) phases: Vec<PhaseDocument>,
    /// The TLS session; null if no certificate was received.
    pub(super) tls: Option<TlsDocument<'r>>,
}

/// An excerpt of what the peer sent, or of what was sent to it. Values that are secret by their name are
/// masked.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct PartDocument<'r> {
    /// `status_line`, `headers`, `body` or `trailers` of an HTTP response, `sent` or `received` in a
    /// dialogue, or `answer` for a decoded response.
    pub(super) kind: &'static str,
    /// The text, of which the end may be missing.
    pub(super) text: &'r str,
    /// `utf-8`; `lossy` if bytes that are not UTF-8 were replaced; or `binary` if bytes that are not
    /// printable ASCII were escaped, such as `\\x00`.
    pub(super) encoding: &'static str,
    /// Number of bytes that are missing at the end.
    pub(super) omitted_bytes: u64,
}

/// A phase of an exchange.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct PhaseDocument {
    /// `proxy` or `oauth2` for phases spent there; empty for those of the target.
    pub(super) group: &'static str,
    /// Name of the phase, as in metrics.
    pub(super) name: &'static str,
    /// Start of the phase, relative to the start of the probe.
    pub(super) start_seconds: f64,
    /// Duration of the phase.
    pub(super) seconds: f64,
    /// True if the phase did not complete, for example because of a timeout. The metric of the phase
    /// does not include its time.
    pub(super) incomplete: bool,
}

/// A TLS session.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct TlsDocument<'r> {
    /// Version of TLS; null if the handshake was not completed.
    pub(super) version: Option<String>,
    /// Cipher suite; null if the handshake was not completed.
    pub(super) cipher: Option<&'r str>,
    /// Application protocol (ALPN); null if none was negotiated.
    pub(super) alpn: Option<String>,
    /// Result of the certificate verification, also if the module does not require it.
    pub(super) verify_result: &'static str,
    /// Details of a failed verification; empty if it succeeded.
    pub(super) verify_detail: &'r str,
    /// The certificates sent by the server, its own first.
    pub(super) certificates: Vec<CertificateDocument>,
}

/// An X.509 certificate.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct CertificateDocument {
    /// The subject.
    pub(super) subject: String,
    /// The issuer.
    pub(super) issuer: String,
    /// The subject alternative names: host names, addresses and others.
    pub(super) names: Vec<String>,
    /// Number of further names.
    pub(super) names_omitted: usize,
    /// Start of the validity.
    pub(super) not_before: String,
    /// End of the validity.
    pub(super) not_after: String,
    /// Type and size of the key, for example `RSA 2048`.
    pub(super) key: String,
    /// Signature algorithm, for example `ecdsa-with-SHA256`.
    pub(super) signature_algorithm: String,
    /// Serial number in hexadecimal.
    pub(super) serial_number: String,
    /// SHA-256 fingerprint in hexadecimal.
    pub(super) fingerprint_sha256: String,
}

/// The result of a check.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct CheckDocument<'r> {
    /// Name of the check in the module, or its configuration key.
    pub(super) name: String,
    /// True if the check was evaluated and passed.
    pub(super) passed: bool,
    /// False if the check was not evaluated, because the probe failed before.
    pub(super) evaluated: bool,
    /// Reason of the failure, or for which the check was not evaluated; null if the check passed.
    pub(super) message: Option<&'r str>,
}

/// One sample of a metric.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct Sample<'r> {
    /// Name of the metric.
    pub(super) name: &'static str,
    /// Labels of the sample.
    pub(super) labels: BTreeMap<&'r str, &'r str>,
    /// Value of the sample; null if it is not a finite number.
    pub(super) value: Option<f64>,
}

/// A log entry.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub(super) struct LogLine<'r> {
    /// Time of the entry.
    pub(super) time: String,
    /// Level: DEBUG, INFO, WARN or ERROR.
    pub(super) level: &'static str,
    /// The message.
    pub(super) message: &'r str,
    /// Additional fields.
    pub(super) fields: BTreeMap<&'static str, &'r str>,
}
