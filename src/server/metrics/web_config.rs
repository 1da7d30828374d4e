//! Metrics of the web config file.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge, Registry};

use crate::server::{metrics::register, web_config::AccessControl};

/// The metrics of the web config file. Exported only if there is one.
pub(super) struct WebConfigMetrics {
    access_control: Arc<AccessControl>,
    last_reload_successful: IntGauge,
    failed_reloads: IntCounter,
}

impl WebConfigMetrics {
    pub(super) fn register(
        registry: &Registry,
        access_control: Arc<AccessControl>,
    ) -> prometheus::Result<Self> {
        Ok(Self {
            access_control,
            last_reload_successful: register(
                registry,
                IntGauge::new(
                    "probe_exporter_web_config_last_reload_successful",
                    "Whether the last attempt to load the web config file succeeded.",
                )?,
            )?,
            failed_reloads: register(
                registry,
                IntCounter::new(
                    "probe_exporter_web_config_failed_reloads_total",
                    "Number of failed attempts to load a changed web config file.",
                )?,
            )?,
        })
    }

    /// Reads the current values.
    pub(super) fn refresh(&self) {
        self.last_reload_successful.set(i64::from(self.access_control.is_current()));
        let total = self.access_control.failed_reloads();
        self.failed_reloads.inc_by(total.saturating_sub(self.failed_reloads.get()));
    }
}
