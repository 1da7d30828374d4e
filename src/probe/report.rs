//! What a probe learned, as plain data, and its renderings.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    config::Module,
    evidence::{Failure, log::LogEntry},
    metrics::{Description, Export, Metric, MetricSet},
};

const SUCCESS: Metric =
    Metric::new("probe_success", "Whether the probe was a success: 1, or 0.", []);
const DURATION: Metric =
    Metric::new("probe_duration_seconds", "How long the probe took, in seconds.", []);
const OVERHEAD: Metric = Metric::new(
    "probe_overhead_seconds",
    "How much of the probe's duration was the exporter's own, in seconds: what its phases leave.",
    [],
)
.extra();
const TIMEOUT: Metric =
    Metric::new("probe_timeout_seconds", "How long the probe was allowed to take, in seconds.", []);

/// The metrics that every probe has, whatever the prober.
pub(super) const METRICS: &[Description] = &[
    SUCCESS.describe(),
    DURATION.describe(),
    OVERHEAD.describe(),
    TIMEOUT.describe(),
    crate::evidence::failure::FAILURE_INFO.describe(),
];

/// One finished probe.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// The module's name.
    pub module_name: String,
    /// The module that was in force.
    pub module: Arc<Module>,
    /// What was probed.
    pub target: String,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// How long it waited for the peer, the network and the resolver.
    pub waited: Duration,
    /// How long it was allowed to take.
    pub timeout: Duration,
    /// Whether the target is up, or why not.
    pub verdict: Result<(), Failure>,
    /// Everything that was measured; without what upstream lacks, if the module wants it so.
    pub metrics: MetricSet,
    /// What it noted on the way.
    pub log: Vec<LogEntry>,
}

impl ProbeReport {
    /// Adds what is known of the probe as a whole to what its prober measured.
    #[must_use]
    pub(super) fn with_own_metrics(mut self) -> Self {
        let mut metrics = std::mem::take(&mut self.metrics);
        self.export(&mut metrics);
        if !self.module.extra_metrics {
            metrics.remove_extras();
        }
        Self { metrics, ..self }
    }

    /// What `debug=true` and `/logs` answer: the log, the metrics, and the module.
    #[must_use]
    pub fn debug_text(&self) -> String {
        let mut text = String::from("Logs for the probe:\n");
        for entry in &self.log {
            text.push_str(&entry.to_logfmt());
            text.push('\n');
        }
        text.push_str("\n\n\nMetrics that would have been returned:\n");
        text.push_str(&self.metrics.render());
        text.push_str("\n\n\nModule configuration:\n");
        text.push_str(&self.module.to_yaml());
        text
    }
}

impl Export for ProbeReport {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&SUCCESS, [], f64::from(u8::from(self.verdict.is_ok())));
        metrics.add(&DURATION, [], self.duration.as_secs_f64());
        let overhead = self.duration.saturating_sub(self.waited);
        metrics.add(&OVERHEAD, [], overhead.as_secs_f64());
        metrics.add(&TIMEOUT, [], self.timeout.as_secs_f64());
        if let Err(failure) = &self.verdict {
            failure.export(metrics);
        }
    }
}
