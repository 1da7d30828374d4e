//! The page of one probe.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use crate::{
    diagnostics::{Check, Verdict},
    probe::{ProbeReport, history::HistoryEntry},
    server::{
        pages::{
            Page, certificates, format, links, log::log, response::responses, verdict::verdict,
            waterfall::waterfall,
        },
        prometheus_url::{self, PrometheusUrl},
        query::link,
        response::Size,
    },
};

/// Maximum length of an expression for Prometheus in bytes.
const MAX_EXPRESSION_BYTES: usize = 400;

/// The page of a report.
pub(in crate::server) struct ReportPage {
    /// The report with its id.
    pub(in crate::server) entry: HistoryEntry,
    /// True if the history contains the report, so that links to it work.
    pub(in crate::server) is_kept: bool,
    /// The Prometheus to link to, if configured.
    pub(in crate::server) prometheus: Option<PrometheusUrl>,
}

/// Returns the page.
pub(in crate::server) async fn answer(request: &HttpRequest, page: ReportPage) -> HttpResponse {
    let report = &page.entry.report;
    let verdict = match report.verdict {
        Verdict::Ok => "Success",
        Verdict::Failed(_) => "Failure",
        Verdict::Refused(_) => "Refused",
    };
    let title = format!("{verdict}: {}", report.target);
    let size = Size::of_report(&page.entry);
    let content = move || page.content(SystemTime::now());
    Page::answer_rendered(request, size, title, "", content).await
}

impl ReportPage {
    fn content(&self, now: SystemTime) -> Markup {
        let report = &self.entry.report;
        html! {
            (verdict(report, now))
            section {
                h2.hidden { "The probe" }
                (facts(report, self.prometheus.as_ref(), now))
                (self.actions())
            }
            (responses(&report.hops))
            section {
                h2 { "Phases" }
                (waterfall(report))
            }
            (checks(&report.checks))
            (certificates::sessions(&report.hops, now))
            (log(report))
            (texts(report))
        }
    }

    /// Renders the actions: probe again, and the other formats.
    fn actions(&self) -> Markup {
        let report = &self.entry.report;
        let hostname = report.hostname.as_deref().unwrap_or_default();
        let asked =
            [("module", &*report.module_name), ("target", &report.target), ("hostname", hostname)];
        html! {
            div.actions {
                @if report.target_is_complete() {
                    form action="probe" method="get" {
                        @for (name, value) in asked.iter().filter(|(_, value)| !value.is_empty()) {
                            input type="hidden" name=(name) value=(value);
                        }
                        input type="hidden" name="format" value="html";
                        button { "Probe again" }
                    }
                } @else {
                    p.soft {
                        "The target contains a secret that is not stored. To probe again, "
                        a href="./" { "enter the target" } "."
                    }
                }
                @if self.is_kept || report.target_is_complete() {
                    nav aria-label="This probe" {
                        @for (format, words) in self.formats() { a href=(self.link(format)) { (words) } }
                        @if let Some(history) = links::target_of(report).filter(|_| self.is_kept) {
                            a href=(history) { (links::HISTORY) }
                        }
                    }
                }
            }
        }
    }

    /// Returns the formats to which the page links. A link to a new probe in the same format is the button.
    fn formats(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_refused = self.entry.report.verdict.refusal().is_some();
        let is_offered = move |format: &str| match format {
            "html" => self.is_kept,
            "metrics" => !is_refused,
            _ => true,
        };
        links::FORMATS.into_iter().filter(move |(format, _)| is_offered(format))
    }

    /// Links to the report in another format, or to a new probe if the report is not in the history.
    fn link(&self, format: &str) -> String {
        let report = &self.entry.report;
        if self.is_kept {
            return links::report_as(self.entry.id, format);
        }
        let hostname = report.hostname.as_deref().unwrap_or_default();
        let module = report.module_name.as_str();
        let target = report.target.as_str();
        link(
            "probe",
            &[("module", module), ("target", target), ("hostname", hostname), ("format", format)],
        )
    }
}

