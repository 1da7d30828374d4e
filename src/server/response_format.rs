//! The faces of a report: which one a request wants, and how it is answered.

use std::fmt::Display;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};

use crate::{
    diagnostics::logfmt::visible,
    probe::{ProbeReport, Query, history::Entry},
    server::{content_negotiation::OpenMetrics, exporter::Exporter, pages, pages::Shown, response},
};

/// A way to show a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Samples, for Prometheus.
    Metrics,
    /// Text for people.
    Debug,
    /// JSON for programs.
    Json,
    /// A page for people.
    Html,
    /// One line, and a status code that tells success from failure.
    Health,
}

/// The parameter that asks for a face.
const PARAMETER: &str = "format";

impl Face {
    const NAMED: [(&'static str, Self); 5] = [
        ("metrics", Self::Metrics),
        ("debug", Self::Debug),
        ("json", Self::Json),
        ("html", Self::Html),
        ("health", Self::Health),
    ];

    /// The face that the query asks for, by `format` or by upstream's `debug=true`; `usual` without
    /// either.
    ///
    /// # Errors
    /// What is wrong with the query, for whoever made it.
    pub(super) fn of(query: &Query<'_>, usual: Self) -> Result<Self, String> {
        match query.first(PARAMETER) {
            None if query.first("debug") == Some("true") => Ok(Self::Debug),
            None => Ok(usual),
            Some(name) => {
                let found = Self::NAMED.iter().find(|(known, _)| *known == name);
                let known = Self::NAMED.map(|(name, _)| name).join(", ");
                found.map(|(_, face)| *face).ok_or_else(|| {
                    format!("{PARAMETER} '{name}' is not valid: it is one of {known}")
                })
            }
        }
    }

    /// Says that there is nothing to show.
    pub(super) fn refuse(
        self,
        request: &HttpRequest,
        status: StatusCode,
        message: impl Display,
    ) -> HttpResponse {
        match self {
            Self::Html => pages::problem(request, status, &message.to_string()),
            Self::Metrics | Self::Debug | Self::Json | Self::Health => {
                response::error(status, message)
            }
        }
    }

    /// Shows the report of `entry`.
    pub(super) fn answer(
        self,
        request: &HttpRequest,
        exporter: &Exporter,
        entry: &Entry,
    ) -> HttpResponse {
        let report = &entry.report;
        match self {
            Self::Metrics => {
                let form = response::exposition(request, OpenMetrics::IfNothingElse);
                let text = report.metrics.render_as(form.format, form.escaping);
                response::page(request, &form.content_type, text)
            }
            Self::Debug => response::page(request, response::BARE_TEXT, report.debug_text()),
            Self::Json => response::page(request, response::JSON, report.to_json()),
            Self::Html => {
                let is_kept = exporter.history.find(entry.id).is_some();
                pages::report(request, &Shown { entry, is_kept })
            }
            Self::Health => health(report),
        }
    }
}

/// For whoever only knows status codes, such as a load balancer.
fn health(report: &ProbeReport) -> HttpResponse {
    let status = match report.verdict {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let line = visible(&report.summary());
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, response::TEXT))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_one_face() {
        for (query, expected) in [
            ("", Ok(Face::Metrics)),
            ("debug=true", Ok(Face::Debug)),
            ("debug=1", Ok(Face::Metrics)),
            ("format=json", Ok(Face::Json)),
            ("debug=true&format=health", Ok(Face::Health)),
            ("format=", Ok(Face::Metrics)),
            ("format=JSON", Err(())),
        ] {
            let face = Face::of(&Query::parse(query), Face::Metrics);
            assert_eq!(face.map_err(|_| ()), expected, "{query}");
        }
    }
}
