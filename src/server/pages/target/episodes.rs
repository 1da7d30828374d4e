//! The episodes of a target: a timeline and a list.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    probe::history::{Episode, TargetHistory},
    server::pages::{
        format, links,
        recent::{reason, verdict},
    },
};

/// Maximum length of a message in bytes.
const MAX_MESSAGE_BYTES: usize = 240;

/// Minimum width of an episode on the timeline in percent, so that it is visible.
const MIN_WIDTH: f64 = 0.8;

/// Renders the episodes, the latest first.
pub(super) fn episodes(target: &TargetHistory, now: SystemTime) -> Markup {
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
                @if let Some(id) = first { a href=(links::report(id)) { "first" } " " }
                @if let Some(id) = last { a href=(links::report(id)) { "latest" } }
            }
        }
    }
}

fn durations(episode: &Episode) -> String {
    let [shortest, longest] = [episode.shortest, episode.longest].map(format::duration);
    if shortest == longest { longest } else { format!("{shortest} to {longest}") }
}
