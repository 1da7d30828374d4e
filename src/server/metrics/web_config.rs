//! How the web config file fares, for those who watch the exporter.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge, Registry};

use crate::server::{metrics::register, web_config::Guard};

/// They exist only when there is such a file.
pub(super) struct GuardMetrics {
    guard: Arc<Guard>,
    last_reload_successful: IntGauge,
    failed_reloads: IntCounter,
}

impl GuardMetrics {
    pub(super) fn register(registry: &Registry, guard: Arc<Guard>) -> prometheus::Result<Self> {
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
    pub(super) fn refresh(&self) {
        self.last_reload_successful.set(i64::from(self.guard.is_current()));
        let total = self.guard.failed_reloads();
        self.failed_reloads.inc_by(total.saturating_sub(self.failed_reloads.get()));
    }
}
