//! Query parameters of requests and links.

use actix_web::HttpRequest;
use url::form_urlencoded::Serializer;

use crate::probe::Query;

/// Parses the query parameters of a request.
pub(super) fn parse(request: &HttpRequest) -> Query<'_> {
    Query::parse(request.query_string())
}

/// Builds a relative link to `page`. Parameters with an empty value are omitted.
pub(super) fn link(page: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
    [page, &query.finish()].join("?").trim_end_matches('?').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_links_are_encoded() {
        assert_eq!(link("./", &[("module", ""), ("target", "")]), "./");
        let text = "a&b=c \"<\u{202e}#\n";
        let link = link("probe", &[("module", "m"), ("target", text), ("hostname", "")]);
        assert_eq!(link, "probe?module=m&target=a%26b%3Dc+%22%3C%E2%80%AE%23%0A");
    }
}
