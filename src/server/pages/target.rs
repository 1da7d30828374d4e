//! The page of one target: its episodes, and the last failure beside the last success.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use maud::{Markup, html};

use crate::{
    probe::{
        History, ProbeReport,
        history::{
            Episode, HistoryEntry, TargetHistory, TargetKey,
            comparison::{Difference, differences},
        },
    },
    server::{
        exporter::Exporter,
        pages::{
            Page, format, not_kept,
            recent::{reason, target_link, verdict},
            response::responses,
            verdict::failure_facts,
        },
        query::{self, link},
        response::Size,
    },
    settings::redact,
};

/// Maximum lengths of texts in bytes.
const MAX_TARGET_BYTES: usize = 300;
const MAX_MESSAGE_BYTES: usize = 240;
const MAX_VALUE_BYTES: usize = 400;

/// Minimum width of an episode on the timeline in percent, so that it is visible.
const MIN_WIDTH: f64 = 0.8;

/// Returns the page. Without a module, that of the only one with which the target is probed, or a list
/// of them.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let query = query::parse(&request);
    let [module, target, hostname] = ["module", "target", "hostname"]
        .map(|name| query.first(name).unwrap_or_default().to_owned());
    if target.is_empty() {
        return super::error(&request, StatusCode::BAD_REQUEST, "Target parameter is missing");
    }
    // Masked like the targets of reports.
    let target = redact::url(&target).into_owned();
    let history = &exporter.history;
    let variants = history.variants(&target);
    let is_wanted = |key: &&Arc<TargetKey>| {
        [(key.module(), &module), (key.hostname().unwrap_or_default(), &hostname)]
            .into_iter()
            .all(|(known, wanted)| wanted.is_empty() || known == wanted)
    };
    let exact = history.target(&module, &target, &hostname);
    let mut wanted = variants.iter().filter(is_wanted);
    let found = match (exact, wanted.next(), wanted.next()) {
        (Some(exact), ..) => Some(exact),
        (None, Some(key), None) => {
            history.target(key.module(), &target, key.hostname().unwrap_or_default())
        }
        (None, Some(_), Some(_)) => return choice(&request, &target, &variants),
        (None, None, _) => None,
    };
    let Some(found) = found else {
        let message = "No probe of this target is kept";
        return not_kept(&request, message, &exporter, Some((&module, &target)));
    };
    let title = format!("History: {}", found.key.target());
    let content = move || content(&exporter.history, &found, &variants, SystemTime::now());
    Page::answer_rendered(&request, Size::Large, title, "", content).await
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
                    @let hostname = key.hostname().unwrap_or_default();
                    a href=(target_link(key.module(), key.target(), hostname)) {
                        (format::untrusted(key.module()))
                    }
                    @if !hostname.is_empty() { " hostname " (format::untrusted(hostname)) }
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
    let recent = link("./", &[("module", key.module()), ("target", key.target())]);
    let newest =
        link("logs", &[("target", key.target()), ("module", key.module()), ("format", "html")]);
    html! {
        section.verdict.(if failing.is_some() { "bad" } else { "good" }) {
            p.soft { (name) }
            @match failing.and_then(|latest| latest.failure.as_ref().zip(Some(latest))) {
                Some((failure, latest)) => {
                    // Without an earlier episode, it is not known when the failures began.
                    @let is_first = target.episodes.len() == 1;
                    h1 {
                        "Failing for " @if is_first { "at least " } (lasted(latest.first, now))
                    }
                    p.message { (format::untrusted_up_to(&failure.message, MAX_MESSAGE_BYTES)) }
                    @if is_first && latest.successes == 0 {
                        p.soft { "It has failed since the first probe that is known; no success is kept." }
                    }
                    @if let Some((report, failure)) = failed.and_then(|it| Some((it, it.verdict.failure()?))) {
                        (failure_facts(failure, report.advice(), true))
                    }
                }
                None => h1 {
                    @match latest {
                        Some(latest) if target.episodes.len() > 1 => {
                            "Successful for " (lasted(latest.first, now))
                        }
                        _ => "No failure is kept",
                    }
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
            nav.actions aria-label="Reports of this target" {
                a href=(newest) { "Latest report: phases, checks, certificates, log" }
                @if has_recent { a href=(recent) { "Recent probes" } }
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

/// Renders what differs between the last success and the last failure.
fn comparison(
    episodes: [Option<&Episode>; 2],
    reports: [Option<HistoryEntry>; 2],
    now: SystemTime,
) -> Markup {
    let [good, bad] = episodes;
    html! {
        @if let Some(bad) = bad {
            section #comparison {
                h2 { "Last Failure and Last Success" }
                @match reports {
                    [Some(good), Some(bad)] => {
                        (order(&good, &bad))
                        (table(&good, &bad, now))
                    },
                    [_, bad_report] => {
                        @if good.is_none() { p { "No success of this target is kept." } }
                        @else { p { "The report of the success is not kept any more." } }
                        p {
                            "The last failure was " (format::age_element(bad.last, now)) ". "
                            @match bad_report {
                                Some(entry) => a href=(report_link(entry.id)) { "Its report" },
                                None => "Its report is not kept any more.",
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Says which of the two was first.
fn order(good: &HistoryEntry, bad: &HistoryEntry) -> Markup {
    let (good, bad) = (good.report.started, bad.report.started);
    let between = |(one, other): (SystemTime, SystemTime)| {
        format::rounded_duration(Duration::from_secs(
            other.duration_since(one).unwrap_or_default().as_secs(),
        ))
    };
    html! {
        p.soft {
            @if good <= bad {
                "The success is the last one before, " (between((good, bad))) " earlier."
            } @else {
                "No earlier success is kept; this one is " (between((bad, good))) " later."
            }
        }
    }
}

fn report_link(id: u64) -> String {
    link("logs", &[("id", &id.to_string()), ("format", "html")])
}

fn table(good: &HistoryEntry, bad: &HistoryEntry, now: SystemTime) -> Markup {
    let found = differences([&good.report, &bad.report]);
    let head = |name: &str, entry: &HistoryEntry| {
        html! {
            th scope="col" {
                a href=(report_link(entry.id)) { (name) } " "
                (format::age_element(entry.report.started, now))
            }
        }
    };
    html! {
        table.comparison {
            caption.hidden { "Differences between the last success and the last failure" }
            thead {
                tr {
                    th scope="col" { "What changed" }
                    (head("Success", good))
                    (head("Failure", bad))
                }
            }
            tbody { @for difference in &found { (row(difference)) } }
        }
    }
}

fn row(Difference { what, values: [before, after] }: &Difference) -> Markup {
    let value = |text: &str| {
        html! {
            @if text.is_empty() { span.soft { "none" } }
            @for (index, line) in text.lines().enumerate() {
                @if index > 0 { br; }
                (format::untrusted_up_to(line, MAX_VALUE_BYTES))
            }
        }
    };
    html! {
        tr {
            th scope="row" { (format::untrusted(what)) }
            td.before { span.hidden { "Success: " } (value(before)) }
            td.after { span.hidden { "Failure: " } (value(after)) }
        }
    }
}

fn episodes(target: &TargetHistory, now: SystemTime) -> Markup {
    html! {
        section #episodes {
            h2 { "Episodes" }
            (timeline(target))
            p.soft {
                "Consecutive probes with the same result are one episode. Old episodes of a target that "
                "alternates are joined."
            }
            table.list.episodes {
                caption.hidden { "Episodes, the latest first" }
                thead {
                    tr {
                        th scope="col" { "Result" }
                        th scope="col" { "Reason" }
                        th.number scope="col" { "Length" }
                        th.number scope="col" { "Duration" }
                        th scope="col" { "From" }
                        th scope="col" { "Until" }
                        th scope="col" { "Reports" }
                    }
                }
                tbody { @for episode in target.episodes.iter().rev() { (line(episode, now)) } }
            }
        }
    }
}

/// Renders the episodes as a bar.
fn timeline(target: &TargetHistory) -> Markup {
    let (first, last) =
        (target.episodes.first().map_or(target.first, |it| it.first), target.last());
    let whole = last.duration_since(first).unwrap_or_default().as_secs_f64().max(1e-9);
    let percent = |time: SystemTime| {
        100.0 * time.duration_since(first).unwrap_or_default().as_secs_f64() / whole
    };
    // An episode lasts until the next one begins, unless probes are missing in between.
    let starts = target.episodes.iter().skip(1).map(|episode| episode.first).map(Some);
    let bars = target.episodes.iter().zip(starts.chain([None])).map(|(episode, next)| {
        let pause = target.interval().unwrap_or_default().saturating_mul(3);
        let end =
            next.filter(|next| next.duration_since(episode.last).unwrap_or_default() <= pause);
        let (x, end) = (percent(episode.first), percent(end.unwrap_or(episode.last)));
        let width = (end - x).max(MIN_WIDTH);
        (class(episode), x.min(100.0 - MIN_WIDTH), width)
    });
    // Failures are drawn over successes: a short one would be hidden.
    let (bad, good): (Vec<_>, Vec<_>) = bars.partition(|(class, ..)| *class != "good");
    html! {
        svg.timeline role="img" {
            title { "Results from " (format::timestamp(first)) " to " (format::timestamp(last)) }
            @for (class, x, width) in good.into_iter().chain(bad) {
                rect class=(class) x={ (format::two_digits(x)) "%" } width={ (format::two_digits(width)) "%" } height="100%" {}
            }
        }
        div.ends.soft aria-hidden="true" {
            span { (format::timestamp(first)) }
            span { (format::timestamp(last)) }
        }
    }
}

fn class(episode: &Episode) -> &'static str {
    match (episode.failures, episode.successes) {
        (0, _) => "good",
        (_, 0) => "bad",
        _ => "mixed",
    }
}

fn line(episode: &Episode, now: SystemTime) -> Markup {
    let [first, last] = episode.ids();
    html! {
        tr {
            td.result {
                @if class(episode) == "mixed" { span.mark.soon { "Alternating" } }
                @else { (verdict(!episode.is_failing())) }
            }
            td.reason {
                @if let Some(outline) = &episode.failure {
                    (reason(outline.stage, outline.reason))
                    div.soft { (format::untrusted_up_to(&outline.message, MAX_MESSAGE_BYTES)) }
                }
            }
            td.number.module {
                (format::count(episode.probes(), "probe"))
                @if class(episode) == "mixed" { " (" (episode.failures) " failed)" }
            }
            td.number.duration { (durations(episode)) }
            td.when data-label="from" { (format::age_element(episode.first, now)) }
            td.until data-label="until" { (format::age_element(episode.last, now)) }
            td.target {
                @if let Some(id) = first { a href=(report_link(id)) { "first" } " " }
                @if let Some(id) = last { a href=(report_link(id)) { "latest" } }
            }
        }
    }
}

fn durations(episode: &Episode) -> String {
    let [shortest, longest] = [episode.shortest, episode.longest].map(format::duration);
    if shortest == longest { longest } else { format!("{shortest} to {longest}") }
}
