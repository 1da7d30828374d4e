//! Selects the response format (metrics, JSON, HTML, text, health) and renders a report in it.

use std::{fmt::Display, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use crate::{
    diagnostics::{Refusal, RefusalCause, logfmt::visible},
    memory::ProbeMemory,
    probe::{ProbeReport, Query, history::HistoryEntry, request::WrittenTarget},
    server::{
        content_negotiation::OpenMetrics,
        exporter::Exporter,
        pages,
        pages::ReportPage,
        response::{self, Size},
    },
};

/// The format in which a report is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    /// Metrics for Prometheus.
    Metrics,
    /// Plain text.
    Debug,
    /// JSON.
    Json,
    /// An HTML page.
    Html,
    /// One line of text, with status 200 on success, 503 on failure, and 403 or 429 on
    /// refusal.
    Health,
}

/// The query parameter that selects the format.
const PARAMETER: &str = "format";

impl ResponseFormat {
    const NAMED: [(&'static str, Self); 5] = [
        ("metrics", Self::Metrics),
        ("debug", Self::Debug),
        ("json", Self::Json),
        ("html", Self::Html),
        ("health", Self::Health),
    ];

    /// Reads the format from the parameter `format`, or from upstream's `debug=true`. Without
    /// either, the format is `default`.
    ///
    /// # Errors
    /// An unknown format; the text is sent to the client.
    pub(super) fn from_query(query: &Query<'_>, default: Self) -> Result<Self, String> {
        match query.first(PARAMETER) {
            None if query.first("debug") == Some("true") => Ok(Self::Debug),
            None => Ok(default),
            Some(name) => {
                let found = Self::NAMED.iter().find(|(known, _)| *known == name);
                let known = Self::NAMED.map(|(name, _)| name).join(", ");
                found
                    .map(|(_, format)| *format)
                    .ok_or_else(|| format!("invalid {PARAMETER} '{name}': must be one of {known}"))
            }
        }
    }

    /// Returns whether a report in this format contains the response of the target.
    pub(super) const fn shows_response(self) -> bool {
        matches!(self, Self::Debug | Self::Json | Self::Html)
    }

    /// Returns an error: a page if the format is HTML, otherwise text.
    pub(super) fn refuse(
        self,
        request: &HttpRequest,
        status: StatusCode,
        message: impl Display,
    ) -> HttpResponse {
        match self {
            Self::Html => pages::error(request, status, &message.to_string()),
            Self::Metrics | Self::Debug | Self::Json | Self::Health => {
                response::error(status, message)
            }
        }
    }

    /// Returns the response to a client whose probe has ended: the report or, if the probe was refused,
    /// an error.
    pub(super) async fn answer_probe(
        self,
        request: &HttpRequest,
        exporter: &Exporter,
        entry: HistoryEntry,
        memory: &Arc<ProbeMemory>,
    ) -> HttpResponse {
        let report = Arc::clone(&entry.report);
        let Some(refusal) = report.verdict.refusal() else {
            let answer = self.answer(request, exporter, entry).await;
            let held = response::held(answer, memory);
            return held.unwrap_or_else(|| {
                let refusal = Refusal::body_memory();
                let target = WrittenTarget { text: &report.target, is_decoded: true };
                exporter.record_refusal(&report.module_name, &refusal, target);
                self.refused(&refusal)
            });
        };
        // The page of a denied probe shows its log, which may name what the target led to.
        if self == Self::Html && refusal.cause != RefusalCause::Denied {
            let page = self.answer(request, exporter, entry).await;
            return self.mark_as_refusal(page, refusal.cause);
        }
        self.refuse_probe(request, refusal)
    }

    /// Returns the response about a probe that was refused before it began.
    pub(super) fn refuse_probe(self, request: &HttpRequest, refusal: &Refusal) -> HttpResponse {
        if self == Self::Html {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let page = self.refuse(request, status, &refusal.message);
            return self.mark_as_refusal(page, refusal.cause);
        }
        self.refused(refusal)
    }

    /// Returns the response about a refused probe: one line of text.
    fn refused(self, refusal: &Refusal) -> HttpResponse {
        let response = response::error(StatusCode::OK, visible(&refusal.message));
        self.mark_as_refusal(response, refusal.cause)
    }

    /// Sets the status and the headers of a response about a refused probe.
    fn mark_as_refusal(self, mut response: HttpResponse, cause: RefusalCause) -> HttpResponse {
        *response.status_mut() = match (cause, self) {
            (RefusalCause::Denied, _) => StatusCode::FORBIDDEN,
            // Load balancers read 503 as a failed target.
            (_, Self::Health) => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let headers = response.headers_mut();
        if cause != RefusalCause::Denied {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Renders the report of `entry`. A refused probe has no metrics: the refusal is returned instead.
    pub(super) async fn answer(
        self,
        request: &HttpRequest,
        exporter: &Exporter,
        entry: HistoryEntry,
    ) -> HttpResponse {
        let report = Arc::clone(&entry.report);
        let refusal = report.verdict.refusal();
        if let (Some(refusal), Self::Metrics | Self::Health) = (refusal, self) {
            return self.refused(refusal);
        }
        match self {
            Self::Metrics => {
                let form = response::exposition(request, OpenMetrics::IfNothingElse);
                let size = Size::of_metrics(&entry);
                let render = move || report.metrics.render_as(form.format, form.escaping);
                response::ok_rendered(request, &form.content_type, size, render).await
            }
            Self::Debug => {
                let size = Size::of_report(&entry);
                let render = move || report.debug_text();
                response::ok_rendered(request, response::BARE_TEXT, size, render).await
            }
            Self::Json => {
                let size = Size::of_report(&entry);
                let render = move || report.to_json();
                response::ok_rendered(request, response::JSON, size, render).await
            }
            Self::Html => {
                let is_kept = exporter.history.contains(entry.id);
                let prometheus = exporter.settings.prometheus_url.clone();
                pages::report(request, ReportPage { entry, is_kept, prometheus }).await
            }
            Self::Health => health(&report),
        }
    }
}

/// The response for clients that only check the status code, such as a load balancer.
fn health(report: &ProbeReport) -> HttpResponse {
    let is_ok = report.verdict.is_ok();
    let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
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
            ("", Ok(ResponseFormat::Metrics)),
            ("debug=true", Ok(ResponseFormat::Debug)),
            ("debug=1", Ok(ResponseFormat::Metrics)),
            ("format=json", Ok(ResponseFormat::Json)),
            ("debug=true&format=health", Ok(ResponseFormat::Health)),
            ("format=", Ok(ResponseFormat::Metrics)),
            ("format=JSON", Err(())),
        ] {
            let format = ResponseFormat::from_query(&Query::parse(query), ResponseFormat::Metrics);
            assert_eq!(format.map_err(|_| ()), expected, "{query}");
        }
    }
}
