//! The list of refused probes.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    diagnostics::RefusalCause,
    probe::refused::RefusedProbe,
    server::pages::{
        filter::Filter,
        format, links,
        recent::{MAX_NAME_BYTES, MAX_TARGET_BYTES},
    },
};

/// Maximum length of a message in bytes. It contains the name of the module.
const MAX_MESSAGE_BYTES: usize = 200;

/// Renders the refused probes that match the filter with their causes, if there are any.
pub(super) fn refused(probes: &[RefusedProbe], filter: &Filter, now: SystemTime) -> Markup {
    let matching =
        |probe: &&RefusedProbe| filter.matches_names(&probe.module_name.start, &probe.target.start);
    let probes: Vec<_> = probes.iter().filter(matching).collect();
    html! {
        @if !probes.is_empty() {
            section #refused {
                h2 { "Refused Probes" }
                p.soft { "The exporter refused these probes, which says nothing about their targets." }
                (causes(&probes))
                table.list {
                    caption.hidden { "Refused probes with their causes, the latest first" }
                    thead {
                        tr {
                            th scope="col" { "Module" }
                            th scope="col" { "Target" }
                            th scope="col" { "Cause" }
                            th scope="col" { "When" }
                            th scope="col" { "More" }
                        }
                    }
                    tbody { @for probe in probes { (line(probe, now)) } }
                }
            }
        }
    }
}

/// Renders each cause that occurs with its meaning and advice.
fn causes(probes: &[&RefusedProbe]) -> Markup {
    let occurs = |cause: &&RefusalCause| probes.iter().any(|probe| probe.cause == **cause);
    html! {
        dl.facts {
            @for cause in RefusalCause::ALL.iter().filter(occurs) {
                div {
                    dt { (cause.label()) }
                    dd { (cause.meaning()) " " (cause.advice()) }
                }
            }
        }
    }
}

fn line(probe: &RefusedProbe, now: SystemTime) -> Markup {
    let target = format::untrusted_start(&probe.target, MAX_TARGET_BYTES);
    html! {
        tr {
            td.module { (format::untrusted_start(&probe.module_name, MAX_NAME_BYTES)) }
            td.target {
                @match probe.id {
                    Some(id) => a href=(links::report(id)) { (target) },
                    None => (target),
                }
            }
            td.reason {
                (probe.cause.label())
                div.soft { (format::untrusted_start(&probe.message, MAX_MESSAGE_BYTES)) }
            }
            td.when { (format::age_element(probe.refused_at, now)) }
            td.more { @if let Some(id) = probe.id { a href=(links::text(id)) { (links::TEXT) } } }
        }
    }
}
