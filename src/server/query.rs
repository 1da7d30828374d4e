//! The parameters of a URL: of a request, and of a link.

use actix_web::HttpRequest;
use url::form_urlencoded::Serializer;

use crate::probe::Query;

/// The parameters of a request's URL.
pub(super) fn of(request: &HttpRequest) -> Query<'_> {
    Query::parse(request.query_string())
}

/// A link to a page beside this one, or to this folder where `page` is `./`. Parameters without a
/// value are left out.
pub(super) fn link(page: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    [page, &query.finish()].join("?").trim_end_matches('?').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_any_text() {
        assert_eq!(link("./", &[("module", ""), ("target", "")]), "./");
        let text = "a&b=c \"<\u{202e}#\n";
        let link = link("probe", &[("module", "m"), ("target", text), ("hostname", "")]);
        assert_eq!(link, "probe?module=m&target=a%26b%3Dc+%22%3C%E2%80%AE%23%0A");
    }
}
