//! The HTML pages. They are rendered on request and need no JavaScript.

mod certificates;
mod filter;
mod form_fields;
mod format;
mod hops;
mod landing;
mod layout;
mod log;
mod long_texts;
mod modules;
mod recent;
mod refused;
mod report;
mod response;
mod verdict;
mod waterfall;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};
use maud::html;

use self::layout::Page;

pub(super) use self::{
    landing::answer as landing,
    long_texts::{config, metrics},
    modules::answer as modules,
    report::{ReportPage, answer as report},
};

/// Returns an error page.
pub(super) fn error(request: &HttpRequest, status: StatusCode, message: &str) -> HttpResponse {
    error_with_advice(request, status, message, "")
}

/// Returns the page about a probe that is not in the history.
pub(super) fn not_found(request: &HttpRequest, message: &str) -> HttpResponse {
    let advice = "The probe may be too old, or another replica of the exporter may have it: each \
                  keeps only its own probes.";
    error_with_advice(request, StatusCode::NOT_FOUND, message, advice)
}

fn error_with_advice(
    request: &HttpRequest,
    status: StatusCode,
    message: &str,
    advice: &str,
) -> HttpResponse {
    let content = html! {
        section.verdict.bad {
            h1 { (format::untrusted(message)) }
            @if !advice.is_empty() { p { (advice) } }
            p { a href="./" { "Back to the recent probes" } }
        }
    };
    Page { title: message, current_link: "", content }.answer(request, status)
}
