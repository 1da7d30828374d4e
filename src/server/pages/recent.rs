//! The list of recent probes, one line each.

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

/// Lines of the list; the filter finds what lies beyond.
const MAX_ROWS: usize = 500;

/// Bytes of a target in the list, and of a module's name.
const MAX_TARGET_BYTES: usize = 160;
const MAX_NAME_BYTES: usize = 40;

/// The latest probes that the filter takes, and how many others there are.
pub(super) fn recent(
    entries: &[HistoryEntry],
    modules: &[&str],
    filter: &Filter,
    now: SystemTime,
) -> Markup {
    let taken: Vec<_> = entries.iter().filter(|entry| filter.takes(&entry.report)).collect();
    html! {
        section #recent {
            h2 { "Recent Probes" }
            @if entries.is_empty() {
                p.soft { "None yet." }
            } @else {
                (filter.form(modules))
                (left_out(entries.len(), taken.len(), filter))
                @if !taken.is_empty() { (table(&taken, now)) }
            }
        }
    }
}

fn left_out(all: usize, taken: usize, filter: &Filter) -> Markup {
    let beyond = taken.saturating_sub(MAX_ROWS);
    html! {
        @if filter.is_set() {
            p.soft {
                (taken) " of " (all) " probes; the filter leaves out " (all - taken) ". "
                a href="./" { "Show all" }
            }
        }
        @if beyond > 0 {
            p.soft { (beyond) " older ones are not listed; filter by module or target to find them." }
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
                    th.drawn scope="col" { "Where the time went" }
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
    let id = entry.id.to_string();
    let page = link("logs", &[("id", &id), ("format", "html")]);
    html! {
        tr {
            td.module { (format::untrusted_up_to(&report.module_name, MAX_NAME_BYTES)) }
            td.target { a href=(page) { (format::untrusted_up_to(&report.target, MAX_TARGET_BYTES)) } }
            td.result { (verdict(report)) }
            td.reason { @if let Err(failure) = &report.verdict { (reason(failure)) } }
            td.drawn { (waterfall::small(report)) }
            td.number.duration { (format::duration(report.duration)) }
            td.when { (format::age_element(report.started, now)) }
            td.debug { a href={ "logs?id=" (id) } { "Logs" } }
        }
    }
}

fn verdict(report: &ProbeReport) -> Markup {
    html! {
        @match &report.verdict {
            Ok(()) => span.mark.good { "Success" },
            Err(_) => strong.mark.bad { "Failure" },
        }
    }
}

fn reason(failure: &Failure) -> Markup {
    html! { (failure.stage.label()) ": " (failure.reason.label()) }
}
