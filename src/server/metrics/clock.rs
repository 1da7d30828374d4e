//! Metrics of the clock that is used for phase times, by socket type.

use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};

use crate::{
    net::wire::{SocketKind, kernel_timestamps_available, receive_counts},
    server::metrics::register,
};

pub(super) struct ClockMetrics {
    available: IntGaugeVec,
    arrivals: IntCounterVec,
}

impl ClockMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let available = Opts::new(
            "probe_exporter_kernel_timestamps_available",
            "Whether kernel receive timestamps are available; if 0, phases include delays of the \
             exporter.",
        );
        let arrivals = Opts::new(
            "probe_exporter_timed_arrivals_total",
            "Number of received packets by the clock that timed them: kernel (exact) or process \
             (includes delays of the exporter).",
        );
        Ok(Self {
            available: register(registry, IntGaugeVec::new(available, &["socket"])?)?,
            arrivals: register(registry, IntCounterVec::new(arrivals, &["socket", "clock"])?)?,
        })
    }

    /// Reads the current values.
    pub(super) fn refresh(&self) {
        for kind in SocketKind::ALL {
            let available = i64::from(kernel_timestamps_available(kind));
            self.available.with_label_values(&[kind.name()]).set(available);
            let counts = receive_counts(kind);
            for (clock, total) in [("kernel", counts.kernel), ("process", counts.process)] {
                let counter = self.arrivals.with_label_values(&[kind.name(), clock]);
                counter.inc_by(total.saturating_sub(counter.get()));
            }
        }
    }
}
