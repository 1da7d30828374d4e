//! The measurements of an http probe.

use std::time::Duration;

use chrono::NaiveDateTime;
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::{
    diagnostics::Phases,
    net::{
        connect::ConnectionMeasurements,
        http::{exchange::Response, timing::ExchangeTiming, version::HttpVersion},
        oauth2::OAuth2Phase,
        proxy::ProxyPhase,
        tls::StoredSession,
    },
    probers::{
        Findings, Hop, Measurements,
        http::{phases::HttpPhase, timing::HopTiming},
    },
};

/// The measurements of an http probe.
#[derive(Debug, Default)]
pub struct HttpMeasurements {
    /// The lookup of the target's name, the connection of the latest hop, and the time by phase,
    /// summed over all hops.
    pub connection: ConnectionMeasurements<HttpPhase>,
    /// Time that a proxy took besides the connection to it, summed over all hops.
    pub proxy: Phases<ProxyPhase>,
    /// Time to get a token.
    pub oauth2: Phases<OAuth2Phase>,
    /// The requests that were made, including the current one.
    pub hops: Vec<Hop>,
    /// Number of redirects that were received, including one that was not followed.
    pub redirects: u32,
    /// The final response.
    pub response: Option<ResponseFacts>,
    /// Number of bytes of the body after decompression that were read.
    pub body_length: u64,
    /// The checks of headers and body by regular expressions.
    pub patterns: CheckState,
    /// The checks of the JSON body by CEL expressions; absent if the module has none.
    pub json: Option<CheckState>,
    /// The times of the current hop, until they are in `phases`.
    pub(super) timing: Option<HopTiming>,
}

/// The facts of the final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseFacts {
    /// Its status code.
    pub status: StatusCode,
    /// Its HTTP version.
    pub version: HttpVersion,
    /// The length of the body, if it is known.
    pub content_length: Option<u64>,
    /// Its `Last-Modified` in Unix time, if that is valid.
    pub last_modified: Option<i64>,
    /// True if it came over TLS.
    pub over_tls: bool,
}

/// The state of a kind of check. A check that was begun and not passed has failed, also if the probe
/// was cancelled at its deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CheckState {
    /// The check was not reached, or there is nothing to check.
    #[default]
    NotReached,
    /// The check was begun.
    Begun,
    /// The check succeeded.
    Passed,
}

impl HttpMeasurements {
    /// Begins the phases that every request has.
    pub(super) fn begin_phases(&mut self) {
        for phase in
            [HttpPhase::Connect, HttpPhase::Tls, HttpPhase::Processing, HttpPhase::Transfer]
        {
            self.connection.phases.begin(phase);
        }
    }

    /// Notes the final response, whose body is read next.
    pub(super) fn note_final(&mut self, response: &Response, over_tls: bool) {
        self.response = Some(ResponseFacts {
            status: response.status,
            version: response.version,
            content_length: response.content_length,
            last_modified: last_modified(&response.headers),
            over_tls,
        });
        if let Some(timing) = &mut self.timing {
            timing.begin_transfer();
        }
    }

    /// Notes that a hop to `url` begins. The URL must not contain secrets.
    pub(super) fn begin_hop(&mut self, url: String) {
        let started_at = (!self.hops.is_empty()).then(Instant::now);
        if self.hops.is_empty() {
            // Most probes have one hop; the vector would reserve memory for four.
            self.hops.reserve_exact(1);
        }
        let hop = Hop { started_at, url: Some(url), response: None, location: None, tls: None };
        self.hops.push(hop);
    }

    /// Notes that the request of the current hop is sent next.
    pub(super) fn begin_exchange(&mut self, timing: ExchangeTiming) {
        self.timing = Some(HopTiming::new(timing));
    }

    /// Notes the head of a response.
    pub(super) fn note_response(&mut self, response: &Response) {
        if let Some(timing) = &mut self.timing {
            timing.note_head(response.ends_with_connection(), &mut self.connection.phases);
        }
        if let Some(hop) = self.hops.last_mut() {
            hop.response = Some(format!("{} {}", response.version, response.status.as_u16()));
        }
    }

    /// Notes that the body of the final response has arrived, or that no more of it is read.
    pub(super) fn end_transfer(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.end_transfer();
        }
    }

    /// Notes that the body of the final response is incomplete.
    pub(super) fn break_transfer(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.break_transfer();
        }
    }

    /// Describes the wait for the head of the response.
    pub(super) fn describe_wait(&self) -> String {
        self.timing.as_ref().map(HopTiming::describe_wait).unwrap_or_default()
    }

    /// Notes that the current hop is over, because its response is a redirect to `location`.
    pub(super) fn end_hop(&mut self, location: String) {
        self.settle_hop();
        let tls = self.connection.tls.take();
        if let Some(hop) = self.hops.last_mut() {
            hop.tls = tls.map(StoredSession::from);
            hop.location = Some(location);
        }
        self.connection.phases.begin(HttpPhase::Resolve);
    }

    /// Adds the times of the current hop, if they are not in the phases yet.
    fn settle_hop(&mut self) {
        if let Some(timing) = self.timing.take() {
            timing.settle(&mut self.connection.phases);
        }
    }

    /// Adds the remaining times when the probe is over, or was cancelled.
    pub(super) fn settle(&mut self) {
        self.settle_hop();
    }
}

impl Measurements for HttpMeasurements {
    fn waited(&self) -> Duration {
        self.connection.phases.total() + self.proxy.total() + self.oauth2.total()
    }

    fn findings(&mut self) -> Findings {
        if let Some(last) = self.hops.last_mut() {
            last.tls = self.connection.tls.take().map(StoredSession::from);
        }
        let mut findings = Findings { hops: std::mem::take(&mut self.hops), spans: Vec::new() };
        findings.add_spans("", &self.connection.phases);
        findings.add_spans("proxy", &self.proxy);
        findings.add_spans("oauth2", &self.oauth2);
        findings
    }
}

impl CheckState {
    /// Returns whether the check failed, or was cancelled.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self == Self::Begun
    }
}

/// Parses the `Last-Modified` header, in one of the three forms of RFC 9110. As in Go, the day of the
/// week may be wrong.
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

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

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
}
