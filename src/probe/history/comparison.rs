//! Comparison of two reports of one target.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    diagnostics::{PartKind, humanize},
    metrics::Sample,
    net::tls::{StoredSession, VerifyResult},
    probe::{
        ProbeReport,
        report::{HopReport, utc},
    },
};

/// A difference between two reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The compared fact.
    pub what: String,
    /// Its values in the first and in the second report; empty if it is absent.
    pub values: [String; 2],
}

/// Maximum number of metrics and of lines of the configuration.
const MAX_METRICS: usize = 12;
const MAX_LINES: usize = 12;

/// Differences between durations of a phase that are shown: this long, and this factor.
const MIN_PHASE_DIFFERENCE: Duration = Duration::from_millis(5);
const MIN_PHASE_FACTOR: u32 = 2;

/// Metrics that are compared as facts of their own, or that differ from probe to probe.
const OTHER_METRICS: [&str; 18] = [
    "probe_success",
    "probe_failure_info",
    "probe_failure_address_info",
    "probe_check_failed",
    "probe_ip_addr_hash",
    "probe_http_redirects",
    "probe_http_status_code",
    "probe_http_version",
    "probe_http_last_modified_timestamp_seconds",
    "probe_ssl_earliest_cert_expiry",
    "probe_ssl_last_chain_expiry_timestamp_seconds",
    "probe_ssl_last_chain_info",
    "probe_ssl_latest_cert_not_before",
    "probe_ssl_verify_info",
    "probe_tls_cipher_info",
    "probe_tls_version_info",
    "probe_websocket_status_code",
    "probe_tcp_retransmits",
];

/// Returns the differences between two reports of one target, the most telling ones first.
///
/// Of a probe that a policy denied, only the result is compared: the rest may name what the target led to.
#[must_use]
pub fn differences(reports: [&ProbeReport; 2]) -> Vec<Difference> {
    let mut found = Found::default();
    found.add("Result", reports.map(result));
    if reports.iter().any(|report| report.is_denied()) {
        return found.0;
    }
    found.add("Failed checks", reports.map(failed_checks));
    found.add("Response", reports.map(|report| last(report, |hop| hop.response.clone())));
    add_answer(&mut found, reports);
    found.add("Path of redirects", reports.map(redirects));
    found.add("Address", reports.map(|report| report.address().unwrap_or_default().to_owned()));
    add_tls(&mut found, reports);
    add_configuration(&mut found, reports);
    add_phases(&mut found, reports);
    add_metrics(&mut found, reports);
    found.0
}

#[derive(Default)]
struct Found(Vec<Difference>);

impl Found {
    /// Adds a fact if its values differ.
    fn add(&mut self, what: impl Into<String>, values: [String; 2]) {
        let [one, other] = &values;
        if one != other {
            self.0.push(Difference { what: what.into(), values });
        }
    }

    /// Adds a fact that both reports have.
    fn add_known(&mut self, what: impl Into<String>, values: [Option<String>; 2]) {
        if let [Some(one), Some(other)] = values {
            self.add(what, [one, other]);
        }
    }
}

fn result(report: &ProbeReport) -> String {
    match report.verdict.failure() {
        Some(failure) => format!("{} ({}: {})", failure.message, failure.stage, failure.reason),
        None => "success".to_owned(),
    }
}

