//! The hops of a probe: its exchanges with peers, and their phases.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    compact,
    diagnostics::{Part, PartKind, attempts::Attempt},
    net::tls::StoredSession,
    probers::{Findings, Hop},
    settings::redact::Redacted,
};

/// One exchange with one peer. Times are relative to the start of the probe.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HopReport {
    /// The requested URL; absent for probers without URLs.
    pub url: Option<String>,
    /// The address of the last connection attempt; absent if no address was known.
    pub address: Option<String>,
    /// Start of the exchange.
    pub start: Duration,
    /// The response in a few words.
    pub response: Option<String>,
    /// Excerpts of the response, or of the dialogue. Empty if the probe succeeded, unless the client has
    /// asked for them.
    pub transcript: Vec<Part>,
    /// The TLS session, if TLS was used.
    pub tls: Option<StoredSession>,
    /// The phases, ordered by their start.
    pub phases: Vec<PhaseReport>,
}

/// A phase of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// `proxy` or `oauth2` for phases spent there; empty for those of the target.
    #[serde(with = "compact::name")]
    pub group: compact::StaticStr,
    /// Name of the phase, as in metrics.
    #[serde(with = "compact::name")]
    pub name: compact::StaticStr,
    /// Start of the phase, relative to the start of the probe.
    pub start: Duration,
    /// Duration of the phase.
    pub length: Duration,
    /// True if the phase did not complete, for example because of a timeout.
    pub incomplete: bool,
}

/// The kind of a phase. Pages and the command line have one colour for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// Name resolution.
    Resolve,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Waiting for a response.
    Wait,
    /// The transfer of a body.
    Transfer,
    /// A phase at a proxy or a token server.
    Aside,
}

/// Builds the hops of a probe that started at `start`. There is always at least one. The `transcript`, if
/// there is one, belongs to the last hop.
pub(in crate::probe) fn hops(
    findings: Findings,
    attempts: Vec<Attempt>,
    start: Instant,
    transcript: Option<Vec<Part>>,
) -> Vec<HopReport> {
    let Findings { mut hops, spans } = findings;
    if hops.is_empty() {
        hops.push(Hop { started_at: None, url: None, response: None, location: None, tls: None });
    }
    let since = |at: Instant| at.saturating_duration_since(start);
    let mut reports: Vec<_> = hops
        .into_iter()
        .map(|Hop { started_at, url, response, location, tls }| {
            let start = started_at.map(since).unwrap_or_default();
            let location = location.filter(|_| transcript.is_some());
            let transcript = location.map(|to| redirect(response.as_deref(), &to));
            let transcript = transcript.unwrap_or_default();
            HopReport { url, address: None, start, response, transcript, tls, phases: Vec::new() }
        })
        .collect();
    if let (Some(last), Some(transcript)) = (reports.last_mut(), transcript) {
        last.transcript = transcript;
    }
    for Attempt { at, peer } in attempts.into_iter().rev() {
        if let Some(hop) = hop_at(&mut reports, since(at)) {
            hop.address.get_or_insert_with(|| peer.to_string());
        }
    }
    // An incomplete phase without duration contains no information.
    for span in spans.into_iter().filter(|it| !it.span.incomplete || !it.span.time.is_zero()) {
        let start = since(span.span.begun);
        if let Some(hop) = hop_at(&mut reports, start) {
            hop.phases.push(PhaseReport {
                group: span.group,
                name: span.span.phase,
                start,
                length: span.span.time,
                incomplete: span.span.incomplete,
            });
        }
    }
    for hop in &mut reports {
        hop.phases.sort_by_key(|phase| phase.start);
    }
    reports
}

/// Returns the excerpts of a redirect to `location`.
fn redirect(response: Option<&str>, location: &str) -> Vec<Part> {
    let header = format!("location: {}\n", Redacted(location));
    let head = response.map(|line| Part::of(PartKind::StatusLine, line.as_bytes()));
    head.into_iter().chain([Part::of(PartKind::Headers, header.as_bytes())]).collect()
}

/// Names the phase that took most of the time of a probe that timed out after `duration`, as the end
/// of a message. Empty if no phase took more than half, or if that phase itself timed out.
pub(in crate::probe) fn longest_phase(hops: &[HopReport], duration: Duration) -> String {
    let phases = || hops.iter().flat_map(|hop| &hop.phases);
    let Some(longest) = phases().max_by_key(|phase| phase.length) else { return String::new() };
    let was_cut_off = longest.start + longest.length + duration / 20 > duration;
    if longest.length < duration / 2 || was_cut_off {
        return String::new();
    }
    format!("; {} took {:.3} s", longest.label(), longest.length.as_secs_f64())
}

/// Returns the hop that was running at `time`.
fn hop_at(hops: &mut [HopReport], time: Duration) -> Option<&mut HopReport> {
    let index = hops.iter().rposition(|hop| hop.start <= time)?;
    hops.get_mut(index)
}

