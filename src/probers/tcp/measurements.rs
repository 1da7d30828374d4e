//! What a tcp probe learns, and the metrics that show it.

use std::time::Duration;

use crate::{
    evidence::{Phase, Phases},
    metrics::{Description, Export, Metric, MetricSet},
    net::{
        resolve::Resolution,
        tls::{EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, TlsSession, VERSION_INFO},
        wire::WireClock,
    },
    probers::{Measurements, query_response::DialogueFacts},
};

const DURATION: Metric<1> = Metric::new(
    "probe_tcp_duration_seconds",
    "How long the phases of the TCP probe waited for the network and the peer, in seconds.",
    ["phase"],
)
.extra();
/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[DURATION.describe()];

/// The metrics of TLS that upstream's tcp prober has.
const TLS_OF_UPSTREAM: &[&str] =
    &[EARLIEST_CERT_EXPIRY.name, LAST_CHAIN_EXPIRY.name, LAST_CHAIN_INFO.name, VERSION_INFO.name];

/// The parts of a tcp probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpPhase {
    /// Resolving the target's name.
    Resolve,
    /// Making the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The dialogue.
    Query,
}

impl Phase for TcpPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Query => "query",
        }
    }
}

/// What a tcp probe learns.
#[derive(Debug, Default)]
pub struct TcpMeasurements {
    /// The target's address, once it was looked for.
    pub resolution: Option<Resolution>,
    /// How long each phase took.
    pub phases: Phases<TcpPhase>,
    /// What TLS taught, if it was spoken.
    pub tls: Option<TlsSession>,
    /// What the dialogue taught, once there could be one.
    pub dialogue: Option<DialogueFacts>,
    /// The account of the connection, once there was one.
    pub clock: Option<WireClock>,
}

impl Measurements for TcpMeasurements {
    fn waited(&self) -> Duration {
        self.phases.total()
    }
}

impl Export for TcpMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        if let Some(resolution) = &self.resolution {
            resolution.export(metrics);
        }
        self.phases.export(&DURATION, metrics);
        if let Some(tls) = &self.tls {
            tls.export_as(TLS_OF_UPSTREAM, metrics);
        }
        if let Some(dialogue) = &self.dialogue {
            dialogue.export(metrics);
        }
        if let Some(clock) = &self.clock {
            clock.export(metrics);
        }
    }
}
