//! Refusal of requests by their origin: probes of this exporter, and pages of other web sites.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};

use tokio::sync::SemaphorePermit;

use crate::{
    net::http::loop_detection::{self, ExporterChain, LoopDetected},
    server::{exporter::Exporter, external_url::ExternalUrl},
};

/// Returns the exporters that led to this request, and counts it if this exporter is one of them.
pub(super) fn exporters(
    request: &HttpRequest,
    exporter: &Exporter,
) -> Result<ExporterChain, LoopDetected> {
    let values = request.headers().get_all(loop_detection::HEADER.as_str());
    let values = values.map(|value| value.to_str().unwrap_or_default());
    ExporterChain::after(values).inspect_err(|error| note(request, exporter, *error))
}

/// Returns a permit for a request of another exporter that does not say which exporters led to it.
/// Their number is limited, because a loop through such an exporter is not recognized.
pub(super) fn admit<'e>(
    request: &HttpRequest,
    exporter: &'e Exporter,
) -> Result<Option<SemaphorePermit<'e>>, LoopDetected> {
    let headers = request.headers();
    if !text(headers, header::USER_AGENT.as_str()).is_some_and(loop_detection::is_unchained) {
        return Ok(None);
    }
    exporter.unchained.try_acquire().map(Some).map_err(|_| {
        let error = LoopDetected::Unchained;
        note(request, exporter, error);
        error
    })
}

fn note(request: &HttpRequest, exporter: &Exporter, error: LoopDetected) {
    exporter.metrics.count_loop();
    let client = request.peer_addr().map(|client| client.to_string());
    log::debug!(client, path = request.path(); "{error}");
}

/// Returns true if a browser sent the request for a page of another site, by the rules of Go's
/// `CrossOriginProtection`. Programs that are not browsers send neither header.
pub(super) fn is_cross_site(request: &HttpRequest, external_url: Option<&ExternalUrl>) -> bool {
    let headers = request.headers();
    if let Some(site) = text(headers, "sec-fetch-site") {
        return !["same-origin", "none"].contains(&site);
    }
    // Browsers send `Sec-Fetch-Site` only over HTTPS and to localhost.
    let Some(origin) = text(headers, header::ORIGIN.as_str()) else { return false };
    let Some((_, host)) = origin.split_once("://") else { return true };
    let is_host = text(headers, header::HOST.as_str()).is_some_and(|own| own == host);
    !is_host && external_url.is_none_or(|url| !url.has_origin(origin))
}

/// The value of a header. A value that is not text counts as a text that matches nothing.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = headers.get(name).map(|value| value.to_str().unwrap_or("(not text)"));
    value.filter(|value| !value.is_empty())
}
