//! The last failure of a target beside its last success, with what differs.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    probe::history::{
        Episode, HistoryEntry,
        comparison::{Difference, differences},
    },
    server::pages::{format, links},
};

/// Maximum length of a value in bytes.
const MAX_VALUE_BYTES: usize = 400;

/// Renders what differs between the last success and the last failure.
pub(super) fn comparison(
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
                                Some(entry) => a href=(links::report(entry.id)) { (links::REPORT) },
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
        format::long(other.duration_since(one).unwrap_or_default())
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

fn table(good: &HistoryEntry, bad: &HistoryEntry, now: SystemTime) -> Markup {
    let found = differences([&good.report, &bad.report]);
    let head = |name: &str, entry: &HistoryEntry| {
        html! {
            th scope="col" {
                (name) ", " (format::age_element(entry.report.started, now)) ": "
                a href=(links::report(entry.id)) { (links::REPORT) }
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
