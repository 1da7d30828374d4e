//! Links to pages and reports, and their words: the same link has the same words everywhere.

use crate::{
    probe::{ProbeReport, history::TargetKey},
    server::query::link,
};

/// The start page.
pub(super) const PROBES: &str = "Probes";

/// The list of recent probes.
pub(super) const RECENT_PROBES: &str = "Recent probes";

/// The list of targets.
pub(super) const TARGETS: &str = "One row per target";

/// A list without its filter.
pub(super) const SHOW_ALL: &str = "Show all";

/// The page of a target.
pub(super) const HISTORY: &str = "History";

/// The page of a probe.
pub(super) const REPORT: &str = "Report";

/// Plain text.
pub(super) const TEXT: &str = "Text";

/// JSON.
pub(super) const JSON: &str = "JSON";

/// The formats of the report of a probe: parameter and words.
pub(super) const FORMATS: [(&str, &str); 4] =
    [("html", REPORT), ("debug", TEXT), ("json", JSON), ("metrics", "Metrics")];

/// Returns a link to the page of a probe.
pub(super) fn report(id: u64) -> String {
    report_as(id, "html")
}

/// Returns a link to the report of a probe in a format.
pub(super) fn report_as(id: u64, format: &str) -> String {
    link("logs", &[("id", &id.to_string()), ("format", format)])
}

/// Returns a link to the text of a probe.
pub(super) fn text(id: u64) -> String {
    format!("logs?id={id}")
}

/// Returns a link to the page of a target.
pub(super) fn target(key: &TargetKey) -> String {
    history(key.module(), key.target(), key.hostname(), "")
}

/// Returns a link to the history of a target as JSON.
pub(super) fn target_as_json(key: &TargetKey) -> String {
    history(key.module(), key.target(), key.hostname(), "json")
}

/// Returns a link to the page of the target of a probe, if there is one.
pub(super) fn target_of(report: &ProbeReport) -> Option<String> {
    let has_history = TargetKey::is_short(report) && report.verdict.refusal().is_none();
    let hostname = report.hostname.as_deref();
    has_history.then(|| history(&report.module_name, &report.target, hostname, ""))
}

fn history(module: &str, target: &str, hostname: Option<&str>, format: &str) -> String {
    let hostname = hostname.unwrap_or_default();
    link(
        "target",
        &[("module", module), ("target", target), ("hostname", hostname), ("format", format)],
    )
}

/// Returns a link to the recent probes of a target; with an empty module, of all modules.
pub(super) fn recent_probes(module: &str, target: &str) -> String {
    link("./", &[("view", "probes"), ("module", module), ("target", target)])
}
