//! Metrics of the connections to the exporter.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Metrics of the connections of clients.
#[derive(Debug, Clone)]
pub(in crate::server) struct ConnectionMetrics {
    open: IntGauge,
    closed: IntCounter,
    refused: IntCounter,
    errors: IntCounterVec,
}

/// Error of a client that is not counted as a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum ClientError {
    /// The TLS handshake failed.
    TlsHandshake,
    /// The client sent something that is not an HTTP request.
    BadRequest,
}

impl ClientError {
    fn label(self) -> &'static str {
        match self {
            Self::TlsHandshake => "tls_handshake",
            Self::BadRequest => "bad_request",
        }
    }
}

impl ConnectionMetrics {
    pub(in crate::server) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let dropped = Opts::new(
            "probe_exporter_connections_dropped_total",
            "Number of connections that were closed because there were too many, by cause: idle for \
             the longest time (idle), or one client had too many (client_limit).",
        );
        let errors = Opts::new(
            "probe_exporter_client_errors_total",
            "Number of connections that ended with an error of the client, by cause (tls_handshake, \
             bad_request).",
        );
        let open = IntGauge::new("probe_exporter_connections", "Number of open connections.")?;
        let dropped = IntCounterVec::new(dropped, &["cause"])?;
        let errors = IntCounterVec::new(errors, &["cause"])?;
        for error in [ClientError::TlsHandshake, ClientError::BadRequest] {
            errors.with_label_values(&[error.label()]);
        }
        let [closed, refused] =
            ["idle", "client_limit"].map(|cause| dropped.with_label_values(&[cause]));
        registry.register(Box::new(open.clone()))?;
        registry.register(Box::new(dropped))?;
        registry.register(Box::new(errors.clone()))?;
        Ok(Self { open, closed, refused, errors })
    }

    pub(in crate::server) fn set_open(&self, open: usize) {
        self.open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Counts an idle connection that was closed.
    pub(in crate::server) fn count_closed(&self) {
        self.closed.inc();
    }

    /// Counts a connection that was closed at once, because its client had too many.
    pub(in crate::server) fn count_refused(&self) {
        self.refused.inc();
    }

    pub(in crate::server) fn count_error(&self, error: ClientError) {
        self.errors.with_label_values(&[error.label()]).inc();
    }
}
