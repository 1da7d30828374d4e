//! Whose clock the readings of probes come from, by kind of socket.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::{
    net::wire::{Kind, readings, stamps_available},
    server::metrics::register,
};

pub(super) struct StampMetrics {
    available: IntGaugeVec,
    arrivals: IntCounterVec,
}

impl StampMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let available = Opts::new(
            "probe_exporter_kernel_timestamps_available",
            "Whether the kernel stamps what arrives; if not, readings hold the exporter's delays.",
        );
        let arrivals = Opts::new(
            "probe_exporter_timed_arrivals_total",
            "Arrivals that were timed, by the clock that did it.",
        );
        Ok(Self {
            available: register(registry, IntGaugeVec::new(available, &["socket"])?)?,
            arrivals: register(registry, IntCounterVec::new(arrivals, &["socket", "clock"])?)?,
        })
    }

    /// Takes the counts of now.
    pub(super) fn refresh(&self) {
        for kind in Kind::ALL {
            let available = i64::from(stamps_available(kind));
            self.available.with_label_values(&[kind.label()]).set(available);
            let (by_kernel, by_process) = readings(kind);
            for (clock, total) in [("kernel", by_kernel), ("process", by_process)] {
                let counter = self.arrivals.with_label_values(&[kind.label(), clock]);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
        }
    }
}