fn facts(report: &ProbeReport, prometheus: Option<&PrometheusUrl>, now: SystemTime) -> Markup {
    let module = link("modules", &[("name", &report.module_name)]);
    html! {
        dl.facts {
            div {
                dt { "Module" }
                dd {
                    a href=(module) { (format::untrusted(&report.module_name)) }
                    " " span.soft { "prober " (report.module.prober_name()) }
                }
            }
            @if let Some(hostname) = &report.hostname {
                div { dt { "Hostname" } dd { (format::untrusted(hostname)) } }
            }
            @if let Some(address) = report.address() {
                div { dt { "Address" } dd { (format::untrusted(address)) } }
            }
            div {
                dt { "Started" }
                dd { (format::timestamp(report.started)) " " span.soft { (format::age(report.started, now)) } }
            }
            div {
                dt { "Duration" }
                dd {
                    strong { (format::duration(report.duration)) }
                    " (timeout " (format::rounded_duration(report.timeout))
                    ", exporter overhead " (format::duration(report.overhead())) ")"
                }
            }
            // Prometheus has the target with its secret, which is masked here.
            @if report.target_is_complete() {
                @let expression = prometheus_url::success_of(&report.target);
                div {
                    dt { "In Prometheus" }
                    dd {
                        code.copy { (format::untrusted_up_to(&expression, MAX_EXPRESSION_BYTES)) }
                        @if let Some(prometheus) = prometheus {
                            " " a href=(prometheus.graph(&expression)) { "Graph" }
                        }
                    }
                }
            }
        }
    }
}

