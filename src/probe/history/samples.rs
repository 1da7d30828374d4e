//! Reports like those of real probes, for tests.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use crate::{
    config::{Config, Module},
    diagnostics::{
        Check, CheckName, Failure, ProbeLog, Reason, Stage, Verdict,
        transcript::{Encoding, Part, PartKind},
    },
    metrics::{MetricSet, Sample},
    net::tls::{StoredSession, VerifyResult},
    probe::{
        ProbeReport, catalogue,
        report::{HopReport, PhaseReport},
    },
    settings::tls::TlsVersion,
};

static MODULE: LazyLock<Arc<Module>> = LazyLock::new(|| {
    let config = Config::parse("modules: {http_2xx: {prober: http}}", "test.yml").unwrap();
    config.module("http_2xx").unwrap()
});

/// Returns a sample of a metric of the catalogue.
fn sample(name: &str, labels: &[&str], value: f64) -> Sample {
    let metric = catalogue().flat_map(|(_, metrics)| metrics).find(|it| it.name == name).unwrap();
    let labels = metric.labels.iter().zip(labels);
    Sample {
        name: metric.name,
        help: metric.help,
        extra: metric.extra,
        labels: labels.map(|(name, value)| ((*name).into(), (*value).to_owned())).collect(),
        value,
    }
}

/// As many samples as an http probe has.
fn gauges() -> Vec<Sample> {
    let metrics = catalogue().flat_map(|(_, metrics)| metrics);
    let names: BTreeSet<_> =
        metrics.filter(|metric| metric.labels.is_empty()).map(|metric| metric.name).collect();
    let names = names.into_iter().take(28).zip(0_u32..);
    names.map(|(name, index)| sample(name, &[], 200.0 + f64::from(index) / 7.0)).collect()
}

static HTTP: LazyLock<ProbeReport> = LazyLock::new(http_success);
static HTTPS: LazyLock<ProbeReport> = LazyLock::new(https_success);

/// A report of a probe over HTTP: a failure with this message, or a success.
pub(crate) fn http(target: &str, failure: Option<&str>) -> ProbeReport {
    of(&HTTP, target, failure)
}

/// The same over HTTPS.
pub(crate) fn https(target: &str, failure: Option<&str>) -> ProbeReport {
    of(&HTTPS, target, failure)
}

fn of(sample: &ProbeReport, target: &str, failure: Option<&str>) -> ProbeReport {
    let failure = failure.map(|message| Failure::new(Stage::Response, Reason::Closed, message));
    let verdict = failure.map_or(Verdict::Ok, Verdict::Failed);
    let mut report = ProbeReport { verdict, target: target.to_owned(), ..sample.clone() };
    report.hops[0].url = Some(target.to_owned());
    report
}

fn http_success() -> ProbeReport {
    let mut samples = gauges();
    let milliseconds = Duration::from_millis;
    let phases = ["resolve", "connect", "processing", "transfer"].into_iter().zip(0_u64..);
    let phases = phases.map(|(name, index)| {
        samples.push(sample("probe_http_duration_seconds", &[name], 0.012_345));
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
        target: String::new(),
        hostname: None,
        started: SystemTime::UNIX_EPOCH,
        duration: milliseconds(31),
        waited: milliseconds(30),
        timeout: milliseconds(9_500),
        wait: None,
        verdict: Verdict::Ok,
        hops: vec![HopReport {
            url: None,
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
        metrics: MetricSet::of(samples),
        log: log.take(),
        denial: None,
    }
}

fn https_success() -> ProbeReport {
    let mut report = http_success();
    let fingerprint = "5e1f".repeat(16);
    let labels = [&*fingerprint, "CN=R11,O=Let's Encrypt", "CN=shop.example", "shop.example", "07"];
    let chain = sample("probe_ssl_last_chain_info", &labels, 1.0);
    report.metrics = MetricSet::of([report.metrics.all(), &[chain]].concat());
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
