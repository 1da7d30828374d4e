//! The list of recent probes.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    diagnostics::Failure,
    probe::{ProbeReport, history::HistoryEntry},
    server::{
        pages::{filter::Filter, format, waterfall},
        query::link,
    },
};

/// Maximum number of rows in the list. The others are found with the filter.
const MAX_ROWS: usize = 500;

/// Maximum length of a target and of a module's name in the list, in bytes.
pub(super) const MAX_TARGET_BYTES: usize = 160;
pub(super) const MAX_NAME_BYTES: usize = 40;

/// Renders the recent probes that match the filter, and the number of hidden ones.
pub(super) fn recent(
    entries: &[HistoryEntry],
    modules: &[&str],
    filter: &Filter,
    now: SystemTime,
) -> Markup {
    let matching: Vec<_> = entries.iter().filter(|entry| filter.matches(&entry.report)).collect();
    html! {
        section #recent {
            h2 { "Recent Probes" }
            @if entries.is_empty() {
                p.soft { "None yet." }
            } @else {
                (filter.form(modules))
                (hidden(entries.len(), matching.len(), filter))
                @if !matching.is_empty() { (table(&matching, now)) }
            }
        }
    }
}

fn hidden(all: usize, matching: usize, filter: &Filter) -> Markup {
    let beyond = matching.saturating_sub(MAX_ROWS);
    html! {
        @if filter.is_set() {
            p.soft {
                "Showing " (matching) " of " (all) " probes (" (all - matching)
                " hidden by the filter). "
                a href="./" { "Show all" }
            }
        }
        @if beyond > 0 {
            p.soft { (beyond) " older probes are not listed; filter by module or target to find them." }
        }
    }
}

fn table(entries: &[&HistoryEntry], now: SystemTime) -> Markup {
    html! {
        table.list {
            caption.hidden { "Probes with their results, the latest first" }
            thead {
                tr {
                    th scope="col" { "Module" }
                    th scope="col" { "Target" }
                    th scope="col" { "Result" }
                    th scope="col" { "Reason" }
                    th.drawn scope="col" { "Phases" }
                    th.number scope="col" { "Duration" }
                    th scope="col" { "When" }
                    th scope="col" { "Debug" }
                }
            }
            tbody { @for entry in entries.iter().take(MAX_ROWS) { (line(entry, now)) } }
        }
    }
}

fn line(entry: &HistoryEntry, now: SystemTime) -> Markup {
    let report = &entry.report;
    let page = link("logs", &[("id", &entry.id.to_string()), ("format", "html")]);
    html! {
        tr {
            td.module { (format::untrusted_up_to(&report.module_name, MAX_NAME_BYTES)) }
            td.target { a href=(page) { (format::untrusted_up_to(&report.target, MAX_TARGET_BYTES)) } }
            td.result { (verdict(report)) }
            td.reason { @if let Some(failure) = report.verdict.failure() { (reason(failure)) } }
            td.drawn { (waterfall::small(report)) }
            td.number.duration { (format::duration(report.duration)) }
            td.when { (format::age_element(report.started, now)) }
            td.debug { a href={ "logs?id=" (entry.id) } { "Logs" } }
        }
    }
}

fn verdict(report: &ProbeReport) -> Markup {
    html! {
        @if report.verdict.is_ok() {
            span.mark.good { "Success" }
        } @else {
            strong.mark.bad { "Failure" }
        }
    }
}

fn reason(failure: &Failure) -> Markup {
    html! { (failure.stage.label()) ": " (failure.reason.label()) }
}