/// Renders the checks, failed ones first, then those that were not evaluated.
fn checks(checks: &[Check]) -> Markup {
    let (failed, others): (Vec<_>, Vec<_>) =
        checks.iter().partition(|check| check.failure.is_some());
    let (skipped, passed): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|check| check.skipped.is_some());
    html! {
        @if !checks.is_empty() {
            section {
                h2 { "Checks" }
                ul.checks {
                    @for check in failed.iter().chain(&skipped).chain(&passed) {
                        li {
                            @match (check.message(), check.skipped) {
                                (Some(message), _) => {
                                    strong.mark.bad { "failed" } " "
                                    span.code { (format::untrusted(&check.name.to_string())) } " "
                                    (format::untrusted(message))
                                }
                                (None, Some(reason)) => {
                                    span.mark.soon { "not evaluated" } " "
                                    span.code { (format::untrusted(&check.name.to_string())) } " "
                                    span.soft { "because " (reason) }
                                }
                                (None, None) => {
                                    span.mark.good { "passed" } " "
                                    span.code { (format::untrusted(&check.name.to_string())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn texts(report: &ProbeReport) -> Markup {
    html! {
        @if report.verdict.refusal().is_none() {
            section {
                details {
                    summary { h2 { "Metrics" } }
                    pre { (format::escaped_lines(&report.metrics.render())) }
                }
            }
        }
        section {
            details {
                summary { h2 { "Module configuration" } }
                pre { (format::escaped_lines(&report.module.to_yaml())) }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        config::Config,
        diagnostics::{CheckName, Failure, Reason, Refusal, RefusalCause, Stage},
        metrics::MetricSet,
        probe::report::{HopReport, PhaseReport},
    };

    /// The report of a probe that failed after 30 ms.
    pub(in crate::server::pages) fn sample_report() -> ProbeReport {
        let config = Config::parse("modules: {web: {prober: http}}", "test.yml").unwrap();
        let milliseconds = Duration::from_millis;
        let phase = |name, start, length, incomplete| PhaseReport {
            group: "",
            name,
            start: milliseconds(start),
            length: milliseconds(length),
            incomplete,
        };
        let hop = HopReport {
            url: Some("https://web.example/".to_owned()),
            address: Some("192.0.2.1:443".to_owned()),
            start: Duration::ZERO,
            response: Some("HTTP/1.1 503".to_owned()),
            transcript: Vec::new(),
            tls: None,
            phases: vec![phase("connect", 1, 4, false), phase("processing", 6, 20, true)],
        };
        let failure = |reason, message| Failure::new(Stage::Check, reason, message);
        let check = |key, failure: Option<Failure>| {
            Check::new(CheckName::of_key(key), failure.map_or(Ok(()), Err))
        };
        ProbeReport {
            module_name: "web".into(),
            module: config.module("web").unwrap(),
            target: "web.example".into(),
            started: SystemTime::now(),
            duration: milliseconds(30),
            waited: milliseconds(24),
            timeout: Duration::from_secs(5),
            wait: None,
            verdict: Verdict::Failed(failure(Reason::Status, "status 503 is not valid")),
            hostname: Some("inner.example".into()),
            hops: vec![hop],
            checks: vec![
                check("valid_http_versions", None),
                check("valid_status_codes", Some(failure(Reason::Status, "503"))),
            ],
            metrics: MetricSet::default(),
            log: Vec::new(),
            denial: None,
        }
    }

    fn page(report: ProbeReport, is_kept: bool) -> String {
        let entry = HistoryEntry { id: 7, report: Arc::new(report), weight: 0 };
        let page = ReportPage { entry, is_kept, prometheus: None };
        Page { title: "t", current_link: "", content: page.content(SystemTime::now()) }
            .render("n")
            .into_string()
    }

    /// Asserts that the page contains these texts in this order.
    fn assert_in_order(page: &str, texts: &[&str]) {
        let mut rest = page;
        for text in texts {
            let (_, after) = rest.split_once(text).unwrap_or_else(|| panic!("{text} in {page}"));
            rest = after;
        }
    }

    #[test]
    fn a_failure_is_explained_and_failed_checks_come_first() {
        assert_in_order(
            &page(sample_report(), true),
            &[
                "<h1>Failure: <bdi>status 503 is not valid</bdi></h1>",
                Reason::Status.advice(),
                "30.0 ms",
                "exporter overhead 6.00 ms",
                "https://web.example/",
                "192.0.2.1:443",
                "HTTP/1.1 503",
                "connect",
                "incomplete",
                "exporter overhead",
                "failed",
                "valid_status_codes",
                "passed",
                "valid_http_versions",
            ],
        );
    }

    #[test]
    fn the_headline_of_a_long_message_is_the_meaning_of_the_reason() {
        let message = format!("status {} is not valid", "5".repeat(300));
        let failure = Failure::new(Stage::Check, Reason::Status, &message);
        let page = page(ProbeReport { verdict: Verdict::Failed(failure), ..sample_report() }, true);
        let meaning = Reason::Status.meaning();
        assert_in_order(&page, &[&format!("<h1>Failure: {meaning}</h1>"), &message]);
        assert_eq!(page.matches(meaning).count(), 1, "{page}");
    }

    #[test]
    fn links_lead_to_the_report_in_the_history_or_to_a_new_probe() {
        let kept = page(sample_report(), true);
        assert!(kept.contains("href=\"logs?id=7&amp;format=json\""), "{kept}");
        let anew = page(sample_report(), false);
        let link = "href=\"probe?module=web&amp;target=web.example&amp;hostname=inner.example&amp;format=json\"";
        assert!(anew.contains(link) && !anew.contains("logs?"), "{anew}");
        for (name, value) in
            [("module", "web"), ("target", "web.example"), ("hostname", "inner.example")]
        {
            let input = format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
            assert!(kept.contains(&input), "{input} in {kept}");
        }
    }

    #[test]
    fn a_target_with_a_masked_secret_cannot_be_probed_again() {
        let report =
            ProbeReport { target: "http://user:xxxxx@web.example".into(), ..sample_report() };
        let kept = page(report.clone(), true);
        assert!(!kept.contains("Probe again") && kept.contains("format=json"), "{kept}");
        let not_kept = page(report, false);
        assert!(!not_kept.contains("href=\"probe?"), "{not_kept}");
    }

    #[test]
    fn a_refusal_is_explained_and_has_no_metrics() {
        let verdict = Verdict::Refused(Refusal::body_memory());
        let page = page(ProbeReport { verdict, ..sample_report() }, true);
        let cause = RefusalCause::BodyMemory;
        let texts =
            ["<h1>Refused", "says nothing about the target", cause.advice(), cause.meaning()];
        assert_in_order(&page, &texts);
        assert!(!page.contains("format=metrics") && !page.contains("Failure"), "{page}");
    }

    #[test]
    fn a_success_has_no_explanation() {
        let mut report = sample_report();
        report.verdict = Verdict::Ok;
        let page = page(report, true);
        assert!(page.contains("<h1>Success</h1>") && !page.contains("Check first"), "{page}");
    }
}
