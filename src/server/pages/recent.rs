//! The list of recent probes.

use std::{cmp::Ordering, time::SystemTime};

use maud::{Markup, html};

use crate::{
    diagnostics::{Reason, Stage},
    probe::{ProbeReport, history::HistoryEntry},
    server::pages::{
        bars::Scale,
        filter::Filter,
        format, links,
        listing::{Column, Listing},
    },
};

/// Maximum length of a target and of a module's name in the list, in bytes.
pub(super) const MAX_TARGET_BYTES: usize = 160;
pub(super) const MAX_NAME_BYTES: usize = 40;

/// Renders the recent probes that match the filter, and the number of hidden ones.
pub(super) fn recent(
    entries: &[HistoryEntry],
    filter: &Filter,
    listing: &Listing,
    now: SystemTime,
) -> Markup {
    let mut matching: Vec<_> =
        entries.iter().filter(|entry| filter.matches(&entry.report)).collect();
    if let Some((column, is_descending)) = listing.order {
        matching.sort_by(|one, other| {
            let order = compare(&one.report, &other.report, column);
            if is_descending { order.reverse() } else { order }
        });
    }
    let count = matching.len();
    html! {
        // The history may need its memory for targets.
        @if entries.is_empty() { p.soft { "No recent probe is kept." } }
        (hidden([entries.len(), count], "probes", filter, listing))
        @if !matching.is_empty() {
            (table(&listing.rows(matching.into_iter()), filter, listing, now))
            (listing.pages(filter, count, "probes"))
        }
    }
}

fn compare(one: &ProbeReport, other: &ProbeReport, column: Column) -> Ordering {
    match column {
        Column::Module => one.module_name.cmp(&other.module_name),
        Column::Target => one.target.cmp(&other.target),
        Column::Result => one.verdict.is_ok().cmp(&other.verdict.is_ok()),
        Column::Reason => {
            let of = |report: &ProbeReport| {
                report.verdict.failure().map(|failure| reason_order(failure.stage, failure.reason))
            };
            one.verdict.is_ok().cmp(&other.verdict.is_ok()).then_with(|| of(one).cmp(&of(other)))
        }
        Column::Duration => one.duration.cmp(&other.duration),
        Column::When => one.started.cmp(&other.started),
    }
}

/// The order of failures by their stages and reasons.
pub(super) fn reason_order(stage: Stage, reason: Reason) -> (Option<usize>, &'static str) {
    (Stage::ALL.iter().position(|known| *known == stage), reason.label())
}

/// Renders the number of rows that the filter hides.
pub(super) fn hidden(
    [all, matching]: [usize; 2],
    what: &str,
    filter: &Filter,
    listing: &Listing,
) -> Markup {
    html! {
        @if filter.is_set() {
            p.soft {
                "Showing " (matching) " of " (all) " " (what) " (" (all - matching)
                " hidden by the filter). "
                a href=(listing.link(&Filter::default(), &[])) { (links::SHOW_ALL) }
            }
        }
    }
}

fn table(entries: &[&HistoryEntry], filter: &Filter, listing: &Listing, now: SystemTime) -> Markup {
    let scale = Scale::of(entries.iter().map(|entry| entry.report.duration));
    html! {
        (scale.legend())
        table.list.sorted {
            caption.hidden { "Probes with their results" }
            (listing.head(filter, ["Duration", "When", "More"]))
            tbody { @for entry in entries { (line(entry, scale, now)) } }
        }
    }
}

fn line(entry: &HistoryEntry, scale: Scale, now: SystemTime) -> Markup {
    let report = &entry.report;
    let failure = report.verdict.failure();
    html! {
        tr {
            td.module { (format::untrusted_up_to(&report.module_name, MAX_NAME_BYTES)) }
            td.target {
                a href=(links::report(entry.id)) {
                    (format::untrusted_up_to(&report.target, MAX_TARGET_BYTES))
                }
            }
            td.result { (verdict(report.verdict.is_ok())) }
            td.reason { @if let Some(failure) = failure { (reason(failure.stage, failure.reason)) } }
            td.drawn { (scale.bar(report)) }
            td.number.duration { (format::duration(report.duration)) }
            td.when { (format::age_element(report.started, now)) }
            td.more {
                a href=(links::text(entry.id)) { (links::TEXT) } " "
                @if let Some(history) = links::target_of(report) { a href=(history) { (links::HISTORY) } }
            }
        }
    }
}

pub(super) fn verdict(is_ok: bool) -> Markup {
    html! {
        @if is_ok { span.mark.good { "Success" } } @else { strong.mark.bad { "Failure" } }
    }
}

pub(super) fn reason(stage: Stage, reason: Reason) -> Markup {
    html! { (stage.label()) ": " (reason.label()) }
}
