//! `/probe`: runs one probe while the client waits.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderName},
    web::Data,
};

use crate::{
    admission::Tickets,
    diagnostics::Refusal,
    probe::{
        BadRequest, ProbeRequest,
        request::{allowed, module_of, target_of},
    },
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
    let (format, mut probe_request, tickets) = match admit(&request, &exporter).await {
        Ok(admitted) => admitted,
        Err(response) => return response,
    };
    let memory = exporter.new_memory();
    probe_request.exporters = exporters;
    probe_request.wants_response = format.shows_response();
    probe_request.memory = Arc::clone(&memory);
    let client = request.peer_addr().filter(|_| probe_request.module.policy.is_some());
    let client = client.map(|address| Box::new(address.ip()));
    let Some(entry) = Arc::clone(&exporter).probe(probe_request, tickets, client).await else {
        let message = "internal error: the probe task panicked; see the exporter log";
        return format.refuse(&request, StatusCode::INTERNAL_SERVER_ERROR, message);
    };
    format.answer_probe(&request, &exporter, entry, &memory).await
}

/// Parses a request, and waits until its probe may run. Returns the response to one that is invalid or
/// refused.
async fn admit(
    request: &HttpRequest,
    exporter: &Exporter,
) -> Result<(ResponseFormat, ProbeRequest, Tickets), HttpResponse> {
    let (config, offset) = (exporter.config(), exporter.settings.timeout_offset);
    let query = query::parse(request);
    let format = ResponseFormat::from_query(&query, ResponseFormat::Metrics)
        .map_err(|message| response::error(StatusCode::BAD_REQUEST, message))?;
    let invalid = |error| format.refuse(request, StatusCode::BAD_REQUEST, error);
    let (name, module) = module_of(&query, &config).map_err(|error| {
        if let BadRequest::UnknownModule(module) = &error {
            let target = query.first("target").unwrap_or_default();
            exporter.record_unknown_module(module, target);
        }
        invalid(error)
    })?;
    let target = target_of(&query, &module).unwrap_or_default();
    if exporter.shutdown.has_begun() {
        let refusal = Refusal::stopping();
        exporter.record_refusal(name, &refusal, target);
        return Err(format.refuse_probe(request, &refusal));
    }
    let admission = &exporter.admission;
    let places = module.limits.in_flight.and_then(|_| admission.module(name));
    // Nothing is allocated for a probe that would be refused at once.
    if let Some(missing) = admission.full(places.as_ref()) {
        return Err(format.refuse_probe(request, &exporter.refuse(name, missing, target)));
    }
    // A header that is not text fails later, because it is not a number.
    let header = request.headers().get(&SCRAPE_TIMEOUT);
    let header = header.map(|value| value.to_str().unwrap_or("(not text)"));
    let parsed = ProbeRequest::of_module(&query, header, name, module, offset).map_err(invalid)?;
    let max_wait = || config.limits().max_wait(allowed(header, offset));
    let (tickets, wait) = admission.admit(places.as_ref(), max_wait).await;
    if let Some(wait) = wait {
        exporter.metrics.admission.count_wait(wait);
    }
    let tickets = tickets
        .map_err(|missing| format.refuse_probe(request, &exporter.refuse(name, missing, target)))?;
    let parsed = match wait {
        Some(wait) => parsed.after_wait(wait, allowed(header, offset)),
        None => parsed,
    };
    Ok((format, parsed, tickets))
}
