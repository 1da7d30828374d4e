//! `/probe`: runs one probe while the client waits.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderName},
    web::Data,
};

use crate::{
    probe::{BadRequest, ProbeRequest, request::RawRequest},
    server::{
        exporter::Exporter, handlers::origin, query, response, response_format::ResponseFormat,
    },
};

static SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Runs the requested probe. Unless the probe is refused, the status is 200 in every format but health:
/// success or failure is in the metrics.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let origin = origin::exporters(&request, &exporter)
        .and_then(|exporters| Ok((exporters, origin::admit(&request, &exporter)?)));
    let (exporters, _permit) = match origin {
        Ok(origin) => origin,
        Err(error) => return response::error(StatusCode::LOOP_DETECTED, error),
    };
    let format = match ResponseFormat::from_query(&query::parse(&request), ResponseFormat::Metrics)
    {
        Ok(format) => format,
        Err(message) => return response::error(StatusCode::BAD_REQUEST, message),
    };
    let mut probe_request = match parse(&request, &exporter) {
        Ok(probe_request) => probe_request,
        Err(error) => {
            if let BadRequest::UnknownModule(module) = &error {
                let target = query::parse(&request).first("target").unwrap_or_default().to_owned();
                exporter.record_unknown_module(module, &target);
            }
            return format.refuse(&request, StatusCode::BAD_REQUEST, error);
        }
    };
    let memory = exporter.new_memory();
    probe_request.exporters = exporters;
    probe_request.memory = Arc::clone(&memory);
    let client = request.peer_addr().filter(|_| probe_request.module.policy.is_some());
    let client = client.map(|address| Box::new(address.ip()));
    let Some(entry) = Arc::clone(&exporter).probe(probe_request, client).await else {
        let message = "internal error: the probe task panicked; see the exporter log";
        return format.refuse(&request, StatusCode::INTERNAL_SERVER_ERROR, message);
    };
    format.answer_probe(&request, &exporter, entry, &memory).await
}

fn parse(request: &HttpRequest, exporter: &Exporter) -> Result<ProbeRequest, BadRequest> {
    // A header that is not text fails later, because it is not a number.
    let scrape_timeout = request.headers().get(&SCRAPE_TIMEOUT);
    let scrape_timeout = scrape_timeout.map(|value| value.to_str().unwrap_or("(not text)"));
    let raw = RawRequest { query: request.query_string(), scrape_timeout };
    ProbeRequest::parse(raw, &exporter.config(), exporter.settings.timeout_offset)
}
