//! The results of a dialogue, and their metrics.

use super::Label;
use crate::{
    metrics::{Export, Metric, MetricSet},
    settings::regexp::Captures,
};

pub(super) const FAILED_DUE_TO_REGEX: Metric = Metric::new(
    "probe_failed_due_to_regex",
    "Whether the probe failed because a pattern was not matched.",
    [],
)
.when("once a dialogue could begin");
pub(super) const FAILED_DUE_TO_BYTES: Metric = Metric::new(
    "probe_failed_due_to_bytes",
    "Whether the probe failed because other bytes came than expected.",
    [],
)
.when("once a dialogue could begin");
pub(super) const EXPECT_INFO: Metric = Metric::new(
    "probe_expect_info",
    "What the line that was expected said, in the labels that the module names.",
    [],
)
.when("when a step with labels matched; the labels are those of the module");

/// The results of a dialogue. They exist from the time at which a dialogue could start, also if
/// none is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialogueFacts {
    /// The peer closed the connection before a line matched.
    pub failed_due_to_regex: bool,
    /// The received bytes differ from the expected ones.
    pub failed_due_to_bytes: bool,
    expect_info: Option<Vec<(String, String)>>,
}

impl DialogueFacts {
    pub(super) fn note_match(&mut self, labels: &[Label], captures: &Captures<'_>) {
        if !labels.is_empty() {
            let value = |label: &Label| {
                String::from_utf8_lossy(&captures.expand(&label.value)).into_owned()
            };
            let pairs = labels.iter().map(|label| (label.name.clone(), value(label))).collect();
            self.expect_info = Some(pairs);
        }
    }
}

impl Export for DialogueFacts {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&FAILED_DUE_TO_REGEX, [], u8::from(self.failed_due_to_regex));
        metrics.add(&FAILED_DUE_TO_BYTES, [], u8::from(self.failed_due_to_bytes));
        if let Some(labels) = &self.expect_info {
            metrics.add_dynamic(&EXPECT_INFO, labels.clone(), 1);
        }
    }
}
