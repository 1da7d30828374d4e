//! What the http prober learns.

use std::time::Duration;

use chrono::NaiveDateTime;
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::{
    diagnostics::{Phase, Phases},
    net::{
        http::version::HttpVersion, oauth2::OAuth2Phase, proxy::ProxyPhase, resolve::Resolution,
        tls::TlsSession, wire::WireClock,
    },
    probers::{
        Findings, Hop, Measurements,
        http::{exchange::Response, timing::Running},
    },
};

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

    fn needs_completion(self) -> bool {
        matches!(self, Self::Connect | Self::Tls | Self::Processing)
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
    pub(super) fn note_final(&mut self, response: &Response, over_tls: bool) {
        self.response = Some(ResponseFacts {
            status: response.status,
            version: response.version,
            content_length: response.content_length,
            last_modified: last_modified(&response.headers),
            over_tls,
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
