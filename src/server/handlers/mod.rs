//! Handlers of the routes that return more than a page: probes, logs, histories, metrics, configuration,
//! health, reload.

mod logs;
mod not_kept;
mod origin;
mod probe;
mod target;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderValue},
    },
    web::Data,
};

pub(super) use self::{logs::answer as logs, probe::answer as probe, target::answer as target};
use crate::{
    metrics::Format,
    server::{
        content_negotiation::OpenMetrics,
        exporter::{Exporter, ReloadTrigger},
        pages,
        response::{self, Size},
    },
};

/// `/metrics`: the exporter's own metrics; a page for browsers.
pub(super) async fn metrics(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    let size = exporter.metrics.size(&exporter.config());
    let response = if response::wants_page(&request) {
        pages::metrics(&request, size, move || exporter.render_metrics(Format::Text)).await
    } else {
        let form = response::exposition(&request, OpenMetrics::IfPreferred);
        let render = move || exporter.render_metrics(form.format);
        response::ok_rendered(&request, &form.content_type, size, render).await
    };
    varied(response)
}

/// `/config`: the active configuration, with secrets masked; a page for browsers.
pub(super) async fn config(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    let config = exporter.config();
    let size = Size::of_modules(&config);
    varied(if response::wants_page(&request) {
        pages::config(&request, &exporter, config).await
    } else {
        let render = move || config.to_yaml();
        response::ok_rendered(&request, response::BARE_TEXT, size, render).await
    })
}

/// Tells caches that the response depends on the header `Accept`.
fn varied(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// `/-/healthy`: always healthy. Failing targets do not make the exporter unhealthy.
pub(super) async fn healthy() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, response::TEXT)).body("Healthy")
}

/// `/-/ready`: ready until a stop is requested. An overload does not change it: all replicas would
/// leave the load balancer at once.
pub(super) async fn ready(exporter: Data<Exporter>) -> HttpResponse {
    let (status, text) = if exporter.shutdown.is_requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "Stopping")
    } else {
        (StatusCode::OK, "Ready")
    };
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, response::TEXT)).body(text)
}

/// `/-/reload`: reloads the configuration; only with POST.
pub(super) async fn reload(request: HttpRequest, exporter: Data<Exporter>) -> HttpResponse {
    if request.method() != Method::POST {
        let refusal = "This endpoint requires a POST request.";
        return response::error(StatusCode::METHOD_NOT_ALLOWED, refusal);
    }
    if let Err(error) = origin::exporters(&request, &exporter) {
        return response::error(StatusCode::LOOP_DETECTED, error);
    }
    if origin::is_cross_site(&request, exporter.settings.external_url.as_ref()) {
        let refusal = "Requests from other web sites are not allowed.";
        return response::error(StatusCode::FORBIDDEN, refusal);
    }
    match exporter.into_inner().reload(ReloadTrigger::Requested).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => {
            // Unlike upstream, which waits for a file that does not respond.
            let status = if error.is_temporary() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            };
            response::error(status, format_args!("failed to reload config: {error}"))
        }
    }
}
