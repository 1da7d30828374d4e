//! What a tcp probe learns.

use std::time::Duration;

use crate::{
    metrics::{Export, MetricSet},
    net::resolve::Resolution,
    probers::{Findings, Measurements, query_response::StreamFacts},
};

/// What a tcp probe learns.
#[derive(Debug, Default)]
pub struct TcpMeasurements {
    /// The target's address, once it was looked for.
    pub resolution: Option<Resolution>,
    /// The connection.
    pub stream: StreamFacts,
}

impl Measurements for TcpMeasurements {
    fn waited(&self) -> Duration {
        self.stream.waited()
    }

    fn findings(&mut self) -> Findings {
        self.stream.findings()
    }
}

impl Export for TcpMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        if let Some(resolution) = &self.resolution {
            resolution.export(metrics);
        }
        self.stream.export(metrics);
    }
}
