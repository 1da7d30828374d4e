//! One probe without the web server: takes a module, returns
//! metrics.

use std::{fmt::Display, sync::Arc};

use probe_exporter::{
    config::Config,
    net::resolve::Resolver,
    probe::{self, ProbeReport, ProbeRequest, request::RawRequest},
};

use crate::fixtures::names;

/// Probes `target` with a module, given as YAML in braces.
pub(crate) async fn probe(module: &str, target: impl Display) -> Probed {
    probe_with(module, target, "").await
}

/// Probes with more in the query, such as `&hostname=...`.
pub(crate) async fn probe_with(module: &str, target: impl Display, query: &str) -> Probed {
    probe_by(names::resolver(), module, target, query).await
}

/// Probes with this resolver.
pub(crate) async fn probe_by(
    resolver: Resolver,
    module: &str,
    target: impl Display,
    query: &str,
) -> Probed {
    let request = request(module, target, query);
    Probed { report: probe::run(request, Arc::new(resolver)).await }
}

/// Probes for a client that wants to see the response also of a success.
pub(crate) async fn probe_and_show(module: &str, target: impl Display) -> Probed {
    let request = ProbeRequest { wants_response: true, ..request(module, target, "") };
    Probed { report: probe::run(request, Arc::new(names::resolver())).await }
}

fn request(module: &str, target: impl Display, query: &str) -> ProbeRequest {
    let yaml = format!("modules: {{it: {module}}}");
    let config = Config::parse(&yaml, "").unwrap_or_else(|error| panic!("{error}\nin {yaml}"));
    let query = format!("module=it&target={target}{query}");
    let request = RawRequest { query: &query, scrape_timeout: None };
    ProbeRequest::parse(request, &config, 0.5).unwrap()
}

/// The report of a probe.
pub(crate) struct Probed {
    report: ProbeReport,
}

impl Probed {
    /// Expects each sample. A name without a value matches any value. A sample after
    /// `!` must not exist.
    #[track_caller]
    pub(crate) fn expect(&self, samples: &[&str]) -> &Self {
        for sample in samples {
            let (wanted, sample) = match sample.strip_prefix('!') {
                Some(sample) => (false, sample),
                None => (true, *sample),
            };
            let text = self.report.metrics.render();
            let found = text.lines().any(|line| {
                line == sample || line.rsplit_once(' ').is_some_and(|(name, _)| name == sample)
            });
            let wish = if wanted { "is missing" } else { "should not be there" };
            assert_eq!(found, wanted, "{sample} {wish}:\n{}", self.report.debug_text());
        }
        self
    }

    /// The value of a sample.
    #[track_caller]
    pub(crate) fn value(&self, sample: &str) -> f64 {
        let text = self.report.metrics.render();
        let found = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        found.unwrap_or_else(|| panic!("{sample} is missing:\n{text}")).parse().unwrap()
    }

    /// The metrics.
    pub(crate) fn text(&self) -> String {
        self.report.metrics.render()
    }

    /// Returns the excerpts of all responses, each as its kind, a colon and its text, with the name of its
    /// encoding and the number of omitted bytes if they matter.
    pub(crate) fn transcript(&self) -> Vec<String> {
        let parts = self.report.hops.iter().flat_map(|hop| &hop.transcript);
        let shown = parts.map(|part| {
            let remark = part.remark();
            let remark = if remark.is_empty() { remark } else { format!(" ({remark})") };
            format!("{}{remark}: {}", part.kind.label(), part.text)
        });
        shown.collect()
    }

    /// Returns the names of the checks that were not evaluated, each with the reason.
    pub(crate) fn skipped_checks(&self) -> Vec<String> {
        let skipped = self.report.checks.iter().filter_map(|check| {
            assert!(check.skipped.is_none() || check.failure.is_none(), "{check:?}");
            Some(format!("{}: {}", check.name, check.skipped?))
        });
        skipped.collect()
    }

    /// Returns the message of the failure; empty if the probe succeeded.
    pub(crate) fn failure(&self) -> &str {
        self.report.verdict.failure().map_or("", |failure| &failure.message)
    }
}

/// Returns the sample with the reason of a failure.
pub(crate) fn failed(stage: &str, reason: &str) -> String {
    format!("probe_failure_info{{reason=\"{reason}\",stage=\"{stage}\"}} 1")
}
