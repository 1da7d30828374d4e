//! Query parameters of a URL.

use std::borrow::Cow;

use url::form_urlencoded;

/// The query parameters of a URL. Of repeated parameters, the first is used.
#[derive(Debug, Clone)]
pub struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

/// Maximum number of parameters that are read; no request needs more than ten.
///
/// Unlike upstream, which reads all of them.
const MAX_PARAMETERS: usize = 1_000;

impl<'q> Query<'q> {
    /// Parses a percent-encoded query. Every text is valid.
    #[must_use]
    pub fn parse(query: &'q str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS).collect())
    }

    /// The first value of a parameter, unless it is absent or empty.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_used_even_if_it_is_empty() {
        let query = Query::parse("b=&a=1%2B2&a=3&b=4&%63=x+y&d");
        let values = ["a", "b", "c", "d", "e"].map(|name| query.first(name));
        assert_eq!(values, [Some("1+2"), None, Some("x y"), None, None]);
    }

    #[test]
    fn the_number_of_parameters_is_limited() {
        let many = "a=b&".repeat(100_000) + "c=d";
        let query = Query::parse(&many);
        assert_eq!((query.first("a"), query.first("c")), (Some("b"), None));
        assert_eq!(query.0.len(), MAX_PARAMETERS);
    }
}
