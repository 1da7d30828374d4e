//! What the http prober learns, and the metrics that show it.

use std::time::Duration;

use chrono::NaiveDateTime;
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::{
    evidence::{Phase, Phases},
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{
        http::version::HttpVersion,
        oauth2::{self, OAuth2Phase},
        proxy::{self, ProxyPhase},
        resolve::Resolution,
        tls::{self, TlsSession},
        wire::WireClock,
    },
    probers::{
        Findings, Hop, Measurements,
        http::{exchange::Response, timing::Running},
    },
};

const DURATION: Metric<1> = Metric::new(
    "probe_http_duration_seconds",
    "How long the phases of the request took, in seconds, summed over all redirects.",
    ["phase"],
)
.when("for each phase that was reached; all but resolve once a request was begun")
.unit(Unit::Seconds)
.labels_mean(["resolve, connect, tls, processing (until the first byte), transfer (from the first to the last byte)"]);
const STATUS_CODE: Metric =
    Metric::new("probe_http_status_code", "Status code of the final response, or 0.", [])
        .when("always");
const CONTENT_LENGTH: Metric = Metric::new(
    "probe_http_content_length",
    "Length of the body as the final response announced it, in bytes, or -1.",
    [],
)
.when("always")
.unit(Unit::Bytes);
const UNCOMPRESSED_BODY_LENGTH: Metric = Metric::new(
    "probe_http_uncompressed_body_length",
    "Length of the body after decompression, in bytes, as far as it was read.",
    [],
)
.when("always")
.unit(Unit::Bytes);
const REDIRECTS: Metric =
    Metric::new("probe_http_redirects", "How many redirects there were.", []).when("always");
const SSL: Metric =
    Metric::new("probe_http_ssl", "Whether the final response came over TLS: 1, or 0.", [])
        .when("always");
const VERSION: Metric =
    Metric::new("probe_http_version", "HTTP version of the final response, or 0.", [])
        .when("always");
const FAILED_DUE_TO_REGEX: Metric = Metric::new(
    "probe_failed_due_to_regex",
    "Whether a pattern for the headers or the body failed the probe: 1, or 0.",
    [],
)
.when("always");
const FAILED_DUE_TO_CEL: Metric = Metric::new(
    "probe_failed_due_to_cel",
    "Whether an expression over the JSON body failed the probe: 1, or 0.",
    [],
)
.when("when the module has such an expression");
const LAST_MODIFIED: Metric = Metric::new(
    "probe_http_last_modified_timestamp_seconds",
    "Unix time of the Last-Modified header of the final response.",
    [],
)
.when("when the final response has that header")
.unit(Unit::UnixTime);

/// The metrics of this prober, beside those of name resolution and TLS.
pub const METRICS: &[Description] = &[
    DURATION.describe(),
    STATUS_CODE.describe(),
    CONTENT_LENGTH.describe(),
    UNCOMPRESSED_BODY_LENGTH.describe(),
    REDIRECTS.describe(),
    SSL.describe(),
    VERSION.describe(),
    FAILED_DUE_TO_REGEX.describe(),
    FAILED_DUE_TO_CEL.describe(),
    LAST_MODIFIED.describe(),
];

/// What upstream shows of a TLS connection.
const TLS_OF_UPSTREAM: &[&str] = &[
    tls::EARLIEST_CERT_EXPIRY.name,
    tls::LAST_CHAIN_EXPIRY.name,
    tls::LAST_CHAIN_INFO.name,
    tls::VERSION_INFO.name,
    tls::CIPHER_INFO.name,
];

/// What was learned on the way.
#[derive(Debug, Default)]
pub struct HttpMeasurements {
    /// The lookup of the target's name.
    pub resolution: Option<Resolution>,
    /// Time by phase, summed over all hops.
    pub phases: Phases<HttpPhase>,
    /// What a proxy took beside the connection to it, summed over all hops.
    pub proxy: Phases<ProxyPhase>,
    /// What it took to have a token.
    pub oauth2: Phases<OAuth2Phase>,
    /// The requests that were made, the one under way included.
    pub hops: Vec<Hop>,
    /// Redirects that were seen, including one that was not followed.
    pub redirects: u32,
    /// The account of the latest hop's connection.
    pub clock: Option<WireClock>,
    /// What the TLS handshake of the latest hop taught; absent when that hop is plain HTTP.
    pub tls: Option<TlsSession>,
    /// The final response.
    pub response: Option<ResponseFacts>,
    /// Bytes of the body after decompression, as far as they were read.
    pub body_length: u64,
    /// The patterns over headers and body.
    pub patterns: CheckState,
    /// The expressions over the JSON body; absent when the module has none.
    pub json: Option<CheckState>,
    /// The request that is under way.
    pub(super) running: Option<Running>,
}

