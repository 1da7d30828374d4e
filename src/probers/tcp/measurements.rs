//! What a tcp probe learns, and the metrics that show it.

use crate::{
    evidence::{Phase, Phases},
    metrics::{Description, Export, Metric, MetricSet},
    net::{
        resolve::Resolution,
        tls::{EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, TlsSession, VERSION_INFO},
        wire::WireClock,
    },
    probers::query_response::DialogueFacts,
};

const DURATION: Metric<1> = Metric::new(
    "probe_tcp_duration_seconds",
    "How long the phases of the TCP probe waited for the network and the peer, in seconds.",
    ["phase"],
)
.extra();
const RTT: Metric = Metric::new(
    "probe_tcp_rtt_seconds",
    "The smallest round-trip time that TCP has measured on the connection.",
    [],
)
.extra();
const RETRANSMITS: Metric = Metric::new(
    "probe_tcp_retransmits",
    "How many segments TCP had to send again on the connection.",
    [],
)
.extra();

/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[DURATION.describe(), RTT.describe(), RETRANSMITS.describe()];

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
        if let Some(facts) = self.clock.as_ref().and_then(WireClock::tcp_facts) {
            metrics.add(&RTT, [], facts.min_rtt.unwrap_or(facts.rtt).as_secs_f64());
            metrics.add(&RETRANSMITS, [], facts.retransmits);
        }
    }
}
