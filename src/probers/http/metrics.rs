//! The metrics of the http prober.

use crate::{
    metrics::{Description, Export, Metric, MetricSet, Unit},
    net::{oauth2, proxy, tls},
    probers::http::measurements::{HttpMeasurements, ResponseFacts},
};

const DURATION: Metric<1> = Metric::new(
    "probe_http_duration_seconds",
    "Duration of the http probe by phase, in seconds, summed over all redirects; a phase that did not \
     finish, as after a timeout, counts 0.",
    ["phase"],
)
.when("resolve if a name lookup was started; the other phases unless the probe failed before the first request")
.unit(Unit::Seconds)
.labels_mean([
    "resolve, connect, tls, processing (until the first byte), transfer (from the first \
     to the last byte)",
]);
const STATUS_CODE: Metric = Metric::new(
    "probe_http_status_code",
    "Status code of the final response; 0 without a response.",
    [],
)
.when("always");
const CONTENT_LENGTH: Metric = Metric::new(
    "probe_http_content_length",
    "Content-Length of the final response, in bytes; -1 if it is unknown, 0 without a response.",
    [],
)
.when("always")
.unit(Unit::Bytes);
const UNCOMPRESSED_BODY_LENGTH: Metric = Metric::new(
    "probe_http_uncompressed_body_length",
    "Number of bytes of the body that were read, after decompression.",
    [],
)
.when("always")
.unit(Unit::Bytes);
const REDIRECTS: Metric =
    Metric::new("probe_http_redirects", "Number of redirects.", []).when("always");
const SSL: Metric = Metric::new(
    "probe_http_ssl",
    "1 if the final response was received over TLS, 0 otherwise.",
    [],
)
.when("always");
const VERSION: Metric = Metric::new(
    "probe_http_version",
    "HTTP version of the final response; 0 without a response.",
    [],
)
.when("always");
const FAILED_DUE_TO_REGEX: Metric = Metric::new(
    "probe_failed_due_to_regex",
    "1 if a pattern for the headers or the body failed the probe, 0 otherwise.",
    [],
)
.when("always");
const FAILED_DUE_TO_CEL: Metric = Metric::new(
    "probe_failed_due_to_cel",
    "1 if a CEL expression over the JSON body failed the probe, 0 otherwise.",
    [],
)
.when("if the module has such an expression");
const LAST_MODIFIED: Metric = Metric::new(
    "probe_http_last_modified_timestamp_seconds",
    "Unix time of the Last-Modified header of the final response, in seconds.",
    [],
)
.when("if the final response has this header")
.unit(Unit::UnixTime);

/// The metrics of this prober, besides those of name resolution and TLS.
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

/// Metrics of a TLS connection that upstream has.
const TLS_OF_UPSTREAM: &[&str] = &[
    tls::EARLIEST_CERT_EXPIRY.name,
    tls::LAST_CHAIN_EXPIRY.name,
    tls::LAST_CHAIN_INFO.name,
    tls::VERSION_INFO.name,
    tls::CIPHER_INFO.name,
];

impl Export for HttpMeasurements {
    fn export(&self, metrics: &mut MetricSet) {
        // Upstream shows those of the connection that the final response came over.
        let answered = self.response.is_some();
        self.connection.export(if answered { TLS_OF_UPSTREAM } else { &[] }, metrics);
        self.connection.phases.export(&DURATION, metrics);
        self.oauth2.export(&oauth2::DURATION, metrics);
        self.proxy.export(&proxy::DURATION, metrics);
        metrics.add(&REDIRECTS, [], self.redirects);
        metrics.add(&UNCOMPRESSED_BODY_LENGTH, [], approximate(self.body_length));
        metrics.add(&FAILED_DUE_TO_REGEX, [], u8::from(self.patterns.has_failed()));
        if let Some(json) = self.json {
            metrics.add(&FAILED_DUE_TO_CEL, [], u8::from(json.has_failed()));
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
    use http::StatusCode;

    use super::*;
    use crate::probers::http::{HttpVersion, measurements::CheckState, phases::HttpPhase};

    fn names(measurements: &HttpMeasurements) -> Vec<String> {
        let mut metrics = MetricSet::default();
        measurements.export(&mut metrics);
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
        let mut measurements = HttpMeasurements {
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
        measurements.connection.phases.begin(HttpPhase::Transfer);
        assert_eq!(
            names(&measurements),
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
    fn every_metric_of_the_list_is_named_once() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
