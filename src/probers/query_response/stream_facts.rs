//! What a connection with a dialogue teaches, and the metrics that show it.

use std::time::Duration;

use super::DialogueFacts;
use crate::{
    diagnostics::{Phase, Phases},
    metrics::{Export, Metric, MetricSet, Unit},
    net::{
        tls::{EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, TlsSession, VERSION_INFO},
        wire::WireClock,
    },
    probers::Findings,
};

pub(super) const DURATION: Metric<1> = Metric::new(
    "probe_tcp_duration_seconds",
    "How long the phases of a TCP or unix probe waited for the network and the peer, in seconds.",
    ["phase"],
)
.extra()
.when("for each phase that was begun")
.unit(Unit::Seconds)
.labels_mean(["resolve, connect, tls, query (the dialogue)"]);

/// The metrics of TLS that upstream's tcp and unix probers have.
const TLS_OF_UPSTREAM: &[&str] =
    &[EARLIEST_CERT_EXPIRY.name, LAST_CHAIN_EXPIRY.name, LAST_CHAIN_INFO.name, VERSION_INFO.name];

/// The parts of a probe that makes a connection and talks over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamPhase {
    /// Resolving the target's name.
    Resolve,
    /// Making the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The dialogue.
    Query,
}

impl Phase for StreamPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Query => "query",
        }
    }
}

/// What is learned from a connection and over it.
#[derive(Debug, Default)]
pub struct StreamFacts {
    /// How long each phase took.
    pub phases: Phases<StreamPhase>,
    /// What TLS taught, if it was spoken.
    pub tls: Option<TlsSession>,
    /// What the dialogue taught, once there could be one.
    pub dialogue: Option<DialogueFacts>,
    /// The account of the connection, once there was one.
    pub clock: Option<WireClock>,
}

impl StreamFacts {
    /// How long the probe waited for the peer, the network and the resolver.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.phases.total()
    }

    /// What there is to tell beside metrics.
    pub fn findings(&mut self) -> Findings {
        Findings::of_exchange(&self.phases, self.tls.take(), None)
    }
}

impl Export for StreamFacts {
    fn export(&self, metrics: &mut MetricSet) {
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