/// The final response's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Its status code.
    pub status: StatusCode,
    /// Its HTTP version.
    pub version: HttpVersion,
    /// The length of the body as it was announced, if it was.
    pub content_length: Option<u64>,
    /// Its `Last-Modified`, in Unix time, if that can be read.
    pub last_modified: Option<i64>,
    /// Whether it came over TLS.
    pub over_tls: bool,
}

/// How far a kind of check got. One that was begun and not passed has failed, also when the
/// deadline cut it off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckState {
    /// It was not reached, or there is nothing to check.
    #[default]
    NotReached,
    /// It was begun.
    Begun,
    /// It found nothing wrong.
    Passed,
}

/// The phases of `probe_http_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpPhase {
    /// Looking up names.
    Resolve,
    /// Making connections.
    Connect,
    /// TLS handshakes.
    Tls,
    /// From the request to the first byte of the response.
    Processing,
    /// From the first to the last byte of the final response.
    Transfer,
}

impl Phase for HttpPhase {
    fn label(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Processing => "processing",
            Self::Transfer => "transfer",
        }
    }
}

impl HttpMeasurements {
    /// Charges the lookup of the target's name to its phase, also when it failed.
    pub(super) fn note_resolution(&mut self) {
        if let Some(resolution) = &self.resolution {
            self.phases.add(HttpPhase::Resolve, resolution.lookup);
        }
    }

    /// Makes the phases known that a request has.
    pub(super) fn begin_phases(&mut self) {
        for phase in
            [HttpPhase::Connect, HttpPhase::Tls, HttpPhase::Processing, HttpPhase::Transfer]
        {
            self.phases.begin(phase);
        }
    }

    /// Notes the head of the final response, whose body is read next.
    pub(super) fn note_final(&mut self, response: &Response) {
        self.response = Some(ResponseFacts {
            status: response.status,
            version: response.version,
            content_length: response.content_length,
            last_modified: last_modified(&response.headers),
            over_tls: response.over_tls,
        });
        self.begin_transfer();
    }

    /// Notes that a request for `url` begins, which has no secrets in it.
    pub(super) fn begin_hop(&mut self, url: String) {
        let begun = (!self.hops.is_empty()).then(Instant::now);
        self.hops.push(Hop { begun, url: Some(url), answer: None, tls: None });
    }

    /// Notes what the request was answered with.
    pub(super) fn note_answer(&mut self, response: &Response) {
        if let Some(hop) = self.hops.last_mut() {
            hop.answer = Some(format!("{} {}", response.version, response.status.as_u16()));
        }
    }

    /// Notes that the request led elsewhere, where all is to be learned anew.
    pub(super) fn end_hop(&mut self) {
        self.settle_hop();
        let tls = self.tls.take();
        if let Some(hop) = self.hops.last_mut() {
            hop.tls = tls;
        }
        self.phases.begin(HttpPhase::Resolve);
    }

    /// Adds up what is known when the probe is over, or was cut off.
    pub(super) fn settle(&mut self) {
        if self.phases.spent(HttpPhase::Resolve).is_none() {
            self.note_resolution();
        }
        self.settle_hop();
    }
}

impl Measurements for HttpMeasurements {
    fn waited(&self) -> Duration {
        self.phases.total() + self.proxy.total() + self.oauth2.total()
    }

    fn findings(&mut self) -> Findings {
        if let Some(last) = self.hops.last_mut() {
            last.tls = self.tls.take();
        }
        let mut findings = Findings { hops: std::mem::take(&mut self.hops), spans: Vec::new() };
        findings.add_spans("", &self.phases);
        findings.add_spans("proxy", &self.proxy);
        findings.add_spans("oauth2", &self.oauth2);
        findings
    }
}

impl Export for HttpMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        if let Some(resolution) = &self.resolution {
            resolution.export(metrics);
        }
        self.phases.export(&DURATION, metrics);
        self.oauth2.export(&oauth2::DURATION, metrics);
        self.proxy.export(&proxy::DURATION, metrics);
        metrics.add(&REDIRECTS, [], self.redirects);
        metrics.add(&UNCOMPRESSED_BODY_LENGTH, [], approximate(self.body_length));
        metrics.add(&FAILED_DUE_TO_REGEX, [], u8::from(self.patterns.has_failed()));
        if let Some(json) = self.json {
            metrics.add(&FAILED_DUE_TO_CEL, [], u8::from(json.has_failed()));
        }
        if let Some(tls) = &self.tls {
            // Upstream shows those of the connection that the final response came over.
            let answered = self.response.is_some();
            tls.export_as(if answered { TLS_OF_UPSTREAM } else { &[] }, metrics);
        }
        if let Some(clock) = &self.clock {
            clock.export(metrics);
        }
        match &self.response {
            Some(response) => response.export(metrics),
            None => {
                for absent in [&STATUS_CODE, &CONTENT_LENGTH, &VERSION, &SSL] {
                    metrics.add(absent, [], 0);
                }
            }
        }
    }
}

