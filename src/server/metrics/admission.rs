//! Metrics of the admission of probes. Refused probes are counted by cause.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramOpts, IntGauge, Registry};

use super::register;
use crate::admission::{Admission, UNLIMITED};

/// The limit of running probes, and those that wait.
pub(in crate::server) struct AdmissionMetrics {
    admission: Arc<Admission>,
    limit: IntGauge,
    queued: IntGauge,
    waits: Histogram,
}

/// Upper bounds of the histogram of waits in seconds.
const WAIT_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl AdmissionMetrics {
    pub(super) fn register(
        registry: &Registry,
        admission: Arc<Admission>,
    ) -> prometheus::Result<Self> {
        let limit = IntGauge::new(
            "probe_exporter_probes_in_flight_limit",
            "Limit of the number of running probes, by the configuration and the CPU time; 0 means no limit.",
        )?;
        let queued = IntGauge::new(
            "probe_exporter_probes_queued",
            "Number of probes that wait until they may run.",
        )?;
        let waits = Histogram::with_opts(
            HistogramOpts::new(
                "probe_exporter_queue_wait_seconds",
                "Time for which probes waited until they could run or were refused, in seconds. \
                 Probes that did not have to wait are not counted.",
            )
            .buckets(WAIT_BUCKETS.to_vec()),
        )?;
        Ok(Self {
            admission,
            limit: register(registry, limit)?,
            queued: register(registry, queued)?,
            waits: register(registry, waits)?,
        })
    }

    /// Counts the wait of a probe.
    pub(in crate::server) fn count_wait(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// Updates the values.
    pub(super) fn refresh(&self) {
        let limit = Some(self.admission.all().limit()).filter(|limit| *limit != UNLIMITED);
        self.limit.set(limit.unwrap_or_default().into());
        self.queued.set(self.admission.queued().into());
    }
}
