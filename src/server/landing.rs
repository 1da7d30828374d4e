//! The page at the prefix: a form to probe by hand, and the latest probes.

use std::time::{Duration, SystemTime};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    config::Config,
    evidence::{Failure, logfmt},
    probe::history::Entry,
    server::{answer, exporter::Exporter},
    version,
};

const STYLE: &str = include_str!("landing.css");

/// Shows the page; it works without scripts, and nothing on it comes from elsewhere.
pub(super) async fn answer(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    let nonce = format!("{:032x}", rand::random::<u128>());
    let page = page(
        &nonce,
        &exporter.config(),
        exporter.last_reload_error().as_deref(),
        &exporter.history.list(),
        SystemTime::now(),
    );
    let mut response = answer::page(&request, answer::HTML, page.into_string());
    // Targets come from strangers: even if one slipped through unescaped, it could do nothing.
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = header::HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn page(
    nonce: &str,
    config: &Config,
    reload_error: Option<&str>,
    probes: &[Entry],
    now: SystemTime,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (version::PROGRAM) }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (version::PROGRAM) }
                    span.soft { (version::VERSION) }
                    nav {
                        a href="metrics" { "Metrics" }
                        a href="config" { "Configuration" }
                    }
                }
                main {
                    @if let Some(error) = reload_error { (alarm(error)) }
                    (form(config))
                    (recent(probes, now))
                }
                footer.soft {
                    "Prometheus probes through " code { "/probe?target=…&module=…" } "."
                }
            }
        }
    }
}

fn alarm(error: &str) -> Markup {
    html! {
        section.alarm role="alert" {
            strong { "The last reload failed; the configuration before it is in force." }
            pre { (error) }
        }
    }
}

fn form(config: &Config) -> Markup {
    html! {
        section {
            h2 { "Probe a target" }
            form action="probe" method="get" {
                label {
                    "Module"
                    select name="module" {
                        @for (name, _) in config.modules() {
                            option value=(name) selected[name == "http_2xx"] { (name) }
                        }
                    }
                }
                label.wide {
                    "Target"
                    input name="target" placeholder="prometheus.io" required autocomplete="off"
                        autocapitalize="off" spellcheck="false";
                }
                label.tick {
                    input type="checkbox" name="debug" value="true" checked;
                    "with its log"
                }
                button { "Probe" }
            }
        }
    }
}

fn recent(probes: &[Entry], now: SystemTime) -> Markup {
    html! {
        section {
            h2 { "Recent Probes" }
            @if probes.is_empty() {
                p.soft { "None yet." }
            } @else {
                table {
                    thead {
                        tr {
                            th { "Module" }
                            th { "Target" }
                            th { "Result" }
                            th { "Reason" }
                            th.number { "Duration" }
                            th { "When" }
                            th { "Debug" }
                        }
                    }
                    tbody { @for entry in probes { (row(entry, now)) } }
                }
            }
        }
    }
}

fn row(entry: &Entry, now: SystemTime) -> Markup {
    let report = &entry.report;
    html! {
        tr {
            td data-label="Module" { (report.module_name) }
            td.target data-label="Target" { (report.target) }
            td data-label="Result" { (verdict(&report.verdict)) }
            td.reason data-label="Reason" { @if let Err(failure) = &report.verdict { (reason(failure)) } }
            td.number data-label="Duration" { (duration(report.duration)) }
            td.when data-label="When" {
                time datetime=(logfmt::timestamp(report.started)) title=(logfmt::timestamp(report.started)) {
                    (age(report.started, now))
                }
            }
            td data-label="Debug" { a href={ "logs?id=" (entry.id) } { "Logs" } }
        }
    }
}

fn verdict(verdict: &Result<(), Failure>) -> Markup {
    html! {
        @match verdict {
            Ok(()) => span.mark.good { "Success" },
            Err(_) => strong.mark.bad { "Failure" },
        }
    }
}

fn reason(failure: &Failure) -> Markup {
    html! {
        span title=(failure.message) { (failure.stage.label()) ": " (failure.reason.label()) }
    }
}

/// Three digits are enough to compare by eye.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

/// How long ago it was, in one unit; the clock may have been set back since.
fn age(then: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(then).unwrap_or_default().as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_suits_them() {
        let cases = [(0.000_012, "12 µs"), (0.012_34, "12.3 ms"), (2.5, "2.50 s")];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let now = SystemTime::now();
        let cases = [
            (0, "now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (7_300, "2 h ago"),
            (90_000, "1 d ago"),
        ];
        for (seconds, text) in cases {
            assert_eq!(age(now - Duration::from_secs(seconds), now), text);
        }
        assert_eq!(age(now + Duration::from_secs(9), now), "now");
    }

    #[test]
    fn texts_from_strangers_stay_texts() {
        let page = page("n", &Config::default(), Some("<b>&\"'"), &[], SystemTime::now());
        let page = page.into_string();
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&amp;"), "{page}");
    }
}
