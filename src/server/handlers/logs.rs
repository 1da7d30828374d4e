//! `/logs`: what a past probe did.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};

use crate::{
    probe::{History, Query, history::Entry},
    server::{exporter::Exporter, query, response, response_format::Face},
    settings::redact,
};

/// A past probe in any of its faces, the debug text if none is asked for; found by its id or by its target.
pub(in crate::server) async fn answer(
    request: HttpRequest,
    exporter: Data<Exporter>,
) -> HttpResponse {
    let query = query::of(&request);
    let face = match Face::of(&query, Face::Debug) {
        Ok(face) => face,
        Err(message) => return response::error(StatusCode::BAD_REQUEST, message),
    };
    match find(&query, &exporter.history) {
        Ok(entry) => face.answer(&request, &exporter, &entry),
        Err((status, message)) => face.refuse(&request, status, message),
    }
}

/// Upstream's rules: a text that is no number counts as no id, and so does -1.
fn find(query: &Query<'_>, history: &History) -> Result<Entry, (StatusCode, &'static str)> {
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
