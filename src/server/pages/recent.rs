//! The lists of recent and of refused probes.

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
const MAX_TARGET_BYTES: usize = 160;
const MAX_NAME_BYTES: usize = 40;

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

/// Renders the refused probes that match the filter, if there are any.
pub(super) fn refused(entries: &[HistoryEntry], filter: &Filter, now: SystemTime) -> Markup {
    let entries = entries.iter().filter_map(|entry| {
        let refusal = entry.report.verdict.refusal()?;
        filter.matches(&entry.report).then_some((entry, refusal))
    });
    let mut entries = entries.peekable();
    html! {
        @if entries.peek().is_some() {
            section #refused {
                h2 { "Refused Probes" }
                p.soft { "The exporter refused these probes, which says nothing about their targets." }
                table.list {
                    thead {
                        tr {
                            th scope="col" { "Module" }
                            th scope="col" { "Target" }
                            th scope="col" { "Cause" }
                            th scope="col" { "When" }
                            th scope="col" { "Debug" }
                        }
                    }
                    tbody {
                        @for (entry, refusal) in entries {
                            tr {
                                (names(entry))
                                td.reason { (refusal.cause.label()) }
                                (links(entry, now))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Renders the cells with the module and the target.
fn names(entry: &HistoryEntry) -> Markup {
    let report = &entry.report;
    let page = link("logs", &[("id", &entry.id.to_string()), ("format", "html")]);
    html! {
        td.module { (format::untrusted_up_to(&report.module_name, MAX_NAME_BYTES)) }
        td.target { a href=(page) { (format::untrusted_up_to(&report.target, MAX_TARGET_BYTES)) } }
    }
}

/// Renders the cells with the age and the link to the log.
fn links(entry: &HistoryEntry, now: SystemTime) -> Markup {
    html! {
        td.when { (format::age_element(entry.report.started, now)) }
        td.debug { a href={ "logs?id=" (entry.id) } { "Logs" } }
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
    html! {
        tr {
            (names(entry))
            td.result { (verdict(report)) }
            td.reason { @if let Some(failure) = report.verdict.failure() { (reason(failure)) } }
            td.drawn { (waterfall::small(report)) }
            td.number.duration { (format::duration(report.duration)) }
            (links(entry, now))
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