impl HopReport {
    /// Returns the hop without certificates and transcript.
    pub(in crate::probe) fn abridged(&self) -> Self {
        let Self { url, address, start, response, tls, phases, .. } = self;
        let tls = tls.as_ref().map(|tls| StoredSession { sent: Vec::new(), ..tls.clone() });
        Self {
            url: url.clone(),
            address: address.clone(),
            start: *start,
            response: response.clone(),
            transcript: Vec::new(),
            tls,
            phases: phases.clone(),
        }
    }
}

impl PhaseReport {
    /// The kind of the phase.
    #[must_use]
    pub fn kind(&self) -> PhaseKind {
        match (self.group, self.name) {
            ("", "resolve") => PhaseKind::Resolve,
            ("", "connect" | "setup") => PhaseKind::Connect,
            ("", "tls") => PhaseKind::Tls,
            ("", "transfer") => PhaseKind::Transfer,
            ("", _) => PhaseKind::Wait,
            _ => PhaseKind::Aside,
        }
    }

    /// The name for display: group and name.
    #[must_use]
    pub fn label(&self) -> String {
        [self.group, self.name].join(" ").trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Span, attempts::Peer},
        probers::GroupedSpan,
    };

    #[test]
    fn phases_and_addresses_belong_to_the_hop_that_was_running() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let hop = |started_at, url: &str| Hop {
            started_at,
            url: Some(url.to_owned()),
            response: None,
            location: None,
            tls: None,
        };
        let span = |phase, begun| GroupedSpan {
            group: "",
            span: Span { phase, begun, time: Duration::from_millis(5), incomplete: false },
        };
        let findings = Findings {
            hops: vec![hop(None, "http://a/"), hop(Some(at(20)), "http://b/")],
            spans: vec![
                span("processing", at(10)),
                span("connect", at(5)),
                span("connect", at(20)),
            ],
        };
        let attempt = |time, name: &str| Attempt { at: time, peer: Peer::Local(name.to_owned()) };
        let attempts = vec![
            attempt(at(5), "[::1]:80"),
            attempt(at(6), "127.0.0.1:80"),
            attempt(at(21), "c:80"),
        ];
        let hops = hops(findings, attempts, start, None);
        let addresses: Vec<_> = hops.iter().map(|hop| hop.address.as_deref()).collect();
        assert_eq!(addresses, [Some("127.0.0.1:80"), Some("c:80")]);
        let phases =
            |hop: &HopReport| hop.phases.iter().map(PhaseReport::label).collect::<Vec<_>>();
        assert_eq!(phases(&hops[0]), ["connect", "processing"]);
        assert_eq!(phases(&hops[1]), ["connect"]);
        assert_eq!(hops[1].phases[0].start, Duration::from_millis(20));
    }

    #[test]
    fn the_longest_phase_is_named_unless_it_timed_out() {
        let phase = |name, start, length| PhaseReport {
            group: "",
            name,
            start: Duration::from_millis(start),
            length: Duration::from_millis(length),
            incomplete: false,
        };
        let text = |phases| {
            let mut hops = hops(Findings::default(), Vec::new(), Instant::now(), None);
            hops[0].phases = phases;
            longest_phase(&hops, Duration::from_secs(5))
        };
        let slow = phase("resolve", 0, 4600);
        assert_eq!(text(vec![slow, phase("connect", 4600, 400)]), "; resolve took 4.600 s");
        assert_eq!(text(vec![phase("resolve", 0, 2000), phase("connect", 2000, 3000)]), "");
        assert_eq!(text(vec![phase("resolve", 0, 2000), phase("tls", 2000, 2000)]), "");
        assert_eq!(text(Vec::new()), "");
    }

    #[test]
    fn redirects_are_shown_if_the_response_is() {
        let hops_with = |transcript| {
            let redirect = Hop {
                started_at: None,
                url: None,
                response: Some("HTTP/1.1 302".to_owned()),
                location: Some("/next?token=a".to_owned()),
                tls: None,
            };
            let last =
                Hop { started_at: None, url: None, response: None, location: None, tls: None };
            let findings = Findings { hops: vec![redirect, last], spans: Vec::new() };
            hops(findings, Vec::new(), Instant::now(), transcript)
        };
        let part = Part::of(PartKind::Body, b"body");
        let shown = hops_with(Some(vec![part.clone()]));
        let texts: Vec<_> = shown[0].transcript.iter().map(|part| &*part.text).collect();
        assert_eq!(texts, ["HTTP/1.1 302", "location: /next?token=xxxxx\n"]);
        assert_eq!(shown[1].transcript, [part]);
        assert!(shown.iter().all(|hop| hop.abridged().transcript.is_empty()));
        assert!(hops_with(None).iter().all(|hop| hop.transcript.is_empty()));
    }

    #[test]
    fn there_is_at_least_one_hop() {
        assert_eq!(hops(Findings::default(), Vec::new(), Instant::now(), None).len(), 1);
    }
}
