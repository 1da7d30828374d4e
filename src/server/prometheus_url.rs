//! The URL of a Prometheus, for links to graphs.

use std::fmt::Write as _;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use url::Url;

/// The URL under which users reach the Prometheus that scrapes this exporter, without a trailing
/// slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusUrl(String);

/// An invalid URL of a Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} {reason}; write for example https://prometheus.example or http://host:9090/prefix"
)]
pub struct PrometheusUrlError {
    text: String,
    reason: &'static str,
}

impl PrometheusUrl {
    /// Parses an absolute URL without a query.
    pub fn parse(text: &str) -> Result<Self, PrometheusUrlError> {
        let refuse = |reason| PrometheusUrlError { text: text.to_owned(), reason };
        let url = Url::parse(text).map_err(|_| refuse("is not an absolute URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("is not an http or https URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // It would be in the links of pages.
            return Err(PrometheusUrlError {
                text: "the URL".to_owned(),
                reason: "must not contain a user or a password",
            });
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("must not contain a query or a fragment"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// Returns the address of a graph of an expression over the last day. Prometheus 3 redirects
    /// the path to its own.
    pub(super) fn graph(&self, expression: &str) -> String {
        let expression = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        format!("{}/graph?g0.expr={expression}&g0.tab=0&g0.range_input=1d", self.0)
    }
}

/// Returns the expression for the results of the probes of a target, in a configuration whose
/// relabelling sets `instance` to the target.
pub(super) fn success_of(target: &str) -> String {
    let mut expression = "probe_success{instance=\"".to_owned();
    for character in target.chars() {
        match character {
            '"' | '\\' => expression.extend(['\\', character]),
            // Writing to a String cannot fail.
            other if other.is_control() => drop(write!(expression, "\\u{:04x}", u32::from(other))),
            other => expression.push(other),
        }
    }
    expression + "\"}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_below_the_url() {
        for (given, expected) in [
            ("http://h:9090", "http://h:9090/graph?"),
            ("https://h.example/prometheus/", "https://h.example/prometheus/graph?"),
        ] {
            let link = PrometheusUrl::parse(given).unwrap().graph("up{a=\"b c\"}");
            let query = "g0.expr=up%7Ba%3D%22b%20c%22%7D&g0.tab=0&g0.range_input=1d";
            assert_eq!(link, format!("{expected}{query}"));
        }
    }

    #[test]
    fn other_urls_are_rejected_without_their_password() {
        for given in [
            "",
            "prometheus.example",
            "prometheus:9090",
            "/prometheus",
            "'http://h/'",
            "javascript:alert(1)",
            "ftp://h",
            "http://",
            "http://h/graph?g0.expr=up",
            "http://h/#x",
        ] {
            let error = PrometheusUrl::parse(given).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{given:?} ")), "{error}");
            assert!(error.ends_with(
                "; write for example https://prometheus.example or http://host:9090/prefix"
            ));
        }
        let error = PrometheusUrl::parse("http://u:hush@h/").unwrap_err().to_string();
        assert!(
            error.contains("must not contain a user or a password") && !error.contains("hush"),
            "{error}"
        );
    }

    #[test]
    fn targets_are_quoted_in_expressions() {
        for (target, expected) in [
            ("https://web.example/?a=1", r#"probe_success{instance="https://web.example/?a=1"}"#),
            ("a\"\\\n", r#"probe_success{instance="a\"\\\u000a"}"#),
        ] {
            assert_eq!(success_of(target), expected);
        }
    }
}
