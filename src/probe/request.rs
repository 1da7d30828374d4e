//! What a request for a probe means: module, target, hostname and deadline, all decided here.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    config::{Config, Module},
    diagnostics::logfmt::quoted,
    probe::{Query, target_encoding},
    probers::Target,
};

/// The module of a request that names none.
pub const DEFAULT_MODULE: &str = "http_2xx";

/// A probe that can be run; nothing about it is in doubt any more.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// The name of the module, as asked for.
    pub module_name: String,
    /// The module as it was configured when the request came in.
    pub module: Arc<Module>,
    /// What to probe.
    pub target: Target,
    /// How long the probe may take.
    pub timeout: Duration,
}

/// The parts of a request as they were received, each `None` when absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawRequest<'a> {
    /// The query string of the URL, still percent-encoded.
    pub query: &'a str,
    /// The header `X-Prometheus-Scrape-Timeout-Seconds`.
    pub scrape_timeout: Option<&'a str>,
}

/// What is wrong with a request; the texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// The configuration has no such module.
    #[error("Unknown module {}", quoted(.0))]
    UnknownModule(String),
    /// The header is not a positive number.
    #[error("Failed to parse timeout from Prometheus header: {0}")]
    ScrapeTimeout(String),
    /// There is no target.
    #[error("Target parameter is missing")]
    MissingTarget,
    /// The module sets another Host header.
    #[error(
        "host header defined both in module configuration ({configured}) and with URL-parameter 'hostname' ({asked})"
    )]
    HostConflict {
        /// As the module says.
        configured: String,
        /// As the request says.
        asked: String,
    },
}

impl ProbeRequest {
    /// Reads a request. `offset` is what is taken off the scraper's timeout, in seconds, so that
    /// the answer still reaches it in time.
    pub fn parse(raw: RawRequest<'_>, config: &Config, offset: f64) -> Result<Self, BadRequest> {
        let query = Query::parse(raw.query);
        let parameter = |wanted| query.first(wanted).map(str::to_owned);
        let module_name = parameter("module").unwrap_or_else(|| DEFAULT_MODULE.to_owned());
        let Some(module) = config.module(&module_name) else {
            return Err(BadRequest::UnknownModule(module_name));
        };
        let scrape_timeout = parse_scrape_timeout(raw.scrape_timeout)?;
        let name = parameter("target").ok_or(BadRequest::MissingTarget)?;
        let hostname = parameter("hostname");
        if let (Some(asked), Some(configured)) = (&hostname, module.configured_host())
            && asked != configured
        {
            let (configured, asked) = (configured.to_owned(), asked.clone());
            return Err(BadRequest::HostConflict { configured, asked });
        }
        let timeout = module.timeout_within(scrape_timeout, offset);
        let name = if module.takes_paths() { name } else { target_encoding::readable(name) };
        let target = Target { name, hostname };
        Ok(Self { module_name, module, target, timeout })
    }
}

/// The scraper's timeout in seconds; absent, empty and 0 mean that it did not say.
fn parse_scrape_timeout(header: Option<&str>) -> Result<Option<f64>, BadRequest> {
    let Some(text) = header.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = |why: &str| BadRequest::ScrapeTimeout(format!("parsing {}: {why}", quoted(text)));
    let seconds: f64 = text.parse().map_err(|_| refuse("invalid syntax"))?;
    // Unlike upstream, which takes these for numbers and then fails every probe.
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(refuse("not a positive number of seconds"));
    }
    Ok(Some(seconds).filter(|seconds| *seconds > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrape_timeouts_that_are_no_numbers_are_refused() {
        for text in ["5s", "abc", "NaN", "inf", "-inf", "-3", "0x10", " 5"] {
            assert!(parse_scrape_timeout(Some(text)).is_err(), "{text}");
        }
        for text in [None, Some(""), Some("0"), Some("0.0")] {
            assert_eq!(parse_scrape_timeout(text), Ok(None), "{text:?}");
        }
        assert_eq!(parse_scrape_timeout(Some("1e1")), Ok(Some(10.0)));
    }
}
