//! Maps paths to handlers, and the middleware that applies to all of them.

use std::{future::ready, mem, panic::AssertUnwindSafe};

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, StatusCode, Uri,
        header::{self, HeaderValue},
    },
    middleware::{DefaultHeaders, Next},
    web::{self, ServiceConfig},
};
use futures_util::FutureExt as _;

use crate::server::{Exporter, ServerSettings, connections::Expiry, handlers, pages, response};

/// Adds all routes below the prefix. Any other path returns 404.
///
/// Like upstream's, every route accepts every method; only the handler of `/-/reload` requires POST.
pub(super) fn add(services: &mut ServiceConfig, settings: &ServerSettings) {
    let prefix = &settings.route_prefix;
    services
        .route(&prefix.join("probe"), web::to(handlers::probe))
        .route(&prefix.join("metrics"), web::to(handlers::metrics))
        .route(&prefix.join("config"), web::to(handlers::config))
        .route(&prefix.join("logs"), web::to(handlers::logs))
        .route(&prefix.join("modules"), web::to(pages::modules))
        .route(&prefix.join("target"), web::to(handlers::target))
        .route(&prefix.join("-/healthy"), web::to(handlers::healthy))
        .route(&prefix.join("-/ready"), web::to(handlers::ready))
        // The names that others give them.
        .route(&prefix.join("health"), web::to(handlers::healthy))
        .route(&prefix.join("healthz"), web::to(handlers::healthy))
        .route(&prefix.join("ready"), web::to(handlers::ready))
        .route(&prefix.join("-/reload"), web::to(handlers::reload))
        .route(prefix.as_str(), web::to(pages::landing))
        .default_service(web::to(not_found));
    if !prefix.is_root() {
        let inside = prefix.as_str().to_owned();
        // Without a configured external URL, the prefix itself is the destination.
        let outside =
            settings.external_url.as_ref().map_or_else(|| inside.clone(), ToString::to_string);
        let without_slash = prefix.as_str().trim_end_matches('/');
        services
            .route(
                without_slash,
                web::to(move |request: HttpRequest| ready(redirect_with_query(&request, &inside))),
            )
            .route("/", web::to(move || ready(redirect(StatusCode::FOUND, outside.clone()))));
    }
}

/// Headers of all responses.
pub(super) fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
}

/// Shrinks the header map to its size. Actix reserves 28 entries (more than 6 kB), which would stay
/// allocated for the whole probe.
pub(super) fn shrink_headers(request: &mut ServiceRequest) {
    let headers = request.headers_mut();
    *headers = mem::take(headers).into_iter().collect();
}

/// Closes the connection with this response if the exporter stops or the connection is too old.
/// Clients and load balancers then send their next request on another one.
pub(super) fn close_connection_if_due<B>(mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
    let request = answer.request();
    let exporter = request.app_data::<web::Data<Exporter>>();
    let expiry = request.conn_data::<Expiry>().copied();
    if exporter.is_some_and(|exporter| exporter.shutdown.is_requested())
        || expiry.is_some_and(Expiry::is_over)
    {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

/// Merges slashes in the path that follow each other, as Go does.
///
/// Actix has a middleware for it, which searches every path with a regular expression.
pub(super) fn merge_slashes(request: &mut ServiceRequest) {
    if !request.path().contains("//") {
        return;
    }
    let mut path = String::with_capacity(request.path().len());
    for character in request.path().chars() {
        if character != '/' || !path.ends_with('/') {
            path.push(character);
        }
    }
    let query = request.query_string();
    let path = if query.is_empty() { path } else { format!("{path}?{query}") };
    let mut parts = request.uri().clone().into_parts();
    let Ok(path) = path.try_into() else { return };
    parts.path_and_query = Some(path);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}

/// Turns a panic in a handler into a response with status 500. Other requests are not affected.
pub(super) async fn catch_panics(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let path = request.path().to_owned();
    if let Ok(result) = AssertUnwindSafe(next.call(request)).catch_unwind().await {
        return result;
    }
    log::error!(path:%; "A request handler panicked");
    let mut response = response::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    Err(InternalError::from_response("a handler panicked", response).into())
}

async fn not_found() -> HttpResponse {
    response::error(StatusCode::NOT_FOUND, "404 page not found")
}

/// Redirects to `path` with the query of the request.
fn redirect_with_query(request: &HttpRequest, path: &str) -> HttpResponse {
    let query = request.query_string();
    let location = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    redirect(StatusCode::MOVED_PERMANENTLY, location)
}

fn redirect(status: StatusCode, location: String) -> HttpResponse {
    let location = if location.is_empty() { "/".to_owned() } else { location };
    let mut response = response::error(status, format_args!("See {location}"));
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use actix_web::{App, middleware::from_fn, test};

    use super::*;

    #[actix_web::test]
    async fn shrinking_headers_loses_capacity_only() {
        let request = test::TestRequest::default()
            .insert_header((header::HOST, "x"))
            .append_header((header::ACCEPT, "a"))
            .append_header((header::ACCEPT, "b"));
        let mut request = request.to_srv_request();
        request.headers_mut().reserve(28);
        shrink_headers(&mut request);
        let headers = request.headers();
        assert!(headers.capacity() < 8, "{}", headers.capacity());
        assert!(headers.get_all(header::ACCEPT).eq(["a", "b"]));
        assert_eq!(headers.get(header::HOST).unwrap(), "x");
    }

    #[actix_web::test]
    async fn slashes_are_merged() {
        for (uri, expected) in [
            ("/probe?target=http://x", "/probe?target=http://x"),
            ("//probe", "/probe"),
            ("///-//healthy//?a=//&b", "/-/healthy/?a=//&b"),
            ("http://host//probe", "http://host/probe"),
            ("//", "/"),
        ] {
            let mut request = test::TestRequest::with_uri(uri).to_srv_request();
            merge_slashes(&mut request);
            assert_eq!(request.uri().to_string(), expected, "{uri}");
            assert_eq!(request.match_info().as_str(), request.path());
        }
    }

    #[actix_web::test]
    async fn a_panic_affects_only_its_own_request() {
        let broken = |request: HttpRequest| async move {
            assert_ne!(request.path(), "/broken", "a defect");
            HttpResponse::Ok().finish()
        };
        let app = App::new()
            .wrap(default_headers())
            .wrap(from_fn(catch_panics))
            .route("/broken", web::to(broken))
            .route("/whole", web::to(not_found));
        let app = test::init_service(app).await;
        for _ in 0..2 {
            let request = test::TestRequest::with_uri("/broken").to_request();
            let error = test::try_call_service(&app, request).await.err().unwrap();
            let response = error.error_response();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(response.headers().contains_key(header::X_CONTENT_TYPE_OPTIONS));
        }
        let request = test::TestRequest::with_uri("/whole").to_request();
        assert_eq!(test::call_service(&app, request).await.status(), StatusCode::NOT_FOUND);
    }
}
