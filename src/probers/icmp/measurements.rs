//! The measurements of an icmp probe, and their metrics.

use std::time::Duration;

use crate::{
    diagnostics::{Phase, Phases},
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::resolve::Resolution,
    probers::{Findings, Measurements},
};

const DURATION: Metric<1> = Metric::new(
    "probe_icmp_duration_seconds",
    "Duration of the icmp probe by phase, in seconds.",
    ["phase"],
)
.when("always; 0 for a phase that was not completed")
.unit(Unit::Seconds)
.labels_mean([
    "resolve: resolving the name of the target; setup: opening the socket and building \
     the packet; rtt: round-trip time",
]);
const REPLY_HOP_LIMIT: Metric =
    Metric::new("probe_icmp_reply_hop_limit", "Hop limit (TTL with IPv4) of the reply.", [])
        .when("if a reply was received and the kernel reports its hop limit");

/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[DURATION.describe(), REPLY_HOP_LIMIT.describe()];

/// The phases of an icmp probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpPhase {
    /// Resolving the target's name.
    Resolve,
    /// Opening the socket and creating the packet.
    Setup,
    /// The round trip: from sending the request to receiving the reply.
    Rtt,
}

impl Phase for IcmpPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Setup => "setup",
            Self::Rtt => "rtt",
        }
    }

    fn needs_completion(self) -> bool {
        self == Self::Rtt
    }
}

/// The measurements of an icmp probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpMeasurements {
    /// The resolution of the target, once it started.
    pub resolution: Option<Resolution>,
    /// The phases. All exist from the start; a phase that did not finish has the duration 0.
    pub phases: Phases<IcmpPhase>,
    /// The hop limit of the reply, if one arrived and the kernel reported it.
    pub reply_hop_limit: Option<u8>,
}

impl Default for IcmpMeasurements {
    fn default() -> Self {
        let mut phases = Phases::default();
        for phase in [IcmpPhase::Resolve, IcmpPhase::Setup, IcmpPhase::Rtt] {
            phases.begin(phase);
        }
        Self { resolution: None, phases, reply_hop_limit: None }
    }
}

impl Measurements for IcmpMeasurements {
    fn waited(&self) -> Duration {
        self.phases.total()
    }

    fn findings(&mut self) -> Findings {
        let response = self.reply_hop_limit.map(|limit| format!("reply with hop limit {limit}"));
        Findings::of_exchange(&self.phases, None, response)
    }
}

impl Export for IcmpMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        self.phases.export(&DURATION, metrics);
        if let Some(resolution) = &self.resolution {
            resolution.export(metrics);
        }
        if let Some(hop_limit) = self.reply_hop_limit {
            metrics.add(&REPLY_HOP_LIMIT, [], hop_limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(measurements: &IcmpMeasurements) -> Vec<&'static str> {
        let mut metrics = MetricSet::default();
        measurements.export(&mut metrics);
        metrics.names().collect()
    }

    #[test]
    fn all_phases_are_exported_by_default() {
        let mut metrics = MetricSet::default();
        IcmpMeasurements::default().export(&mut metrics);
        let text = metrics.render();
        for phase in ["resolve", "setup", "rtt"] {
            let sample = format!("probe_icmp_duration_seconds{{phase=\"{phase}\"}} 0\n");
            assert!(text.contains(&sample), "{text}");
        }
        assert_eq!(names(&IcmpMeasurements::default()), ["probe_icmp_duration_seconds"]);
    }

    #[test]
    fn address_and_hop_limit_are_exported_if_known() {
        let measurements = IcmpMeasurements {
            resolution: Some(Resolution::default()),
            reply_hop_limit: Some(63),
            ..IcmpMeasurements::default()
        };
        assert_eq!(
            names(&measurements),
            [
                "probe_icmp_duration_seconds",
                "probe_dns_lookup_time_seconds",
                "probe_ip_protocol",
                "probe_ip_addr_hash",
                "probe_icmp_reply_hop_limit",
            ]
        );
    }
}
