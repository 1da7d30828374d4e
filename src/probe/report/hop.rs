//! The exchanges of a probe, with where their time went.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    diagnostics::attempts::Attempt,
    net::tls::TlsSession,
    probers::{Findings, Hop},
};

/// One exchange with one peer. All times are since the probe began.
#[derive(Debug, Clone)]
pub struct HopReport {
    /// The URL that was asked for; absent where the target says it all.
    pub url: Option<String>,
    /// The address that was turned to last; absent where none was known.
    pub address: Option<String>,
    /// When it began.
    pub start: Duration,
    /// What came back, in a few words.
    pub answer: Option<String>,
    /// What TLS taught, if it was spoken.
    pub tls: Option<TlsSession>,
    /// Where its time went, in the order in which that began.
    pub phases: Vec<PhaseReport>,
}

/// A stretch of a probe's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseReport {
    /// What it was spent on beside the target: `proxy`, `oauth2`; or else empty.
    pub group: &'static str,
    /// The name of the phase, as metrics have it.
    pub name: &'static str,
    /// When it began, since the probe did.
    pub start: Duration,
    /// How long it took.
    pub length: Duration,
    /// Whether it was waited for what never came.
    pub incomplete: bool,
}

/// Puts together what a probe that began at `start` tells of its exchanges. There is one at least.
pub(in crate::probe) fn hops(
    findings: Findings,
    attempts: Vec<Attempt>,
    start: Instant,
) -> Vec<HopReport> {
    let Findings { mut hops, spans } = findings;
    if hops.is_empty() {
        hops.push(Hop { begun: None, url: None, answer: None, tls: None });
    }
    let since = |at: Instant| at.saturating_duration_since(start);
    let mut reports: Vec<_> = hops
        .into_iter()
        .map(|Hop { begun, url, answer, tls }| {
            let start = begun.map(since).unwrap_or_default();
            HopReport { url, address: None, start, answer, tls, phases: Vec::new() }
        })
        .collect();
    for Attempt { at, peer } in attempts.into_iter().rev() {
        if let Some(hop) = hop_at(&mut reports, since(at)) {
            hop.address.get_or_insert_with(|| peer.to_string());
        }
    }
    // Where nothing was waited for in vain, there is nothing to tell.
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

/// Which phase took most of the time of a probe that was cut off after `duration`, as the end of a
/// sentence; empty where none took more than half, or where it is the one that was cut off.
pub(in crate::probe) fn where_time_went(hops: &[HopReport], duration: Duration) -> String {
    let phases = || hops.iter().flat_map(|hop| &hop.phases);
    let Some(longest) = phases().max_by_key(|phase| phase.length) else { return String::new() };
    let was_cut_off = longest.start + longest.length + duration / 20 > duration;
    if longest.length < duration / 2 || was_cut_off {
        return String::new();
    }
    format!("; {} took {:.3} s of it", longest.label(), longest.length.as_secs_f64())
}

/// The exchange that was under way at `time`.
fn hop_at(hops: &mut [HopReport], time: Duration) -> Option<&mut HopReport> {
    let index = hops.iter().rposition(|hop| hop.start <= time)?;
    hops.get_mut(index)
}

impl HopReport {
    /// About how many bytes it takes to keep. Certificates count in full, also where others keep
    /// them too.
    pub(super) fn weight(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let certificates = self.tls.iter().flat_map(|tls| &tls.peer_chain);
        size_of::<Self>()
            + length(&self.url)
            + length(&self.address)
            + length(&self.answer)
            + self.phases.len() * size_of::<PhaseReport>()
            + certificates.map(|certificate| 2 * certificate.der().len()).sum::<usize>()
    }
}

impl PhaseReport {
    /// Its name for people, with the group before it.
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
    fn times_and_addresses_belong_to_the_exchange_that_was_under_way() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let hop =
            |begun, url: &str| Hop { begun, url: Some(url.to_owned()), answer: None, tls: None };
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
        let hops = hops(findings, attempts, start);
        let addresses: Vec<_> = hops.iter().map(|hop| hop.address.as_deref()).collect();
        assert_eq!(addresses, [Some("127.0.0.1:80"), Some("c:80")]);
        let phases =
            |hop: &HopReport| hop.phases.iter().map(PhaseReport::label).collect::<Vec<_>>();
        assert_eq!(phases(&hops[0]), ["connect", "processing"]);
        assert_eq!(phases(&hops[1]), ["connect"]);
        assert_eq!(hops[1].phases[0].start, Duration::from_millis(20));
    }

    #[test]
    fn what_took_most_of_the_time_is_named_unless_it_was_cut_off() {
        let phase = |name, start, length| PhaseReport {
            group: "",
            name,
            start: Duration::from_millis(start),
            length: Duration::from_millis(length),
            incomplete: false,
        };
        let told = |phases| {
            let mut hops = hops(Findings::default(), Vec::new(), Instant::now());
            hops[0].phases = phases;
            where_time_went(&hops, Duration::from_secs(5))
        };
        let slow = phase("resolve", 0, 4600);
        assert_eq!(told(vec![slow, phase("connect", 4600, 400)]), "; resolve took 4.600 s of it");
        assert_eq!(told(vec![phase("resolve", 0, 2000), phase("connect", 2000, 3000)]), "");
        assert_eq!(told(vec![phase("resolve", 0, 2000), phase("tls", 2000, 2000)]), "");
        assert_eq!(told(Vec::new()), "");
    }

    #[test]
    fn there_is_one_exchange_at_least() {
        assert_eq!(hops(Findings::default(), Vec::new(), Instant::now()).len(), 1);
    }
}
