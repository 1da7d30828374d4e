//! Parses a probe request: module, target, hostname and timeout.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    config::{Config, Module, allowed_by_scraper},
    diagnostics::logfmt::quoted,
    memory::ProbeMemory,
    net::http::loop_detection::ExporterChain,
    probe::{Query, target_encoding},
    probers::Target,
    settings::redact,
};

/// Module of a request without the parameter `module`.
pub const DEFAULT_MODULE: &str = "http_2xx";

/// A valid probe request.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// Name of the module.
    pub module_name: String,
    /// The module, as configured when the request was received.
    pub module: Arc<Module>,
    /// The target.
    pub target: Target,
    /// Timeout of the probe.
    pub timeout: Duration,
    /// Time by which the deadline can be extended if the exporter is short of CPU time.
    pub spare: Duration,
    /// The wait before the probe, if there was one.
    pub wait: Option<Box<Wait>>,
    /// The exporters that led to the probe.
    pub exporters: ExporterChain,
    /// The memory that peers may make the probe hold; without a limit unless it is set.
    pub memory: Arc<ProbeMemory>,
    /// True if the client wants to see the response also if the probe succeeds.
    pub wants_response: bool,
}

/// The wait of a probe until it could run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Its duration.
    pub duration: Duration,
    /// The timeout of the probe without it.
    pub whole_timeout: Duration,
}

/// The unparsed parts of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawRequest<'a> {
    /// The percent-encoded query of the URL.
    pub query: &'a str,
    /// The header `X-Prometheus-Scrape-Timeout-Seconds`, if present.
    pub scrape_timeout: Option<&'a str>,
}

/// An invalid request. The texts are upstream's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadRequest {
    /// The module is not in the configuration.
    #[error("Unknown module {}", quoted(.0))]
    UnknownModule(String),
    /// The header with the scrape timeout is not a positive number.
    #[error("Failed to parse timeout from Prometheus header: {0}")]
    ScrapeTimeout(String),
    /// The request has no target.
    #[error("Target parameter is missing")]
    MissingTarget,
    /// The module sets a different Host header.
    #[error(
        "host header defined both in module configuration ({configured}) and with URL-parameter \
         'hostname' ({requested})"
    )]
    HostConflict {
        /// The host of the module.
        configured: String,
        /// The host of the request.
        requested: String,
    },
}

impl ProbeRequest {
    /// Parses a request. `offset` seconds are subtracted from the scrape timeout, so that the
    /// response arrives in time.
    pub fn parse(raw: RawRequest<'_>, config: &Config, offset: f64) -> Result<Self, BadRequest> {
        let query = Query::parse(raw.query);
        let (name, module) = module_of(&query, config)?;
        Self::of_module(&query, raw.scrape_timeout, name, module, offset)
    }

    /// Parses a request for a module that was found, with the header of [`RawRequest`].
    pub fn of_module(
        query: &Query<'_>,
        scrape_timeout: Option<&str>,
        module_name: &str,
        module: Arc<Module>,
        offset: f64,
    ) -> Result<Self, BadRequest> {
        let scrape_timeout = parse_scrape_timeout(scrape_timeout)?;
        let name = target_of(query, &module).ok_or(BadRequest::MissingTarget)?.decoded();
        let hostname = query.first("hostname").map(str::to_owned);
        let settings = module.prober.settings();
        if let (Some(requested), Some(configured)) = (&hostname, settings.configured_host())
            && requested != configured
        {
            let (configured, requested) = (configured.to_owned(), requested.clone());
            return Err(BadRequest::HostConflict { configured, requested });
        }
        let timeout = module.timeout_within(scrape_timeout, offset);
        Ok(Self {
            module_name: module_name.to_owned(),
            module,
            target: Target { name, hostname },
            timeout,
            spare: spare(scrape_timeout, timeout),
            wait: None,
            exporters: ExporterChain::default(),
            memory: Arc::default(),
            wants_response: false,
        })
    }

