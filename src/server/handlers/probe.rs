//! `/probe`: one probe, run while the scraper waits.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderName},
    web::Data,
};

use crate::{
    probe::{BadRequest, ProbeRequest, request::RawRequest},
    server::{exporter::Exporter, query, response, response_format::Face},
};

static SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Runs the probe that the query asks for. A probe that was begun is always 200, unless its health
/// is asked for: what it found is in the metrics.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let face = match Face::of(&query::of(&request), Face::Metrics) {
        Ok(face) => face,
        Err(message) => return response::error(StatusCode::BAD_REQUEST, message),
    };
    let probe_request = match parse(&request, &exporter) {
        Ok(probe_request) => probe_request,
        Err(error) => {
            note(&error, &exporter);
            return face.refuse(&request, StatusCode::BAD_REQUEST, error);
        }
    };
    let Some(entry) = Arc::clone(&exporter).probe(probe_request).await else {
        return face.refuse(&request, StatusCode::INTERNAL_SERVER_ERROR, "The probe broke down");
    };
    face.answer(&request, &exporter, &entry)
}

fn parse(request: &HttpRequest, exporter: &Exporter) -> Result<ProbeRequest, BadRequest> {
    // A header that is no text is as little a number as any other.
    let scrape_timeout = request.headers().get(&SCRAPE_TIMEOUT);
    let scrape_timeout = scrape_timeout.map(|value| value.to_str().unwrap_or("(no text)"));
    let raw = RawRequest { query: request.query_string(), scrape_timeout };
    ProbeRequest::parse(raw, &exporter.config(), exporter.settings.timeout_offset)
}

fn note(error: &BadRequest, exporter: &Exporter) {
    if let BadRequest::UnknownModule(module) = error {
        exporter.metrics.unknown_module();
        log::debug!(module; "Unknown module");
    }
}
