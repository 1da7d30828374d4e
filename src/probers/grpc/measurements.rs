//! The measurements of a grpc probe, and their metrics.

use std::time::Duration;

use super::{message::ServingStatus, status::Code};
use crate::{
    diagnostics::Phase,
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{
        connect::{ConnectPhase, ConnectionMeasurements},
        tls::{EARLIEST_CERT_EXPIRY, LAST_CHAIN_INFO, VERSION_INFO},
    },
    probers::{Findings, Measurements},
};

const DURATION: Metric<1> = Metric::new(
    "probe_grpc_duration_seconds",
    "Duration of the grpc probe by phase, in seconds.",
    ["phase"],
)
.when("always")
.unit(Unit::Seconds)
.labels_mean(["resolve: resolving the name of the target; check: connecting, TLS and the call"]);
const CHECK_DURATION: Metric<1> = Metric::new(
    "probe_grpc_check_duration_seconds",
    "Time that each part of the phase check waited for the network and the server, in seconds.",
    ["phase"],
)
.extra()
.when("for each part that was started")
.unit(Unit::Seconds)
.labels_mean(["connect, tls, request"]);
const SSL: Metric = Metric::new(
    "probe_grpc_ssl",
    "1 if the response of the health check was received over TLS, 0 otherwise.",
    [],
)
.when("always");
const STATUS_CODE: Metric =
    Metric::new("probe_grpc_status_code", "gRPC status code of the health check.", [])
        .when("always");
const HEALTHCHECK_RESPONSE: Metric<1> = Metric::new(
    "probe_grpc_healthcheck_response",
    "Serving status of the service: 1 for the reported status, 0 for the others.",
    ["serving_status"],
)
.when("once the name of the target is resolved")
.labels_mean(["the status"]);

/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[
    DURATION.describe(),
    CHECK_DURATION.describe(),
    SSL.describe(),
    STATUS_CODE.describe(),
    HEALTHCHECK_RESPONSE.describe(),
];

/// The TLS metrics that the grpc prober of upstream exports after a successful call.
const TLS_OF_UPSTREAM: &[&str] =
    &[EARLIEST_CERT_EXPIRY.name, LAST_CHAIN_INFO.name, VERSION_INFO.name];

/// The phases of a grpc probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcPhase {
    /// Resolving the target's name.
    Resolve,
    /// Establishing the connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// The call.
    Request,
}

impl Phase for GrpcPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
        }
    }
}

impl ConnectPhase for GrpcPhase {
    const RESOLVE: Self = Self::Resolve;
    const CONNECT: Self = Self::Connect;
    const TLS: Self = Self::Tls;
}

/// The phases that the upstream phase `check` consists of.
const CHECK: [GrpcPhase; 3] = [GrpcPhase::Connect, GrpcPhase::Tls, GrpcPhase::Request];

/// The outcome of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The gRPC status code.
    pub code: Code,
    /// The serving status in the response, if there was one.
    pub serving: Option<ServingStatus>,
}

/// The measurements of a grpc probe.
#[derive(Debug, Default)]
pub struct GrpcMeasurements {
    /// The connection.
    pub connection: ConnectionMeasurements<GrpcPhase>,
    /// The outcome of the call. During the call, it is the outcome of a timeout.
    pub outcome: Option<Outcome>,
}

impl Measurements for GrpcMeasurements {
    fn waited(&self) -> Duration {
        self.connection.phases.total()
    }

    fn findings(&mut self) -> Findings {
        let phases = &self.connection.phases;
        let response = self.outcome.filter(|_| phases.spent(GrpcPhase::Request).is_some());
        let response = response.map(|Outcome { code, serving }| {
            let serving = serving.map(|serving| format!(", {serving}")).unwrap_or_default();
            format!("gRPC status {code}{serving}")
        });
        Findings::of_exchange(phases, self.connection.tls.take(), response)
    }
}

impl Export for GrpcMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        self.export_phases(metrics);
        let outcome = self.outcome.unwrap_or(Outcome { code: Code::OK, serving: None });
        metrics.add(&STATUS_CODE, [], outcome.code.0);
        if self.outcome.is_some() {
            for known in ServingStatus::KNOWN {
                metrics.add(&HEALTHCHECK_RESPONSE, [&known.to_string()], 0);
            }
        }
        if let Some(serving) = outcome.serving {
            metrics.add(&HEALTHCHECK_RESPONSE, [&serving.to_string()], 1);
        }
        let is_secure = self.connection.tls.is_some() && outcome.serving.is_some();
        metrics.add(&SSL, [], u8::from(is_secure));
        self.connection.export(if is_secure { TLS_OF_UPSTREAM } else { &[] }, metrics);
    }
}

impl GrpcMeasurements {
    fn export_phases(&self, metrics: &mut MetricSet) {
        let phases = &self.connection.phases;
        let resolve = phases.spent(GrpcPhase::Resolve).unwrap_or_default();
        metrics.add(&DURATION, [GrpcPhase::Resolve.label()], resolve.as_secs_f64());
        let parts = CHECK.map(|part| (part, phases.spent(part)));
        for (part, spent) in parts {
            if let Some(spent) = spent {
                metrics.add(&CHECK_DURATION, [part.label()], spent.as_secs_f64());
            }
        }
        if self.outcome.is_some() {
            let check: Duration = parts.iter().filter_map(|(_, spent)| *spent).sum();
            metrics.add(&DURATION, ["check"], check.as_secs_f64());
        }
    }
}
