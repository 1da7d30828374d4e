//! The measurements of a websocket probe, and their metrics.

use std::time::Duration;

use crate::{
    diagnostics::Phase,
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::connect::{ConnectPhase, ConnectionMeasurements},
    probers::{Findings, Measurements},
};

const DURATION: Metric<1> = Metric::new(
    "probe_websocket_duration_seconds",
    "Duration of the websocket probe by phase, in seconds.",
    ["phase"],
)
.when(
    "resolve and connect once completed, processing once a connection was attempted, transfer \
     once the dialogue started",
)
.unit(Unit::Seconds)
.labels_mean(["resolve, connect, processing (TLS and upgrade), transfer (dialogue)"]);
const UPGRADE_DURATION: Metric<1> = Metric::new(
    "probe_websocket_upgrade_duration_seconds",
    "Time that each part of the phase processing waited for the server, in seconds.",
    ["phase"],
)
.extra()
.when("for each part that was started")
.unit(Unit::Seconds)
.labels_mean(["tls, request"]);
const UPGRADED: Metric = Metric::new(
    "probe_websocket_connection_upgraded",
    "1 if the connection was upgraded to a WebSocket, 0 otherwise.",
    [],
)
.when("once the target was parsed");
const STATUS_CODE: Metric = Metric::new(
    "probe_websocket_status_code",
    "HTTP status code of the response to the upgrade request; 0 without a response.",
    [],
)
.when("once the target was parsed");
const FAILED_DUE_TO_REGEX: Metric = Metric::new(
    "probe_websocket_failed_due_to_regex",
    "1 if the dialogue failed for any reason, not only because of a pattern; 0 otherwise.",
    [],
)
.when("once the target was parsed");

/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[
    DURATION.describe(),
    UPGRADE_DURATION.describe(),
    UPGRADED.describe(),
    STATUS_CODE.describe(),
    FAILED_DUE_TO_REGEX.describe(),
];

/// The phases of a websocket probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebsocketPhase {
    /// Resolving the target's name.
    Resolve,
    /// Establishing the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The upgrade request and its response.
    Request,
    /// The dialogue.
    Transfer,
}

impl Phase for WebsocketPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Transfer => "transfer",
        }
    }

    fn needs_completion(self) -> bool {
        matches!(self, Self::Resolve | Self::Connect)
    }
}

impl ConnectPhase for WebsocketPhase {
    const RESOLVE: Self = Self::Resolve;
    const CONNECT: Self = Self::Connect;
    const TLS: Self = Self::Tls;
}

/// The progress of a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// True if a connection was attempted.
    pub attempted: bool,
    /// The status code of the response to the upgrade; 0 without one.
    pub status: u16,
    /// True if the connection was upgraded.
    pub upgraded: bool,
    /// True if the dialogue failed or did not finish.
    pub dialogue_failed: bool,
}

/// The measurements of a websocket probe.
#[derive(Debug, Default)]
pub struct WebsocketMeasurements {
    /// The connection.
    pub connection: ConnectionMeasurements<WebsocketPhase>,
    /// The progress of the probe, once the target was parsed.
    pub progress: Option<Progress>,
}

impl Measurements for WebsocketMeasurements {
    fn waited(&self) -> Duration {
        self.connection.phases.total()
    }

    fn findings(&mut self) -> Findings {
        let status = self.progress.as_ref().map(|progress| progress.status);
        let response = status.filter(|status| *status != 0).map(|status| format!("HTTP {status}"));
        Findings::of_exchange(&self.connection.phases, self.connection.tls.take(), response)
    }
}

impl Export for WebsocketMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        // The websocket prober of upstream exports no TLS metrics.
        self.connection.export(&[], metrics);
        if let Some(progress) = &self.progress {
            metrics.add(&UPGRADED, [], u8::from(progress.upgraded));
            metrics.add(&STATUS_CODE, [], progress.status);
            metrics.add(&FAILED_DUE_TO_REGEX, [], u8::from(progress.dialogue_failed));
            self.export_phases(progress, metrics);
        }
    }
}

impl WebsocketMeasurements {
    fn export_phases(&self, progress: &Progress, metrics: &mut MetricSet) {
        use WebsocketPhase::{Connect, Request, Resolve, Tls, Transfer};
        for phase in [Resolve, Connect, Transfer] {
            if let Some(spent) = self.connection.phases.spent(phase) {
                metrics.add(&DURATION, [phase.label()], spent.as_secs_f64());
            }
        }
        let mut processing = Duration::ZERO;
        for phase in [Tls, Request] {
            if let Some(spent) = self.connection.phases.spent(phase) {
                metrics.add(&UPGRADE_DURATION, [phase.label()], spent.as_secs_f64());
                processing += spent;
            }
        }
        if progress.attempted {
            metrics.add(&DURATION, ["processing"], processing.as_secs_f64());
        }
    }
}
