//! The HTML pages. They are rendered on request and need no JavaScript.

mod bars;
mod certificates;
mod filter;
mod form_fields;
mod format;
mod landing;
mod layout;
mod links;
mod listing;
mod log;
mod long_texts;
mod modules;
mod nothing;
mod recent;
mod refused;
mod report;
mod response;
mod target;
mod targets;
mod verdict;
mod waterfall;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use maud::html;

use self::layout::Page;
use crate::{
    probe::{History, history::Extent},
    server::exporter::Exporter,
    settings::size::ByteSize,
};

pub(super) use self::{
    landing::answer as landing,
    long_texts::{config, metrics},
    modules::answer as modules,
    report::{ReportPage, answer as report},
    target::answer as target,
};

/// Returns an error page.
pub(super) fn error(request: &HttpRequest, status: StatusCode, message: &str) -> HttpResponse {
    let content = html! {
        section.verdict.bad {
            h1 { (format::untrusted(message)) }
            p { "Back to " a href="./" { (links::PROBES) } }
        }
    };
    Page { title: message, current_link: "", content }.answer(request, status)
}

/// Returns the page about a probe that is not in the history: with what is, and links to probes of the
/// module and the target, if they are known.
pub(super) fn not_kept(
    request: &HttpRequest,
    message: &str,
    exporter: &Exporter,
    wanted: Option<(&str, &str)>,
) -> HttpResponse {
    let variants = wanted.map(|(_, target)| exporter.history.variants(target)).unwrap_or_default();
    let content = html! {
        section.verdict.bad {
            h1 { (format::untrusted(message)) }
            p { (kept(&exporter.history)) }
            p {
                "The probe may be too old, or another replica of the exporter may have it: each keeps "
                "only its own probes."
            }
            @if let Some((_, target)) = wanted {
                @for key in &variants {
                    p {
                        a href=(links::target(key)) { (links::HISTORY) }
                        " of this target with module " (format::untrusted(key.module()))
                    }
                }
                p {
                    a href=(links::recent_probes("", target)) { (links::RECENT_PROBES) } " of such targets"
                }
            }
            p { "Back to " a href="./" { (links::PROBES) } }
        }
    };
    Page { title: message, current_link: "", content }.answer(request, StatusCode::NOT_FOUND)
}

/// Returns a text that says what the history keeps.
pub(super) fn kept(history: &History) -> String {
    let Extent { limit, memory, reports: [recent, of_targets], targets, since } = history.extent();
    if limit == 0 {
        return "Nothing is kept, because of the flag --history.limit=0.".to_owned();
    }
    let since = since.map(|since| format!(" since {}", format::timestamp(since)));
    format!(
        "Kept are the latest {limit} probes (now {recent}{}), and the last success and the last \
         failures of each target (now {of_targets} reports of {}), with at most {} of memory. The \
         history begins with the start of the exporter.",
        since.unwrap_or_default(),
        format::count(targets, "target"),
        ByteSize::rounded(u64::try_from(memory).unwrap_or(u64::MAX)),
    )
}
