//! The list of recent probes, one line each.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    diagnostics::Failure,
    probe::{ProbeReport, history::Entry},
    server::{
        pages::{filter::Filter, format, waterfall},
        query::link,
    },
};

/// Lines of the list; the filter finds what lies beyond.
const MOST_LINES: usize = 500;

/// Bytes of a target in the list, and of a module's name.
const LONGEST: usize = 160;
const LONGEST_NAME: usize = 40;

/// The latest probes that the filter takes, and how many others there are.
pub(super) fn recent(
    entries: &[Entry],
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
    let beyond = taken.saturating_sub(MOST_LINES);
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

fn table(entries: &[&Entry], now: SystemTime) -> Markup {
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
            tbody { @for entry in entries.iter().take(MOST_LINES) { (line(entry, now)) } }
        }
    }
}

fn line(entry: &Entry, now: SystemTime) -> Markup {
    let report = &entry.report;
    let id = entry.id.to_string();
    let page = link("logs", &[("id", &id), ("format", "html")]);
    html! {
        tr {
            td.module { (format::told_briefly(&report.module_name, LONGEST_NAME)) }
            td.target { a href=(page) { (format::told_briefly(&report.target, LONGEST)) } }
            td.result { (verdict(report)) }
            td.reason { @if let Err(failure) = &report.verdict { (reason(failure)) } }
            td.drawn { (waterfall::small(report)) }
            td.number.duration { (format::duration(report.duration)) }
            td.when { (format::moment(report.started, now)) }
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
