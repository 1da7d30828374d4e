//! The results of a TLS handshake and their metrics.

use std::sync::Arc;

use crate::{
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{
        Context,
        tls::{certificate::Certificate, verify_result::VerifyResult},
    },
    settings::tls::TlsVersion,
};

/// The earliest expiry of the certificates that the server sent.
pub const EARLIEST_CERT_EXPIRY: Metric = Metric::new(
    "probe_ssl_earliest_cert_expiry",
    "Earliest expiry (notAfter) of the certificates that the server sent, as Unix time in seconds.",
    [],
)
.when("once the server has sent certificates, also if they are rejected")
.unit(Unit::UnixTime);

/// The latest start of validity of the certificates that the server sent.
const LATEST_CERT_NOT_BEFORE: Metric = Metric::new(
    "probe_ssl_latest_cert_not_before",
    "Latest start of validity (notBefore) of the certificates that the server sent, as Unix time in \
     seconds.",
    [],
)
.extra()
.when("once the server has sent certificates, also if they are rejected")
.unit(Unit::UnixTime);

/// The latest expiry of the verified chains.
pub const LAST_CHAIN_EXPIRY: Metric = Metric::new(
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "Unix time until which at least one verified certificate chain is valid, in seconds.",
    [],
)
.when("if a chain was verified")
.unit(Unit::UnixTime);

/// The leaf certificate.
pub const LAST_CHAIN_INFO: Metric<5> = Metric::new(
    "probe_ssl_last_chain_info",
    "Certificate of the server (the leaf of its chain), also if it is rejected; always 1.",
    ["fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber"],
)
.when("once the server has sent certificates, also if they are rejected")
.labels_mean([
    "SHA-256 fingerprint of the certificate, in hexadecimal",
    "subject of the certificate",
    "issuer of the certificate",
    "DNS names of the certificate, separated by commas",
    "serial number of the certificate, in hexadecimal",
]);

/// The negotiated TLS version.
pub const VERSION_INFO: Metric<1> =
    Metric::new("probe_tls_version_info", "Negotiated TLS version; always 1.", ["version"])
        .when("if the TLS handshake was completed")
        .labels_mean(["TLS version, for example TLS 1.3"]);

/// The negotiated cipher.
pub const CIPHER_INFO: Metric<1> =
    Metric::new("probe_tls_cipher_info", "Negotiated TLS cipher suite; always 1.", ["cipher"])
        .when("if the TLS handshake was completed")
        .labels_mean(["IANA name of the cipher suite"]);

/// The result of the verification.
pub const VERIFY_INFO: Metric<1> = Metric::new(
    "probe_ssl_verify_info",
    "Result of the certificate verification; with insecure_skip_verify it does not fail the probe; \
     always 1.",
    ["result"],
)
.extra()
.when("once the server has sent certificates, also if they are rejected")
.labels_mean(["result; see the list of results below"]);

/// The metrics of a handshake.
pub const METRICS: &[Description] = &[
    EARLIEST_CERT_EXPIRY.describe(),
    LATEST_CERT_NOT_BEFORE.describe(),
    LAST_CHAIN_EXPIRY.describe(),
    LAST_CHAIN_INFO.describe(),
    VERSION_INFO.describe(),
    CIPHER_INFO.describe(),
    VERIFY_INFO.describe(),
];

/// The results of a handshake. They exist once the server has sent its certificates.
#[derive(Debug, Clone)]
pub struct TlsSession {
    /// The negotiated version; absent until the handshake is complete.
    pub version: Option<TlsVersion>,
    /// The IANA name of the negotiated cipher; absent until the handshake is complete.
    pub cipher: Option<String>,
    /// The negotiated ALPN protocol.
    pub alpn: Option<Vec<u8>>,
    /// The certificates that the server sent, the leaf first.
    pub peer_chain: Vec<Arc<Certificate>>,
    /// Every chain from the leaf to a trusted certificate, both included.
    pub verified_chains: Vec<Vec<Arc<Certificate>>>,
    /// The result of the verification, also if the module accepts any certificate.
    pub verify_result: VerifyResult,
    /// The explanation of the result for users; empty if the certificate is good.
    pub verify_detail: String,
}

impl TlsSession {
    /// Logs a completed handshake.
    pub(super) fn log(&self, context: &Context) {
        let version = self.version.map(|version| version.to_string()).unwrap_or_default();
        let cipher = self.cipher.as_deref().unwrap_or_default();
        context.log.debug("TLS handshake completed", &[("version", &version), ("cipher", &cipher)]);
        if self.verify_result != VerifyResult::Ok {
            context.log.info(
                "The certificate is invalid, but insecure_skip_verify is set",
                &[("result", &self.verify_result.label()), ("detail", &self.verify_detail)],
            );
        }
    }

    /// The size of the certificates that the server sent, in bytes.
    #[must_use]
    pub fn sent_bytes(&self) -> usize {
        self.peer_chain.iter().map(|certificate| certificate.der().len()).sum()
    }

    /// Returns whether the handshake is complete. Upstream exports nothing otherwise.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.version.is_some()
    }

    /// The earliest expiry of the certificates that the server sent, in Unix time.
    #[must_use]
    pub fn earliest_expiry(&self) -> Option<i64> {
        self.peer_chain.iter().map(|certificate| certificate.not_after()).min()
    }

    /// The latest start of validity of the certificates that the server sent, in Unix time.
    #[must_use]
    pub fn latest_not_before(&self) -> Option<i64> {
        self.peer_chain.iter().map(|certificate| certificate.not_before()).max()
    }

    /// The latest expiry of the verified chains, in Unix time. A chain expires with its first
    /// certificate, the trusted one included.
    #[must_use]
    pub fn last_chain_expiry(&self) -> Option<i64> {
        self.verified_chains
            .iter()
            .filter_map(|chain| chain.iter().map(|certificate| certificate.not_after()).min())
            .max()
    }
}

impl TlsSession {
    /// Adds all metrics. Upstream has only those in `upstream` for this prober, and only after a
    /// complete handshake.
    pub fn export_as(&self, upstream: &[&str], metrics: &mut MetricSet) {
        metrics.add_facts(self, if self.is_complete() { upstream } else { &[] });
    }
}

impl Export for TlsSession {
    /// Unlike upstream, the expiry of the chains is absent without a verified chain, rather than in
    /// the year 1, and the metrics are exported after a failed handshake too.
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&VERIFY_INFO, [self.verify_result.label()], 1);
        if let Some(expiry) = self.earliest_expiry() {
            metrics.add(&EARLIEST_CERT_EXPIRY, [], seconds(expiry));
        }
        if let Some(begin) = self.latest_not_before() {
            metrics.add(&LATEST_CERT_NOT_BEFORE, [], seconds(begin));
        }
        if let Some(expiry) = self.last_chain_expiry() {
            metrics.add(&LAST_CHAIN_EXPIRY, [], seconds(expiry));
        }
        if let Some(leaf) = self.peer_chain.first() {
            let labels = [
                leaf.fingerprint_sha256(),
                leaf.subject(),
                leaf.issuer(),
                &leaf.dns_names().join(","),
                leaf.serial_number(),
            ];
            metrics.add(&LAST_CHAIN_INFO, labels, 1);
        }
        if let Some(version) = self.version {
            metrics.add(&VERSION_INFO, [&version.to_string()], 1);
        }
        if let Some(cipher) = &self.cipher {
            metrics.add(&CIPHER_INFO, [cipher], 1);
        }
    }
}

/// Converts seconds to the value of a sample. All dates of X.509 are exact in it.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "below 2^53")]
fn seconds(time: i64) -> f64 {
    time as f64
}
