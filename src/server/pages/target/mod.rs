//! The page of one target: its present result, its episodes, and the last failure beside the last
//! success.

mod comparison;
mod episodes;

use std::{sync::Arc, time::SystemTime};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use maud::{Markup, html};

use self::{comparison::comparison, episodes::episodes};
use crate::{
    probe::{
        History, ProbeReport,
        history::{Episode, TargetHistory, TargetKey},
    },
    server::{
        exporter::Exporter,
        pages::{Page, format, links, response::responses, verdict::failure_facts},
        query::link,
        response::Size,
    },
};

/// Maximum lengths of texts in bytes.
const MAX_TARGET_BYTES: usize = 300;
const MAX_MESSAGE_BYTES: usize = 240;

/// Returns the page of the history of a target, or a list of its histories. There is at least one.
pub(in crate::server) async fn answer(
    request: &HttpRequest,
    exporter: Data<Exporter>,
    target: &str,
    found: Vec<TargetHistory>,
) -> HttpResponse {
    let variants = exporter.history.variants(target);
    let Ok([found]) = <[TargetHistory; 1]>::try_from(found) else {
        return choice(request, target, &variants);
    };
    let title = format!("{}: {}", links::HISTORY, found.key.target());
    let content = move || content(&exporter.history, &found, &variants, SystemTime::now());
    Page::answer_rendered(request, Size::Large, title, "", content).await
}

/// Returns the page of a target that is probed with several modules or hostnames.
fn choice(request: &HttpRequest, target: &str, variants: &[Arc<TargetKey>]) -> HttpResponse {
    let content = html! {
        section {
            h1 { (format::untrusted_up_to(target, MAX_TARGET_BYTES)) }
            p { "This target is probed in several ways:" }
            (links(variants, None))
        }
    };
    Page { title: target, current_link: "", content }.answer(request, StatusCode::OK)
}

/// Renders links to the ways in which a target is probed, other than `current`.
fn links(variants: &[Arc<TargetKey>], current: Option<&TargetKey>) -> Markup {
    html! {
        ul.plain {
            @for key in variants.iter().filter(|key| current != Some(&***key)) {
                li {
                    a href=(links::target(key)) { (format::untrusted(key.module())) }
                    @if let Some(hostname) = key.hostname() { " hostname " (format::untrusted(hostname)) }
                }
            }
        }
    }
}

fn content(
    history: &History,
    target: &TargetHistory,
    variants: &[Arc<TargetKey>],
    now: SystemTime,
) -> Markup {
    let (bad, good) = target.last_bad_and_good();
    let report = |episode: Option<&Episode>| {
        episode.and_then(|episode| episode.ids()[1]).and_then(|id| history.find(id))
    };
    let (good_report, bad_report) = (report(good), report(bad));
    let is_failing = target.latest().is_some_and(Episode::is_failing);
    // Of a denied probe, the rest may name what the target led to.
    let failed = bad_report
        .as_ref()
        .map(|entry| &*entry.report)
        .filter(|report| is_failing && !report.is_denied());
    html! {
        (state(target, failed, has_recent(history, &target.key), now))
        @if let Some(report) = failed { (responses(&report.hops)) }
        (comparison([good, bad], [good_report, bad_report], now))
        (episodes(target, now))
        @if variants.len() > 1 {
            section {
                h2 { "Other Ways of Probing This Target" }
                (links(variants, Some(&target.key)))
            }
        }
    }
}

/// Renders the result of the latest probe; of a failure with the advice of its report, if that is kept.
fn state(
    target: &TargetHistory,
    failed: Option<&ProbeReport>,
    has_recent: bool,
    now: SystemTime,
) -> Markup {
    let key = &target.key;
    let latest = target.latest();
    let failing = latest.filter(|latest| latest.is_failing());
    let name = format::untrusted_up_to(key.target(), MAX_TARGET_BYTES);
    let module = link("modules", &[("name", key.module())]);
    let newest =
        link("logs", &[("target", key.target()), ("module", key.module()), ("format", "html")]);
    let since = target.since();
    html! {
        section.verdict.(if failing.is_some() { "bad" } else { "good" }) {
            p.soft { (name) }
            @match failing.and_then(|latest| latest.failure.as_ref()) {
                Some(failure) => {
                    h1 {
                        @if target.is_current(now) {
                            "Failing for " @if !since.is_known { "at least " } (lasted(since.time, now))
                        } @else {
                            "Failed at the last probe, " (format::age(target.last(), now))
                        }
                    }
                    p.message { (format::untrusted_up_to(&failure.message, MAX_MESSAGE_BYTES)) }
                    @if !since.is_known {
                        p.soft { "It has failed since the first probe that is known; no success is kept." }
                    }
                    @if let Some((report, failure)) = failed.and_then(|it| Some((it, it.verdict.failure()?))) {
                        (failure_facts(failure, report.advice(), true))
                    }
                }
                None => h1 {
                    @if !since.is_known { "No failure is kept" }
                    @else if target.is_current(now) { "Successful for " (lasted(since.time, now)) }
                    @else { "Successful at the last probe, " (format::age(target.last(), now)) }
                },
            }
            dl.facts {
                div { dt { "Module" } dd { a href=(module) { (format::untrusted(key.module())) } } }
                @if let Some(hostname) = key.hostname() {
                    div { dt { "Hostname" } dd { (format::untrusted(hostname)) } }
                }
                div {
                    dt { "Last probe" }
                    dd {
                        (format::timestamp(target.last())) " "
                        span.soft { (format::age(target.last(), now)) }
                    }
                }
                div {
                    dt { "Known since" }
                    dd {
                        (format::timestamp(target.first)) ", "
                        (format::count(target.probes, "probe"))
                    }
                }
            }
            nav.actions aria-label="This target" {
                span {
                    a href=(newest) { (links::REPORT) }
                    " of the latest probe: phases, checks, certificates, log"
                }
                @if has_recent {
                    a href=(links::recent_probes(key.module(), key.target())) { (links::RECENT_PROBES) }
                }
                a href=(links::target_as_json(key)) { (links::JSON) }
            }
        }
    }
}

/// Returns true if the list of recent probes has one of this target.
fn has_recent(history: &History, key: &TargetKey) -> bool {
    let is_of_target =
        |report: &ProbeReport| report.module_name == key.module() && report.target == key.target();
    history.list().iter().any(|entry| is_of_target(&entry.report))
}

/// Formats the time since `then`.
fn lasted(then: SystemTime, now: SystemTime) -> String {
    format::long(now.duration_since(then).unwrap_or_default())
}
