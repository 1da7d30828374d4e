//! Lists of targets: those that fail now, and one row for each target.

use std::{cmp::Ordering, collections::HashSet, time::SystemTime};

use maud::{Markup, html};

use crate::{
    probe::history::{History, HistoryEntry, TargetSummary},
    server::pages::{
        bars::Scale,
        filter::Filter,
        format, links,
        listing::{Column, Listing, Rows},
        recent::{self, MAX_NAME_BYTES, MAX_TARGET_BYTES, reason, reason_order, verdict},
    },
};

/// Maximum number of failing targets above the list of probes.
const MAX_FAILING: usize = 20;

/// Maximum length of a message in bytes.
const MAX_MESSAGE_BYTES: usize = 160;

/// Renders the number of targets, and how many of them fail now.
pub(super) fn summary(targets: &[TargetSummary], now: SystemTime) -> Markup {
    let failing = targets.iter().filter(|target| target.is_failing(now)).count();
    let idle = targets.iter().filter(|target| !target.is_current(now)).count();
    html! {
        @if !targets.is_empty() {
            p.summary {
                (format::count(targets.len(), "target")) ", "
                @if failing > 0 { strong.mark.bad { (failing) " failing now" } }
                @else { span.mark.good { "none failing now" } }
                @if idle > 0 { span.soft { " " (idle) " not probed of late" } }
            }
        }
    }
}

/// Returns the rows of the start page without a request for others: one for each target, if the latest
/// probes are not of all targets.
pub(super) fn default_rows(probes: &[HistoryEntry], targets: &[TargetSummary]) -> Rows {
    let listed: HashSet<_> = probes
        .iter()
        .map(|HistoryEntry { report, .. }| {
            (&*report.module_name, &*report.target, report.hostname.as_deref().unwrap_or_default())
        })
        .collect();
    let is_listed = |TargetSummary { key, .. }: &TargetSummary| {
        listed.contains(&(key.module(), key.target(), key.hostname().unwrap_or_default()))
    };
    if targets.iter().all(is_listed) { Rows::Probes } else { Rows::Targets }
}

/// Renders the targets that fail now, those with the latest first failure first.
pub(super) fn failing(targets: &[TargetSummary], now: SystemTime) -> Markup {
    let mut failing: Vec<_> = targets.iter().filter(|target| target.is_failing(now)).collect();
    failing.sort_by(|one, other| {
        other.since.time.cmp(&one.since.time).then_with(|| compare_keys(one, other))
    });
    let beyond = failing.len().saturating_sub(MAX_FAILING);
    html! {
        @if !failing.is_empty() {
            section #failing {
                h2 { "Failing Now" }
                table.list {
                    caption.hidden { "Targets that fail now, the latest first" }
                    thead {
                        tr {
                            th scope="col" { "Module" }
                            th scope="col" { "Target" }
                            th scope="col" { "Reason" }
                            th.number scope="col" { "Length" }
                            th scope="col" { "Since" }
                        }
                    }
                    tbody { @for target in failing.iter().take(MAX_FAILING) { (failing_line(target, now)) } }
                }
                @if beyond > 0 {
                    p.soft {
                        "and " (beyond) " more: "
                        a href="./?view=targets&failures=true" { "all failing targets" }
                    }
                }
            }
        }
    }
}

fn failing_line(target: &TargetSummary, now: SystemTime) -> Markup {
    html! {
        tr {
            td.module { (format::untrusted_up_to(target.key.module(), MAX_NAME_BYTES)) }
            td.target { (name(target)) }
            td.reason { (failure(target)) }
            td.number.duration { (format::count(target.since.probes, "failure")) }
            td.when { (since(target, now)) }
        }
    }
}

fn name(target: &TargetSummary) -> Markup {
    let key = &target.key;
    let hostname = key.hostname().unwrap_or_default();
    html! {
        a href=(links::target(key)) {
            (format::untrusted_up_to(key.target(), MAX_TARGET_BYTES))
        }
        @if !hostname.is_empty() { " " span.soft { (format::untrusted_up_to(hostname, MAX_NAME_BYTES)) } }
    }
}

