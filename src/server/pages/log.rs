//! The log of a probe.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{diagnostics::LogEntry, probe::ProbeReport, server::pages::format};

/// Renders the log.
pub(super) fn log(report: &ProbeReport) -> Markup {
    html! {
        section {
            h2 { "Log" }
            table.log {
                caption.hidden { "Log of the probe, with the time since its start" }
                thead {
                    tr {
                        th.number scope="col" { "Time" }
                        th scope="col" { "Level" }
                        th scope="col" { "Message" }
                    }
                }
                tbody { @for entry in &report.log { (line(entry, report.started)) } }
            }
        }
    }
}

fn line(entry: &LogEntry, started: SystemTime) -> Markup {
    let after = entry.time.duration_since(started).unwrap_or_default();
    let level = entry.level.as_str();
    html! {
        tr {
            td.number { (format::duration(after)) }
            td.level.(level.to_lowercase()) { (level) }
            td { (format::untrusted(&entry.message)) " " span.code.soft { (format::log_fields(entry)) } }
        }
    }
}
