//! Metrics of the memory that probes hold together.

use std::sync::Arc;

use prometheus::{IntGauge, Registry};

use super::register;
use crate::memory::MemoryBudget;

/// The use of the budget and its limit.
pub(super) struct MemoryMetrics {
    budget: Arc<MemoryBudget>,
    used: IntGauge,
    limit: IntGauge,
}

impl MemoryMetrics {
    pub(super) fn register(
        registry: &Registry,
        budget: Arc<MemoryBudget>,
    ) -> prometheus::Result<Self> {
        let used = IntGauge::new(
            "probe_exporter_body_memory_bytes",
            "Memory that running probes have taken from limits.body_memory, in bytes.",
        )?;
        let limit = IntGauge::new(
            "probe_exporter_body_memory_limit_bytes",
            "Limit of the memory that running probes hold for data of their peers, in bytes; 0 means \
             no limit.",
        )?;
        Ok(Self { budget, used: register(registry, used)?, limit: register(registry, limit)? })
    }

    /// Updates the values.
    pub(super) fn refresh(&self) {
        let set = |gauge: &IntGauge, bytes| gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        set(&self.used, self.budget.used());
        set(&self.limit, self.budget.limit().unwrap_or_default());
    }
}
