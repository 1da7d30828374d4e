//! How the web config file fares, for those who watch the exporter.

use std::sync::{Arc, atomic::Ordering};

use prometheus::{IntCounter, IntGauge, Registry};

use crate::server::{guard::Guard, metrics::register};

/// They exist only when there is such a file.
pub(in crate::server) struct GuardMetrics {
    guard: Arc<Guard>,
    last_reload_successful: IntGauge,
    failed_reloads: IntCounter,
}

impl GuardMetrics {
    pub(in crate::server) fn register(
        registry: &Registry,
        guard: Arc<Guard>,
    ) -> prometheus::Result<Self> {
        Ok(Self {
            guard,
            last_reload_successful: register(
                registry,
                IntGauge::new(
                    "probe_exporter_web_config_last_reload_successful",
                    "Whether the web config file was good when it was last looked at.",
                )?,
            )?,
            failed_reloads: register(
                registry,
                IntCounter::new(
                    "probe_exporter_web_config_failed_reloads_total",
                    "Changes of the web config file that could not be put in force.",
                )?,
            )?,
        })
    }

    /// Takes the state of now.
    pub(in crate::server) fn refresh(&self) {
        self.last_reload_successful.set(i64::from(self.guard.is_current()));
        let total = self.guard.failed_reloads.load(Ordering::Relaxed);
        self.failed_reloads.inc_by(total.saturating_sub(self.failed_reloads.get()));
    }
}
