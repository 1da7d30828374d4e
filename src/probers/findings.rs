//! What a probe learned, in the form that people and programs read rather than rules: the same for
//! every prober.

use tokio::time::Instant;

use crate::{
    diagnostics::{Phase, Phases, Span},
    net::tls::TlsSession,
};

/// What a prober tells beside its metrics.
#[derive(Debug, Default)]
pub struct Findings {
    /// The exchanges that it made, in order: one, or with redirects more.
    pub hops: Vec<Hop>,
    /// Where its time went, in the order in which that ended.
    pub spans: Vec<GroupedSpan>,
}

/// One exchange with one peer.
#[derive(Debug)]
pub struct Hop {
    /// When it began; absent means with the probe.
    pub begun: Option<Instant>,
    /// The URL that was asked for; absent where the target says it all.
    pub url: Option<String>,
    /// What came back, in a few words such as `HTTP/1.1 200`.
    pub answer: Option<String>,
    /// What TLS taught, if it was spoken.
    pub tls: Option<TlsSession>,
}

/// A stretch of a probe's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupedSpan {
    /// What it was spent on beside the target: `proxy`, `oauth2`; or else empty.
    pub group: &'static str,
    /// The phase and its time.
    pub span: Span,
}

impl Findings {
    /// Those of a prober that makes one exchange.
    #[must_use]
    pub fn of_exchange(
        phases: &Phases<impl Phase>,
        tls: Option<TlsSession>,
        answer: Option<String>,
    ) -> Self {
        let hop = Hop { begun: None, url: None, answer, tls };
        let mut findings = Self { hops: vec![hop], spans: Vec::new() };
        findings.add_spans("", phases);
        findings
    }

    /// Adds where the time of a group went.
    pub fn add_spans(&mut self, group: &'static str, phases: &Phases<impl Phase>) {
        self.spans.extend(phases.spans().map(|span| GroupedSpan { group, span }));
    }
}
