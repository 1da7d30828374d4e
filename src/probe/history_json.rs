//! Histories of a target as JSON, as `/target` returns them for `format=json`.
//!
//! Within one version, keys are added and never changed or removed.

#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

use crate::probe::{
    history::{Episode, TargetHistory},
    report::{rfc3339, visible},
};

/// Version of the document.
const VERSION: u32 = 1;

/// Renders histories as one JSON object, described by `docs/history.schema.json`.
#[must_use]
pub fn render(histories: &[TargetHistory]) -> String {
    let histories = histories.iter().map(HistoryDocument::of).collect();
    // The document contains no values that JSON cannot represent.
    visible(serde_json::to_string(&Document { version: VERSION, histories }).unwrap_or_default())
}

/// The histories of a target: one for each module and hostname with which it is probed. Durations are in
/// seconds, times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct Document<'h> {
    /// Version of this document: 1.
    version: u32,
    /// The histories.
    histories: Vec<HistoryDocument<'h>>,
}

/// The history of a target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct HistoryDocument<'h> {
    /// Name of the module.
    module: &'h str,
    /// The target, with passwords masked.
    target: &'h str,
    /// The parameter `hostname` of the probes; null without it.
    hostname: Option<&'h str>,
    /// True if the latest probe failed.
    failing: bool,
    /// Start of the first failure after the last success, or of the first success after the last failure.
    since: String,
    /// False if no other result before `since` is known, so that the present one may be older.
    since_is_known: bool,
    /// Start of the first probe that is known.
    first: String,
    /// Start of the latest probe.
    latest: String,
    /// Number of probes since the first one.
    probes: u64,
    /// The latest episode with a failure; null without one.
    last_failure: Option<EpisodeDocument<'h>>,
    /// The latest success before that failure with a kept report, or the one after it. Without a failure,
    /// the latest episode. Null if there is none.
    last_success: Option<EpisodeDocument<'h>>,
    /// All episodes, oldest first.
    episodes: Vec<EpisodeDocument<'h>>,
}

/// Consecutive probes with the same result. If a target alternates, old episodes are joined.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct EpisodeDocument<'h> {
    /// Start of the first probe.
    first: String,
    /// Start of the latest probe.
    latest: String,
    /// Number of successes.
    successes: u32,
    /// Number of failures.
    failures: u32,
    /// Duration of the shortest probe.
    shortest_seconds: f64,
    /// Duration of the longest probe.
    longest_seconds: f64,
    /// The latest failure; null if there was none.
    failure: Option<OutlineDocument<'h>>,
    /// Id of the report of the first failure, for `/logs?id=…`; null if it is not kept or is the latest.
    first_report: Option<u64>,
    /// Id of the report of the latest failure or, without one, of a late success; null if it is not kept.
    latest_report: Option<u64>,
}

/// The failure of an episode.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
struct OutlineDocument<'h> {
    /// The stage that failed, one of a fixed list.
    stage: &'static str,
    /// The reason, one of a fixed list.
    reason: &'static str,
    /// The start of the message.
    message: &'h str,
}

impl<'h> HistoryDocument<'h> {
    fn of(history: &'h TargetHistory) -> Self {
        let (since, key) = (history.since(), &history.key);
        let (bad, good) = history.last_bad_and_good();
        Self {
            module: key.module(),
            target: key.target(),
            hostname: key.hostname(),
            failing: history.latest().is_some_and(Episode::is_failing),
            since: rfc3339(since.time.into()),
            since_is_known: since.is_known,
            first: rfc3339(history.first.into()),
            latest: rfc3339(history.last().into()),
            probes: history.probes,
            last_failure: bad.map(EpisodeDocument::of),
            last_success: good.map(EpisodeDocument::of),
            episodes: history.episodes.iter().map(EpisodeDocument::of).collect(),
        }
    }
}

impl<'h> EpisodeDocument<'h> {
    fn of(episode: &'h Episode) -> Self {
        let [first_report, latest_report] = episode.ids();
        let failure = episode.failure.as_ref().map(|failure| OutlineDocument {
            stage: failure.stage.label(),
            reason: failure.reason.label(),
            message: &failure.message,
        });
        Self {
            first: rfc3339(episode.first.into()),
            latest: rfc3339(episode.last.into()),
            successes: episode.successes,
            failures: episode.failures,
            shortest_seconds: episode.shortest.as_secs_f64(),
            longest_seconds: episode.longest.as_secs_f64(),
            failure,
            first_report,
            latest_report,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::report::assert_published;

    #[test]
    fn the_published_schema_is_that_of_the_document() {
        assert_published("docs/history.schema.json", &schemars::schema_for!(Document<'_>));
    }
}
