//! `/logs`: the report of a past probe.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use crate::{
    probe::{History, Query, history::HistoryEntry},
    server::{
        exporter::Exporter, handlers::not_kept::not_kept, query, response,
        response_format::ResponseFormat,
    },
    settings::redact,
};

/// Returns a past probe, found by its id or by its target. The default format is the debug text.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let query = query::parse(&request);
    let format = match ResponseFormat::from_query(&query, ResponseFormat::Debug) {
        Ok(format) => format,
        Err(message) => return response::error(StatusCode::BAD_REQUEST, message),
    };
    match find(&query, &exporter.history) {
        Ok(entry) => format.answer(&request, &exporter, entry).await,
        Err((StatusCode::NOT_FOUND, message)) => {
            let target = query.first("target").map(redact::url);
            let module = query.first("module").unwrap_or_default();
            let wanted = target.as_deref().map(|target| (module, target));
            not_kept(&request, &exporter, format, message, wanted)
        }
        Err((status, message)) => format.refuse(&request, status, message),
    }
}

/// Finds a past probe by upstream's rules: an id that is not a number counts as absent, and so
/// does -1.
fn find(query: &Query<'_>, history: &History) -> Result<HistoryEntry, (StatusCode, &'static str)> {
    let bad = |message| Err((StatusCode::BAD_REQUEST, message));
    let id = query.first("id").and_then(|text| text.parse::<i64>().ok());
    let target = query.first("target");
    let module = query.first("module");
    match (id, target) {
        (Some(_), Some(_)) => bad("Probe id and target can't be defined at the same time"),
        (None | Some(-1), None) => {
            bad("Probe id or target must be defined as http query parameters")
        }
        (Some(_), None) if module.is_some() => {
            bad("Probe module filter only works in conjunction with target parameter")
        }
        (Some(id), None) => u64::try_from(id)
            .ok()
            .and_then(|id| history.find(id))
            .ok_or((StatusCode::NOT_FOUND, "Probe id not found")),
        (None, Some(target)) => history
            .latest(&redact::url(target), module)
            .ok_or((StatusCode::NOT_FOUND, "Probe target not found")),
    }
}
