//! `/probe`: one probe, run while the scraper waits.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use crate::{
    probe::{BadRequest, ProbeRequest, request::RawRequest},
    server::{answer, exporter::Exporter, face::Face, pages::Query},
};

const SCRAPE_TIMEOUT: &str = "X-Prometheus-Scrape-Timeout-Seconds";

/// Runs the probe that the query asks for. A probe that was begun is always 200: what it found is
/// in the metrics.
pub(super) async fn answer(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    let face = match Face::of(&Query::of(&request), Face::Metrics) {
        Ok(face) => face,
        Err(message) => return answer::error(StatusCode::BAD_REQUEST, message),
    };
    let probe_request = match parse(&request, &exporter) {
        Ok(probe_request) => probe_request,
        Err(error) => return refuse(&error, &exporter),
    };
    let Some(report) = exporter.into_inner().probe(probe_request).await else {
        return answer::error(StatusCode::INTERNAL_SERVER_ERROR, "The probe broke down");
    };
    face.answer(&request, &report)
}

fn parse(request: &HttpRequest, exporter: &Exporter) -> Result<ProbeRequest, BadRequest> {
    // A header that is no text is as little a number as any other.
    let scrape_timeout = request.headers().get(SCRAPE_TIMEOUT);
    let scrape_timeout = scrape_timeout.map(|value| value.to_str().unwrap_or("(no text)"));
    let raw = RawRequest { query: request.query_string(), scrape_timeout };
    ProbeRequest::parse(raw, &exporter.config(), exporter.settings.timeout_offset)
}

fn refuse(error: &BadRequest, exporter: &Exporter) -> HttpResponse {
    if let BadRequest::UnknownModule(module) = error {
        exporter.metrics.unknown_module();
        log::debug!(module; "Unknown module");
    }
    answer::error(StatusCode::BAD_REQUEST, error)
}
