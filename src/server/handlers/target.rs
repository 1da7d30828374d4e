//! `/target`: the history of a target.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use crate::{
    probe::{History, Query, history::TargetHistory, history_json},
    server::{
        exporter::Exporter,
        handlers::not_kept::not_kept,
        pages, query,
        response::{self, Size},
        response_format::ResponseFormat,
    },
    settings::redact,
};

/// Returns the history of a target. Without a module or hostname, it may have several.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let query = query::parse(&request);
    let format = ResponseFormat::from_query(&query, ResponseFormat::Html);
    let Ok(format @ (ResponseFormat::Html | ResponseFormat::Json)) = format else {
        return response::error(StatusCode::BAD_REQUEST, OTHER_FORMAT);
    };
    let Some(target) = query.first("target").map(redact::url) else {
        return format.refuse(&request, StatusCode::BAD_REQUEST, "Target parameter is missing");
    };
    let found = histories(&exporter.history, &query, &target);
    if found.is_empty() {
        let wanted = Some((query.first("module").unwrap_or_default(), &*target));
        return not_kept(&request, &exporter, format, "No probe of this target is kept", wanted);
    }
    if format == ResponseFormat::Html {
        return pages::target(&request, exporter, &target, found).await;
    }
    let render = move || history_json::render(&found);
    response::ok_rendered(&request, response::JSON, Size::Large, render).await
}

/// The response to a request for another format.
const OTHER_FORMAT: &str = "invalid format: the history of a target is available as html or json; \
                            /logs?target=… returns its latest probe in any format";

/// Returns the history of this module and hostname. If there is none, a missing module or hostname stands
/// for any.
fn histories(history: &History, query: &Query<'_>, target: &str) -> Vec<TargetHistory> {
    let [module, hostname] = ["module", "hostname"].map(|name| query.first(name));
    let [exact_module, exact_hostname] = [module, hostname].map(Option::unwrap_or_default);
    if let Some(exact) = history.target(exact_module, target, exact_hostname) {
        return vec![exact];
    }
    let variants = history.variants(target).into_iter().filter(|key| {
        module.is_none_or(|module| module == key.module())
            && hostname.is_none_or(|hostname| key.hostname() == Some(hostname))
    });
    let found = variants
        .filter_map(|key| history.target(key.module(), target, key.hostname().unwrap_or_default()));
    found.collect()
}