/// Renders the age of the present result. It may be older than the history.
fn since(target: &TargetSummary, now: SystemTime) -> Markup {
    html! {
        @if !target.since.is_known { "at least " }
        (format::age_element(target.since.time, now))
    }
}

fn failure(target: &TargetSummary) -> Markup {
    html! {
        @if let Some(outline) = &target.latest.failure {
            (reason(outline.stage, outline.reason))
            div.soft { (format::untrusted_up_to(&outline.message, MAX_MESSAGE_BYTES)) }
        }
    }
}

/// Renders one row for each target that matches the filter; unless another order is requested, those
/// that fail now come first, and then those that failed last.
pub(super) fn list(
    history: &History,
    targets: &[TargetSummary],
    filter: &Filter,
    listing: &Listing,
    now: SystemTime,
) -> Markup {
    let matches = |target: &&TargetSummary| {
        (!filter.only_failures || target.latest.is_failing())
            && filter.matches_names(target.key.module(), target.key.target())
    };
    let mut matching: Vec<_> = targets.iter().filter(matches).collect();
    matching.sort_by(|one, other| match listing.order {
        Some((column, false)) => compare(one, other, column),
        Some((column, true)) => compare(one, other, column).reverse(),
        None => by_urgency(one, other, now),
    });
    let count = matching.len();
    let rows: Vec<_> = listing
        .rows(matching.into_iter())
        .into_iter()
        .map(|target| (target, target.latest.ids()[1].and_then(|id| history.find(id))))
        .collect();
    html! {
        (recent::hidden([targets.len(), count], "targets", filter, listing))
        @if !rows.is_empty() {
            (table(&rows, filter, listing, now))
            (listing.pages(filter, count, "targets"))
        }
    }
}

fn by_urgency(one: &TargetSummary, other: &TargetSummary, now: SystemTime) -> Ordering {
    other
        .is_failing(now)
        .cmp(&one.is_failing(now))
        .then(other.last_failure.cmp(&one.last_failure))
        .then_with(|| compare_keys(one, other))
}

fn compare_keys(one: &TargetSummary, other: &TargetSummary) -> Ordering {
    let (one, other) = (&one.key, &other.key);
    one.target().cmp(other.target()).then_with(|| one.module().cmp(other.module()))
}

fn compare(one: &TargetSummary, other: &TargetSummary, column: Column) -> Ordering {
    let failure = |target: &TargetSummary| {
        target.latest.failure.as_ref().map(|it| reason_order(it.stage, it.reason))
    };
    match column {
        Column::Module => one.key.module().cmp(other.key.module()),
        Column::Target => one.key.target().cmp(other.key.target()),
        Column::Result => other.latest.is_failing().cmp(&one.latest.is_failing()),
        Column::Reason => failure(one).cmp(&failure(other)),
        Column::Duration => one.latest.longest.cmp(&other.latest.longest),
        Column::When => one.latest.last.cmp(&other.latest.last),
    }
}

type Row<'t> = (&'t TargetSummary, Option<HistoryEntry>);

fn table(rows: &[Row<'_>], filter: &Filter, listing: &Listing, now: SystemTime) -> Markup {
    let reports = rows.iter().filter_map(|(_, entry)| entry.as_ref());
    let scale = Scale::of(reports.map(|entry| entry.report.duration));
    html! {
        (scale.legend())
        table.list.sorted {
            caption.hidden { "Targets with their last results" }
            (listing.head(filter, ["Longest", "Last probe", "Since"]))
            tbody { @for (target, entry) in rows { (line(target, entry.as_ref(), scale, now)) } }
        }
    }
}

fn line(
    target: &TargetSummary,
    entry: Option<&HistoryEntry>,
    scale: Scale,
    now: SystemTime,
) -> Markup {
    html! {
        tr {
            td.module { (format::untrusted_up_to(target.key.module(), MAX_NAME_BYTES)) }
            td.target { (name(target)) }
            td.result { (verdict(!target.latest.is_failing())) }
            td.reason { (failure(target)) }
            td.drawn { @if let Some(entry) = entry { (scale.bar(&entry.report)) } }
            td.number.duration data-label="longest" { (format::duration(target.latest.longest)) }
            td.when { (format::age_element(target.latest.last, now)) }
            td.since data-label="since" { (since(target, now)) }
        }
    }
}