    /// Returns the request after a wait, which is a part of what the scraper allows.
    #[must_use]
    pub fn after_wait(mut self, duration: Duration, allowed: Duration) -> Self {
        let whole_timeout = self.timeout;
        self.timeout = whole_timeout.min(allowed.saturating_sub(duration));
        // What the wait has not taken from the timeout, it takes from the time after it.
        let taken = duration.saturating_sub(whole_timeout.saturating_sub(self.timeout));
        self.spare = self.spare.saturating_sub(taken / 2);
        self.wait = Some(Box::new(Wait { duration, whole_timeout }));
        self
    }
}

/// Returns the module of a request and its name.
pub fn module_of<'q>(
    query: &'q Query<'_>,
    config: &Config,
) -> Result<(&'q str, Arc<Module>), BadRequest> {
    let name = query.first("module").unwrap_or(DEFAULT_MODULE);
    let module = config.module(name);
    module.map(|it| (name, it)).ok_or_else(|| BadRequest::UnknownModule(name.to_owned()))
}

/// The target of a request as the client wrote it.
#[derive(Debug, Clone, Copy, Default)]
pub struct WrittenTarget<'a> {
    /// The value of the parameter.
    pub text: &'a str,
    /// True if it is a path, or was decoded already.
    pub is_decoded: bool,
}

impl WrittenTarget<'_> {
    /// Returns the target.
    #[must_use]
    pub fn decoded(self) -> String {
        let text = self.text.to_owned();
        if self.is_decoded { text } else { target_encoding::decoded_if_needed(text) }
    }

    /// Returns the target with its secrets replaced.
    #[must_use]
    pub fn redacted(self) -> String {
        redact::url(&self.decoded()).into_owned()
    }
}

/// Returns the target of a request.
#[must_use]
pub fn target_of<'a>(query: &'a Query<'_>, module: &Module) -> Option<WrittenTarget<'a>> {
    let text = query.first("target")?;
    Some(WrittenTarget { text, is_decoded: module.prober.settings().takes_paths() })
}

/// Returns the time that the scraper allows. `header` is that of [`RawRequest`].
#[must_use]
pub fn allowed(header: Option<&str>, offset: f64) -> Duration {
    allowed_by_scraper(parse_scrape_timeout(header).unwrap_or_default(), offset)
}

/// Returns half of the time that the scraper waits after the timeout of the probe: the rest is for
/// the response. Without a scrape timeout, it is half of the timeout.
fn spare(scrape_timeout: Option<f64>, timeout: Duration) -> Duration {
    let scrape_timeout = scrape_timeout.and_then(|it| Duration::try_from_secs_f64(it).ok());
    scrape_timeout.map_or(timeout, |it| it.saturating_sub(timeout)) / 2
}

/// Parses the scrape timeout in seconds. An absent or empty header and 0 mean that none is set.
fn parse_scrape_timeout(header: Option<&str>) -> Result<Option<f64>, BadRequest> {
    let Some(text) = header.filter(|text| !text.is_empty()) else { return Ok(None) };
    let refuse = |why: &str| BadRequest::ScrapeTimeout(format!("parsing {}: {why}", quoted(text)));
    let seconds: f64 = text.parse().map_err(|_| refuse("invalid syntax"))?;
    // Unlike upstream, which accepts these and then fails every probe.
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(refuse("must be a positive number of seconds"));
    }
    Ok(Some(seconds).filter(|seconds| *seconds > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrape_timeouts_that_are_not_numbers_are_rejected() {
        for text in ["5s", "abc", "NaN", "inf", "-inf", "-3", "0x10", " 5"] {
            assert!(parse_scrape_timeout(Some(text)).is_err(), "{text}");
        }
        for text in [None, Some(""), Some("0"), Some("0.0")] {
            assert_eq!(parse_scrape_timeout(text), Ok(None), "{text:?}");
        }
        assert_eq!(parse_scrape_timeout(Some("1e1")), Ok(Some(10.0)));
    }
}
