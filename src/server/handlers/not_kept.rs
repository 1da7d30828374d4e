//! The response about a probe that is not in the history.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode};

use crate::server::{exporter::Exporter, pages, query, response_format::ResponseFormat};

/// Returns the response. `wanted` has the module and the target, if they are known.
pub(super) fn not_kept(
    request: &HttpRequest,
    exporter: &Exporter,
    format: ResponseFormat,
    message: &str,
    wanted: Option<(&str, &str)>,
) -> HttpResponse {
    if format == ResponseFormat::Html {
        return pages::not_kept(request, message, exporter, wanted);
    }
    format.refuse(request, StatusCode::NOT_FOUND, text(message, exporter, wanted))
}

/// Returns the text: upstream's words, what is kept, and where.
fn text(message: &str, exporter: &Exporter, wanted: Option<(&str, &str)>) -> String {
    let prefix = &exporter.settings.route_prefix;
    let page = match wanted {
        Some((module, target)) => {
            query::link(&prefix.join("target"), &[("module", module), ("target", target)])
        }
        None => prefix.as_str().to_owned(),
    };
    format!("{message}\n{}\nSee {page}", pages::kept(&exporter.history))
}
