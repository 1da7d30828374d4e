//! Reports like those of real probes, for tests.

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use crate::{
    config::{Config, Module},
    diagnostics::{
        Check, CheckName, Failure, ProbeLog, Reason, Stage, Verdict,
        transcript::{Encoding, Part, PartKind},
    },
    metrics::{Metric, MetricSet},
    net::tls::{StoredSession, VerifyResult},
    probe::{
        ProbeReport,
        report::{HopReport, PhaseReport},
    },
    settings::tls::TlsVersion,
};

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let config = Config::parse("modules: {http_2xx: {prober: http}}", "test.yml").unwrap();
    config.module("http_2xx").unwrap()
});

const PHASE: Metric<1> = Metric::new("probe_http_duration_seconds", "Duration.", ["phase"]);
const GAUGES: [Metric; 28] = {
    const GAUGE: Metric = Metric::new("probe_gauge", "One of the metrics of a probe.", []);
    [GAUGE; 28]
};
const NAMES: [&str; 28] = [
    "probe_a", "probe_b", "probe_c", "probe_d", "probe_e", "probe_f", "probe_g", "probe_h",
    "probe_i", "probe_j", "probe_k", "probe_l", "probe_m", "probe_n", "probe_o", "probe_p",
    "probe_q", "probe_r", "probe_s", "probe_t", "probe_u", "probe_v", "probe_w", "probe_x",
    "probe_y", "probe_z", "probe_aa", "probe_ab",
];

/// A report of a probe over HTTP: a failure with this message, or a success.
pub(crate) fn http(target: &str, failure: Option<&str>) -> ProbeReport {
    let failure = failure.map(|message| Failure::new(Stage::Response, Reason::Closed, message));
    let verdict = failure.map_or(Verdict::Ok, Verdict::Failed);
    let mut metrics = MetricSet::default();
    for (index, (metric, name)) in (0_u32..).zip(GAUGES.into_iter().zip(NAMES)) {
        metrics.add(&Metric { name, ..metric }, [], 200.0 + f64::from(index) / 7.0);
    }
    let milliseconds = Duration::from_millis;
    let phases = ["resolve", "connect", "processing", "transfer"].into_iter().zip(0_u64..);
    let phases = phases.map(|(name, index)| {
        metrics.add(&PHASE, [name], 0.012_345);
        let (start, length) = (milliseconds(7 * index), Duration::from_nanos(6_543_210));
        PhaseReport { group: "", name, start, length, incomplete: false }
    });
    let phases = phases.collect();
    let log = ProbeLog::default();
    for number in 0..10 {
        log.debug("Something happened", &[("address", &"192.0.2.7:443"), ("number", &number)]);
    }
    ProbeReport {
        module_name: "http_2xx".to_owned(),
        module: Arc::clone(&MODULE),
        target: target.to_owned(),
        hostname: None,
        started: SystemTime::UNIX_EPOCH,
        duration: milliseconds(31),
        waited: milliseconds(30),
        timeout: milliseconds(9_500),
        wait: None,
        verdict,
        hops: vec![HopReport {
            url: Some(target.to_owned()),
            address: Some("192.0.2.7:443".to_owned()),
            start: Duration::ZERO,
            response: Some("HTTP/1.1 200".to_owned()),
            transcript: vec![Part::finished(
                PartKind::Body,
                "down for maintenance".to_owned(),
                Encoding::Lossy,
                4_711,
            )],
            tls: None,
            phases,
        }],
        checks: vec![Check {
            name: CheckName::of_key("valid_status_codes"),
            failure: None,
            skipped: None,
        }],
        metrics,
        log: log.take(),
        denial: None,
    }
}

/// The same over HTTPS.
pub(crate) fn https(target: &str, failure: Option<&str>) -> ProbeReport {
    const CHAIN: Metric<4> = Metric::new(
        "probe_ssl_last_chain_info",
        "The certificate.",
        ["fingerprint_sha256", "issuer", "subject", "subjectalternative"],
    );
    let mut report = http(target, failure);
    let fingerprint = "5e1f".repeat(16);
    let labels = [&*fingerprint, "CN=R11,O=Let's Encrypt,C=US", "CN=shop.example", "shop.example"];
    report.metrics.add(&CHAIN, labels, 1);
    for hop in &mut report.hops {
        hop.tls = Some(StoredSession {
            version: Some(TlsVersion::Tls13),
            cipher: Some("TLS_AES_128_GCM_SHA256".to_owned()),
            alpn: Some(b"h2".to_vec()),
            sent: [1_200, 1_300].map(|length| vec![7; length].into()).to_vec(),
            verify_result: VerifyResult::Ok,
            verify_detail: String::new(),
        });
    }
    report
}