fn failed_checks(report: &ProbeReport) -> String {
    let failed = report.checks.iter().filter(|check| check.failure.is_some());
    failed.map(|check| check.name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Returns a fact of the last hop that has it.
fn last(report: &ProbeReport, fact: impl Fn(&HopReport) -> Option<String>) -> String {
    report.hops.iter().rev().find_map(fact).unwrap_or_default()
}

/// Adds the lines of the DNS answers that differ. Reports of successes have none, unless a client asked
/// for it.
fn add_answer(found: &mut Found, reports: [&ProbeReport; 2]) {
    let answers = reports.map(|report| {
        let mut parts = report.hops.iter().flat_map(|hop| &hop.transcript);
        parts.find(|part| part.kind == PartKind::Answer).map(|part| part.text.as_str())
    });
    let [one, other] = answers.map(Option::unwrap_or_default);
    let mut lines = [only_in(one, other), only_in(other, one)];
    for ((shown, answer), report) in lines.iter_mut().zip(answers).zip(reports) {
        if answer.is_none() && report.verdict.is_ok() {
            "not kept".clone_into(shown);
        }
    }
    if answers != [None, None] {
        found.add("DNS answer", lines);
    }
}

/// Returns the URLs to which redirects led.
fn redirects(report: &ProbeReport) -> String {
    let urls: Vec<_> = report.hops.iter().skip(1).filter_map(|hop| hop.url.as_deref()).collect();
    urls.join(" → ")
}

/// Adds the TLS sessions of the last hops. A probe that failed before the handshake has none.
fn add_tls(found: &mut Found, reports: [&ProbeReport; 2]) {
    let sessions = reports.map(|report| report.hops.iter().rev().find_map(|hop| hop.tls.as_ref()));
    let fact = |fact: fn(&StoredSession) -> Option<String>| sessions.map(|it| it.and_then(fact));
    found.add_known("Certificate, verification", fact(verification));
    for (index, what) in ["fingerprint", "subject", "issuer", "end"].into_iter().enumerate() {
        let facts = [0, 1].map(|number| {
            let (report, session) = (reports.get(number)?, sessions.get(number)?);
            certificate(report, *session).get(index).cloned().flatten()
        });
        found.add_known(format!("Certificate, {what}"), facts);
    }
    let version = |tls: &StoredSession| tls.version.map(|version| version.to_string());
    found.add_known("TLS version", fact(version));
    found.add_known("TLS cipher", fact(|tls| tls.cipher.clone()));
    let alpn = |tls: &StoredSession| {
        tls.alpn.as_ref().map(|name| String::from_utf8_lossy(name).into_owned())
    };
    found.add_known("Protocol (ALPN)", fact(alpn));
}

fn verification(tls: &StoredSession) -> Option<String> {
    // An incomplete handshake has not got as far.
    let is_known = tls.verify_result != VerifyResult::Ok || tls.version.is_some();
    is_known.then(|| match tls.verify_detail.as_str() {
        "" => tls.verify_result.label().to_owned(),
        detail => format!("{}: {detail}", tls.verify_result.label()),
    })
}

/// Returns fingerprint, subject, issuer and end of the server's certificate. The history keeps no
/// certificates of successes, but their metrics.
fn certificate(report: &ProbeReport, session: Option<&StoredSession>) -> [Option<String>; 4] {
    if let Some(certificate) = session.and_then(|tls| tls.certificates().next()) {
        return [
            certificate.fingerprint_sha256().to_owned(),
            certificate.subject().to_owned(),
            certificate.issuer().to_owned(),
            utc(certificate.not_after()),
        ]
        .map(Some);
    }
    let samples = || report.metrics.all().iter();
    let chain = samples().find(|sample| sample.name == "probe_ssl_last_chain_info");
    let label = |name: &str| {
        let labels = &chain?.labels;
        labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let end = samples().find(|sample| sample.name == "probe_ssl_earliest_cert_expiry");
    let end = end.and_then(|sample| Duration::try_from_secs_f64(sample.value).ok());
    let end = end.and_then(|end| i64::try_from(end.as_secs()).ok()).map(utc);
    [label("fingerprint_sha256"), label("subject"), label("issuer"), end]
}

/// Adds the lines of the module's configuration that differ.
fn add_configuration(found: &mut Found, reports: [&ProbeReport; 2]) {
    if let [one, other] = reports
        && std::sync::Arc::ptr_eq(&one.module, &other.module)
    {
        return;
    }
    let texts = reports.map(|report| report.module.to_yaml());
    let [one, other] = &texts;
    found.add("Module, changed by a reload", [only_in(one, other), only_in(other, one)]);
}

/// Returns the lines of a text that another text does not have.
fn only_in(text: &str, other: &str) -> String {
    let lines = text.lines().filter(|line| !other.lines().any(|known| known == *line));
    let lines: Vec<_> = lines.map(str::trim).collect();
    let beyond = lines.len().saturating_sub(MAX_LINES);
    let shown = lines.into_iter().take(MAX_LINES).collect::<Vec<_>>().join("\n");
    if beyond > 0 { format!("{shown}\nand {beyond} more lines") } else { shown }
}

/// Adds the phases whose durations differ much, those with the largest difference first, and the whole
/// duration.
fn add_phases(found: &mut Found, reports: [&ProbeReport; 2]) {
    let mut phases: BTreeMap<String, [Option<Duration>; 2]> = BTreeMap::new();
    for (index, report) in reports.iter().enumerate() {
        for phase in report.hops.iter().flat_map(|hop| &hop.phases) {
            let times = phases.entry(phase.label()).or_default();
            if let Some(time) = times.get_mut(index) {
                *time = Some(time.unwrap_or_default() + phase.length);
            }
        }
    }
    let difference = |times: &[Option<Duration>; 2]| {
        let [one, other] = times.map(Option::unwrap_or_default);
        one.abs_diff(other)
    };
    let is_large = |times: &[Option<Duration>; 2]| {
        let [one, other] = times.map(Option::unwrap_or_default);
        one.max(other) > one.min(other) * MIN_PHASE_FACTOR
            && difference(times) >= MIN_PHASE_DIFFERENCE
    };
    let mut phases: Vec<_> = phases.into_iter().filter(|(_, times)| is_large(times)).collect();
    phases.sort_by_key(|(_, times)| std::cmp::Reverse(difference(times)));
    let text = |time: Option<Duration>| time.map(humanize::duration).unwrap_or_default();
    let whole = reports.map(|report| Some(report.duration));
    if is_large(&whole) {
        found.add("Duration", whole.map(text));
    }
    for (label, times) in phases {
        found.add(format!("Phase {label}"), times.map(text));
    }
}

/// Adds the other metrics that differ: not times, and not those that only one report has.
fn add_metrics(found: &mut Found, [one, other]: [&ProbeReport; 2]) {
    let is_compared = |sample: &&Sample| {
        !OTHER_METRICS.contains(&sample.name) && !sample.name.ends_with("_seconds")
    };
    let differ = |sample: &Sample| {
        let mut samples = other.metrics.all().iter();
        let same = samples.find(|it| it.name == sample.name && it.labels == sample.labels)?;
        let [before, after] = [sample.value, same.value].map(|value| value.to_string());
        let labels: Vec<_> =
            sample.labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        (before != after).then(|| Difference {
            what: format!("{}{}", sample.name, labels.concat()),
            values: [before, after],
        })
    };
    let compared = one.metrics.all().iter().filter(is_compared).filter_map(differ);
    found.0.extend(compared.take(MAX_METRICS));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Config,
        diagnostics::{Failure, Part, Reason, Stage, Verdict},
        probe::history::samples,
    };

    fn whats(good: &ProbeReport, bad: &ProbeReport) -> Vec<String> {
        differences([good, bad]).into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn only_differences_are_listed_and_the_most_telling_ones_come_first() {
        let good = samples::https("https://a/", None);
        assert_eq!(differences([&good, &good]), []);
        let mut bad = samples::https("https://a/", Some("status 503 is not valid"));
        let config =
            Config::parse("modules: {http_2xx: {prober: http, timeout: 3s}}", "b.yml").unwrap();
        bad.module = config.module("http_2xx").unwrap();
        let hop = &mut bad.hops[0];
        hop.response = Some("HTTP/1.1 503".to_owned());
        hop.address = Some("192.0.2.9:443".to_owned());
        hop.phases[2].length = Duration::from_millis(900);
        hop.phases[1].length = Duration::from_millis(50);
        let tls = hop.tls.as_mut().unwrap();
        tls.cipher = Some("TLS_AES_256_GCM_SHA384".to_owned());
        assert_eq!(
            whats(&good, &bad),
            [
                "Result",
                "Response",
                "Address",
                "TLS cipher",
                "Module, changed by a reload",
                "Phase processing",
                "Phase connect"
            ]
        );
        let found = differences([&good, &bad]);
        assert_eq!(
            found[0].values,
            ["success", "status 503 is not valid (response: closed)"].map(str::to_owned)
        );
        assert_eq!(found[4].values, ["", "timeout: 3s"].map(str::to_owned));
    }

    #[test]
    fn dns_answers_are_compared_by_line() {
        let mut good = samples::http("http://a/", None);
        let mut bad = samples::http("http://a/", Some("no record matched"));
        for hop in [&mut good, &mut bad].map(|report| &mut report.hops[0]) {
            hop.transcript.clear();
        }
        let answer = |text: &str| Part::of(PartKind::Answer, text.as_bytes());
        let values = |good: &ProbeReport, bad: &ProbeReport| {
            let found = differences([good, bad]);
            found.into_iter().find(|it| it.what == "DNS answer").map(|it| it.values)
        };
        assert_eq!(values(&good, &bad), None);
        bad.hops[0].transcript.push(answer("code\nanswer:\na. 300 IN A 192.0.2.9\n"));
        let shown = "code\nanswer:\na. 300 IN A 192.0.2.9";
        assert_eq!(values(&good, &bad), Some(["not kept", shown].map(str::to_owned)));
        good.hops[0].transcript.push(answer("code\nanswer:\na. 300 IN A 192.0.2.1\n"));
        let shown = ["a. 300 IN A 192.0.2.1", "a. 300 IN A 192.0.2.9"];
        assert_eq!(values(&good, &bad), Some(shown.map(str::to_owned)));
        bad.hops[0].transcript.clear();
        let shown = ["code\nanswer:\na. 300 IN A 192.0.2.1", ""];
        assert_eq!(values(&good, &bad), Some(shown.map(str::to_owned)));
    }

    #[test]
    fn metrics_with_other_values_are_listed_last() {
        let good = samples::http("http://a/", None);
        let mut bad = good.clone();
        let mut samples = bad.metrics.all().to_vec();
        let name = "probe_http_content_length";
        samples.iter_mut().find(|sample| sample.name == name).unwrap().value = 7.5;
        bad.metrics = crate::metrics::MetricSet::of(samples);
        assert_eq!(whats(&good, &bad), [name]);
    }

    #[test]
    fn of_a_denied_probe_only_the_result_is_compared() {
        let good = samples::http("http://a/", None);
        let mut bad = samples::http("http://a/", None);
        bad.hops[0].address = Some("10.9.9.9:80".to_owned());
        bad.verdict = Verdict::Failed(Failure::new(Stage::Response, Reason::Denied, "denied"));
        assert_eq!(whats(&good, &bad), ["Result"]);
    }
}
