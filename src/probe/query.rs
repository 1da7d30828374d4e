//! The parameters of a URL, as requests have them.

use std::borrow::Cow;

use url::form_urlencoded;

/// What the query of a URL says; of parameters that are repeated the first counts.
#[derive(Debug, Clone)]
pub struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// Reads a query, which is still percent-encoded. Any text is one.
    #[must_use]
    pub fn parse(query: &'q str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).collect())
    }

    /// The parameter's value, unless it is absent or empty.
    #[must_use]
    pub fn first(&self, wanted: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(name, _)| name == wanted);
        pair.map(|(_, value)| value.as_ref()).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_name_counts_also_when_it_is_empty() {
        let query = Query::parse("b=&a=1%2B2&a=3&b=4&%63=x+y&d");
        let values = ["a", "b", "c", "d", "e"].map(|name| query.first(name));
        assert_eq!(values, [Some("1+2"), None, Some("x y"), None, None]);
    }
}
