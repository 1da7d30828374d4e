//! The result of a probe with its explanation.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    diagnostics::{Failure, Refusal, Verdict},
    probe::{ProbeReport, report::utc},
    server::pages::{certificates, format},
};

/// Maximum length of the target in bytes.
const MAX_TARGET_BYTES: usize = 300;

/// Maximum length of the headline in bytes. Above a longer message, it is the meaning of the reason.
const MAX_HEADLINE_BYTES: usize = 200;

/// Renders the result; for a success with its main facts, for a failure with message, advice, stage and reason, for a refusal with
/// message, advice and cause.
pub(super) fn verdict(report: &ProbeReport, now: SystemTime) -> Markup {
    let target = format::untrusted_up_to(&report.target, MAX_TARGET_BYTES);
    html! {
        @match &report.verdict {
            Verdict::Ok => section.verdict.good {
                p.soft { (target) }
                h1 { "Success" }
                (summary(report, now))
            },
            Verdict::Failed(failure) => section.verdict.bad {
                p.soft { (target) }
                h1 {
                    "Failure: "
                    @if is_long(failure) { (failure.reason.meaning()) } @else { (format::untrusted(&failure.message)) }
                }
                (explanation(failure, report.advice()))
            },
            Verdict::Refused(refusal) => section.verdict.refused {
                p.soft { (target) }
                h1 { "Refused by the exporter; the target was not judged" }
                (explanation_of_refusal(refusal))
            },
        }
    }
}

/// Renders the main facts about a success, as far as its prober has them.
fn summary(report: &ProbeReport, now: SystemTime) -> Markup {
    let response = report.hops.last().and_then(|hop| hop.response.as_deref());
    let certificate = certificates::first_to_expire(&report.hops);
    html! {
        p.message {
            @if let Some(response) = response { strong { (format::untrusted_up_to(response, MAX_HEADLINE_BYTES)) } " · " }
            (format::duration(report.duration))
            @if let Some(address) = report.address() { " · " (format::untrusted(address)) }
            @if let Some(certificate) = certificate {
                " · certificate " (certificate.validity(now)) " (" (utc(certificate.not_after())) ")"
            }
        }
    }
}

fn is_long(failure: &Failure) -> bool {
    failure.message.len() > MAX_HEADLINE_BYTES
}

fn explanation(failure: &Failure, advice: &str) -> Markup {
    let is_long = is_long(failure);
    html! {
        @if is_long { p.message { (format::untrusted(&failure.message)) } }
        (failure_facts(failure, advice, !is_long))
    }
}

/// Renders advice, stage and, if wanted, the meaning of the reason.
pub(super) fn failure_facts(failure: &Failure, advice: &str, has_meaning: bool) -> Markup {
    let Failure { stage, reason, .. } = failure;
    html! {
        dl.facts {
            div { dt { "Check first" } dd { (advice) } }
            @if has_meaning { div { dt { "Reason" } dd { (reason.meaning()) } } }
            div {
                dt { "Stage" }
                dd { (stage.meaning()) " " span.soft.code { "stage=" (stage.label()) " reason=" (reason.label()) } }
            }
        }
    }
}

fn explanation_of_refusal(refusal: &Refusal) -> Markup {
    let Refusal { cause, message } = refusal;
    html! {
        p.message { (format::untrusted(message)) }
        dl.facts {
            div { dt { "Change first" } dd { (cause.advice()) } }
            div { dt { "Cause" } dd { (cause.meaning()) " " span.soft.code { "cause=" (cause.label()) } } }
        }
    }
}