impl Export for ResponseFacts {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&STATUS_CODE, [], self.status.as_u16());
        metrics.add(&CONTENT_LENGTH, [], self.content_length.map_or(-1.0, approximate));
        metrics.add(&VERSION, [], self.version.number());
        metrics.add(&SSL, [], u8::from(self.over_tls));
        if let Some(time) = self.last_modified {
            metrics.add(&LAST_MODIFIED, [], seconds(time));
        }
    }
}

impl CheckState {
    /// Whether the check failed, or was cut off.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self == Self::Begun
    }
}

/// The time of the `Last-Modified` header, in one of the three forms that RFC 9110 knows. As in Go,
/// the day of the week need not be the right one.
fn last_modified(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(header::LAST_MODIFIED)?.to_str().ok()?;
    let (_, rest) = text.split_once(' ')?;
    let time = rest
        .strip_suffix(" GMT")
        .and_then(|rest| {
            NaiveDateTime::parse_from_str(rest, "%d %b %Y %H:%M:%S")
                .or_else(|_| NaiveDateTime::parse_from_str(rest, "%d-%b-%y %H:%M:%S"))
                .ok()
        })
        .or_else(|| NaiveDateTime::parse_from_str(rest, "%b %e %H:%M:%S %Y").ok())?;
    Some(time.and_utc().timestamp())
}

/// A count as a sample's value.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "as all samples are")]
fn approximate(count: u64) -> f64 {
    count as f64
}

/// Unix time as a sample's value.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "below 2^53 until year 10000"
)]
fn seconds(time: i64) -> f64 {
    time as f64
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn names(seen: &HttpMeasurements) -> Vec<String> {
        let mut metrics = MetricSet::default();
        seen.export(&mut metrics);
        let text = metrics.render();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn without_a_response_there_are_zeros() {
        assert_eq!(
            names(&HttpMeasurements::default()),
            [
                "probe_failed_due_to_regex 0",
                "probe_http_content_length 0",
                "probe_http_redirects 0",
                "probe_http_ssl 0",
                "probe_http_status_code 0",
                "probe_http_uncompressed_body_length 0",
                "probe_http_version 0",
            ]
        );
    }

    #[test]
    fn everything_that_is_known_is_shown() {
        let mut seen = HttpMeasurements {
            redirects: 2,
            response: Some(ResponseFacts {
                status: StatusCode::OK,
                version: HttpVersion { major: 1, minor: 1 },
                content_length: None,
                last_modified: Some(1_445_412_480),
                over_tls: true,
            }),
            body_length: 12,
            patterns: CheckState::Begun,
            json: Some(CheckState::Passed),
            ..HttpMeasurements::default()
        };
        seen.phases.begin(HttpPhase::Transfer);
        assert_eq!(
            names(&seen),
            [
                "probe_failed_due_to_cel 0",
                "probe_failed_due_to_regex 1",
                "probe_http_content_length -1",
                "probe_http_duration_seconds{phase=\"transfer\"} 0",
                "probe_http_last_modified_timestamp_seconds 1.44541248e+09",
                "probe_http_redirects 2",
                "probe_http_ssl 1",
                "probe_http_status_code 200",
                "probe_http_uncompressed_body_length 12",
                "probe_http_version 1.1",
            ]
        );
    }

    #[test]
    fn last_modified_has_three_forms() {
        for (text, expected) in [
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(1_445_412_480)),
            ("Mon, 21 Oct 2015 07:28:00 GMT", Some(1_445_412_480)),
            ("Wednesday, 21-Oct-15 07:28:00 GMT", Some(1_445_412_480)),
            ("Wed Oct 21 07:28:00 2015", Some(1_445_412_480)),
            ("Thu Oct  1 07:28:00 2015", Some(1_443_684_480)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("21 Oct 2015 07:28:00 GMT", None),
            ("Wed, 21 Oct 2015 07:28:00 CEST", None),
            ("yesterday", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LAST_MODIFIED, HeaderValue::from_str(text).unwrap());
            assert_eq!(last_modified(&headers), expected, "{text}");
        }
    }

    #[test]
    fn every_metric_of_the_list_is_named_once() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
