//! The phases of an http probe.

use crate::{diagnostics::Phase, net::connect::ConnectPhase};

/// The phases of `probe_http_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpPhase {
    /// Resolving names.
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

impl ConnectPhase for HttpPhase {
    const RESOLVE: Self = Self::Resolve;
    const CONNECT: Self = Self::Connect;
    const TLS: Self = Self::Tls;
}
