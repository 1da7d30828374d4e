//! The results of a dialogue, and their metrics.

use super::Label;
use crate::{
    metrics::{Export, Metric, MetricSet},
    settings::regexp::Captures,
};

pub(super) const FAILED_DUE_TO_REGEX: Metric = Metric::new(
    "probe_failed_due_to_regex",
    "1 if the server closed the connection before a line matched the pattern of a step; 0 otherwise, \
     also after a timeout.",
    [],
)
.when("once the connection is established, including TLS with tls: true");
pub(super) const FAILED_DUE_TO_BYTES: Metric = Metric::new(
    "probe_failed_due_to_bytes",
    "1 if the probe failed because the received bytes differ from expect_bytes, 0 otherwise.",
    [],
)
.when("once the connection is established, including TLS with tls: true");
pub(super) const EXPECT_INFO: Metric = Metric::new(
    "probe_expect_info",
    "Labels of a step, filled from the match of its pattern; always 1.",
    [],
)
.when("if a step with labels matched; the module defines the labels");

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
    /// Notes the labels of a step that matched.
    pub(super) fn note_labels(&mut self, labels: Vec<(String, String)>) {
        if !labels.is_empty() {
            self.expect_info = Some(labels);
        }
    }
}

/// Returns the labels of a step with their values.
pub(super) fn labels(labels: &[Label], captures: &Captures<'_>) -> Vec<(String, String)> {
    let value =
        |label: &Label| String::from_utf8_lossy(&captures.expand(&label.value)).into_owned();
    labels.iter().map(|label| (label.name.clone(), value(label))).collect()
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
