//! The measurements of a connection with a dialogue, and their metrics.

use std::time::Duration;

use super::facts::{DialogueFacts, EXPECT_INFO, FAILED_DUE_TO_BYTES, FAILED_DUE_TO_REGEX};
use crate::{
    diagnostics::Phase,
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{
        connect::{ConnectPhase, ConnectionMeasurements},
        tls::{EARLIEST_CERT_EXPIRY, LAST_CHAIN_EXPIRY, LAST_CHAIN_INFO, VERSION_INFO},
    },
    probers::{Findings, Measurements},
};

const DURATION: Metric<1> = Metric::new(
    "probe_tcp_duration_seconds",
    "Time that each phase of a tcp or unix probe waited for the network and the peer, in seconds.",
    ["phase"],
)
.extra()
.when("for each phase that was started")
.unit(Unit::Seconds)
.labels_mean(["resolve, connect, tls, query (dialogue)"]);

/// The metrics of a connection with a dialogue. The configuration defines the labels of
/// `probe_expect_info`.
pub const METRICS: &[Description] = &[
    DURATION.describe(),
    FAILED_DUE_TO_REGEX.describe(),
    FAILED_DUE_TO_BYTES.describe(),
    EXPECT_INFO.describe(),
];

/// The TLS metrics that the tcp and unix probers of upstream export.
const TLS_OF_UPSTREAM: &[&str] =
    &[EARLIEST_CERT_EXPIRY.name, LAST_CHAIN_EXPIRY.name, LAST_CHAIN_INFO.name, VERSION_INFO.name];

/// The phases of a tcp or unix probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamPhase {
    /// Resolving the target's name.
    Resolve,
    /// Establishing the connection.
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

impl ConnectPhase for StreamPhase {
    const RESOLVE: Self = Self::Resolve;
    const CONNECT: Self = Self::Connect;
    const TLS: Self = Self::Tls;
}

/// The measurements of a tcp or unix probe.
#[derive(Debug, Default)]
pub struct StreamMeasurements {
    /// The connection.
    pub connection: ConnectionMeasurements<StreamPhase>,
    /// The results of the dialogue, from the time at which it could start.
    pub dialogue: Option<DialogueFacts>,
}

impl Measurements for StreamMeasurements {
    fn waited(&self) -> Duration {
        self.connection.phases.total()
    }

    fn findings(&mut self) -> Findings {
        Findings::of_exchange(&self.connection.phases, self.connection.tls.take(), None)
    }
}

impl Export for StreamMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        self.connection.export(TLS_OF_UPSTREAM, metrics);
        self.connection.phases.export(&DURATION, metrics);
        if let Some(dialogue) = &self.dialogue {
            dialogue.export(metrics);
        }
    }
}
