//! The results of a probe for reports (text, JSON and HTML). The types are the same for every
//! prober.

use tokio::time::Instant;

use crate::{
    diagnostics::{Phase, Phases, Span},
    net::tls::{StoredSession, TlsSession},
};

/// The results of a probe that are not metrics.
#[derive(Debug, Default)]
pub struct Findings {
    /// The exchanges in order. There are several if redirects were followed.
    pub hops: Vec<Hop>,
    /// The duration of each phase, in the order in which the phases ended.
    pub spans: Vec<GroupedSpan>,
}

/// One exchange with one server.
#[derive(Debug)]
pub struct Hop {
    /// Start of the exchange. `None` means the start of the probe.
    pub started_at: Option<Instant>,
    /// URL of the request. `None` if the target is enough to identify it.
    pub url: Option<String>,
    /// Summary of the response, for example `HTTP/1.1 200`.
    pub response: Option<String>,
    /// The URL of a redirect that was followed, as the response contains it.
    pub location: Option<String>,
    /// The TLS session, if TLS was used.
    pub tls: Option<StoredSession>,
}

/// One phase of a probe with its duration and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupedSpan {
    /// `proxy` or `oauth2`. Empty for the exchange with the target.
    pub group: &'static str,
    /// The phase and its duration.
    pub span: Span,
}

impl Findings {
    /// Creates the findings of a probe with one exchange.
    #[must_use]
    pub fn of_exchange(
        phases: &Phases<impl Phase>,
        tls: Option<TlsSession>,
        response: Option<String>,
    ) -> Self {
        let tls = tls.map(StoredSession::from);
        let hop = Hop { started_at: None, url: None, response, location: None, tls };
        let mut findings = Self { hops: vec![hop], spans: Vec::new() };
        findings.add_spans("", phases);
        findings
    }

    /// Adds the phases of a group.
    pub fn add_spans(&mut self, group: &'static str, phases: &Phases<impl Phase>) {
        self.spans.extend(phases.spans().map(|span| GroupedSpan { group, span }));
    }
}
