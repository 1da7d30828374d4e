//! The measurements of a dns probe, and their metrics.

use std::time::Duration;

use dns_text::{Rcode, RecordType};

use super::response::Response;
use crate::{
    diagnostics::Phase,
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::connect::{ConnectPhase, ConnectionMeasurements},
    probers::{Findings, Measurements},
};

const DURATION: Metric<1> = Metric::new(
    "probe_dns_duration_seconds",
    "Duration of the dns probe by phase, in seconds.",
    ["phase"],
)
.when("always")
.unit(Unit::Seconds)
.labels_mean(["resolve: resolving the name of the server; connect: connecting, including TLS; \
               request: from the query to the response"]);
const QUERY_SUCCEEDED: Metric = Metric::new(
    "probe_dns_query_succeeded",
    "1 if a valid DNS response was received, whatever its response code; 0 otherwise.",
    [],
)
.when("always");
const ANSWER_RECORDS: Metric =
    Metric::new("probe_dns_answer_rrs", "Number of records in the answer section.", [])
        .when("always");
const AUTHORITY_RECORDS: Metric =
    Metric::new("probe_dns_authority_rrs", "Number of records in the authority section.", [])
        .when("always");
const ADDITIONAL_RECORDS: Metric = Metric::new(
    "probe_dns_additional_rrs",
    "Number of records in the additional section, including OPT records.",
    [],
)
.when("always");
const SERIAL: Metric = Metric::new(
    "probe_dns_serial",
    "Serial number of the last SOA record in the answer section; 0 if there is none.",
    [],
)
.when("if the query type is SOA and a response was received");

/// The metrics that only this prober has.
pub const METRICS: &[Description] = &[
    DURATION.describe(),
    QUERY_SUCCEEDED.describe(),
    ANSWER_RECORDS.describe(),
    AUTHORITY_RECORDS.describe(),
    ADDITIONAL_RECORDS.describe(),
    SERIAL.describe(),
];

/// The phases of a dns probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsPhase {
    /// Resolving the server's name.
    Resolve,
    /// Establishing the connection, including TLS. Over UDP, opening the socket.
    Connect,
    /// From sending the query to receiving the response.
    Request,
}

impl Phase for DnsPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Request => "request",
        }
    }
}

impl ConnectPhase for DnsPhase {
    const RESOLVE: Self = Self::Resolve;
    const CONNECT: Self = Self::Connect;
    const TLS: Self = Self::Connect;
}

/// The measurements of a dns probe.
#[derive(Debug)]
pub struct DnsMeasurements {
    /// The connection to the server.
    pub connection: ConnectionMeasurements<DnsPhase>,
    /// The response, once it was parsed.
    pub response: Option<ResponseFacts>,
}

/// The values of a response that are exported or reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseFacts {
    rcode: Rcode,
    truncated: bool,
    answer: u16,
    authority: u16,
    additional: u16,
    /// Serial number. Present if the query type was SOA.
    serial: Option<u32>,
}

impl ResponseFacts {
    pub(super) fn new(queried: RecordType, response: &Response) -> Self {
        let message = &response.message;
        let count = |records: &[_]| u16::try_from(records.len()).unwrap_or(u16::MAX);
        Self {
            rcode: message.rcode,
            truncated: message.truncated || response.is_cut,
            answer: count(&message.answer),
            authority: count(&message.authority),
            additional: count(&message.additional),
            serial: (queried == RecordType::SOA).then(|| message.serial.unwrap_or_default()),
        }
    }
}

impl Default for DnsMeasurements {
    fn default() -> Self {
        let mut connection = ConnectionMeasurements::default();
        for phase in [DnsPhase::Resolve, DnsPhase::Connect, DnsPhase::Request] {
            connection.phases.begin(phase);
        }
        Self { connection, response: None }
    }
}

impl Measurements for DnsMeasurements {
    fn waited(&self) -> Duration {
        self.connection.phases.total()
    }

    fn findings(&mut self) -> Findings {
        let response = self.response.map(|facts| {
            let ResponseFacts { rcode, truncated, answer, authority, additional, .. } = facts;
            let truncated = if truncated { ", truncated" } else { "" };
            format!(
                "{rcode}{truncated}, {answer} answer, {authority} authority, {additional} \
                 additional records"
            )
        });
        Findings::of_exchange(&self.connection.phases, self.connection.tls.take(), response)
    }
}

impl Export for DnsMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        // Upstream exports no TLS metrics for DNS.
        self.connection.export(&[], metrics);
        self.connection.phases.export(&DURATION, metrics);
        metrics.add(&QUERY_SUCCEEDED, [], u8::from(self.response.is_some()));
        let response = self.response;
        let count = |of: fn(ResponseFacts) -> u16| response.map_or(0, of);
        metrics.add(&ANSWER_RECORDS, [], count(|facts| facts.answer));
        metrics.add(&AUTHORITY_RECORDS, [], count(|facts| facts.authority));
        metrics.add(&ADDITIONAL_RECORDS, [], count(|facts| facts.additional));
        if let Some(serial) = response.and_then(|facts| facts.serial) {
            metrics.add(&SERIAL, [], serial);
        }
    }
}
