//! Why a QUIC connection is over.

use std::io;

use crate::{
    evidence::{Call, Failure, Reason, Stage},
    net::{
        dial,
        quic::{Broken, QuicConnection},
        tls::TlsSession,
        wire::Undelivered,
    },
};

/// What the transport itself may end a connection with (RFC 9000, section 20.1).
const NO_ERROR: u64 = 0;
const INTERNAL_ERROR: u64 = 1;
const CONNECTION_REFUSED: u64 = 2;

impl QuicConnection {
    /// How far the connection came.
    fn stage(&self) -> Stage {
        match self.arrival() {
            _ if self.engine.is_established() => Stage::Response,
            Some(_) => Stage::Tls,
            None => Stage::Connect,
        }
    }

    /// The failure of a system call; `doing` says what was tried, without the address.
    pub(super) fn trouble(&self, doing: &str, error: &io::Error) -> Failure {
        let address = self.addresses.from;
        dial::failure(Call::Exchange, address, &format!("{doing} {address}"), error)
            .in_stage(self.stage())
    }

    /// The failure of a datagram that was not delivered.
    pub(super) fn undelivered(&self, undelivered: &Undelivered) -> Failure {
        let peer = self.addresses.from;
        let doing = format!("sending to {peer}");
        self.socket.failure(undelivered, self.stage(), &doing, peer.ip())
    }

    /// Why the connection is over, if it is; `seen` is what TLS has seen so far while it shakes
    /// hands.
    #[must_use]
    pub(super) fn ending(&self, seen: Option<&TlsSession>) -> Failure {
        let complaint = self.broken.as_ref().and_then(|broken| broken.complaint.as_deref());
        // Whoever is past the handshake has seen certificates.
        if let Some(failure) = self.tls.failure(&self.engine, seen, complaint) {
            return failure;
        }
        let failed = |reason, message: &str| Failure::new(self.stage(), reason, message);
        if let Some(error) = self.engine.peer_error() {
            let reason = String::from_utf8_lossy(&error.reason);
            let said = if reason.is_empty() { String::new() } else { format!(": {reason:?}") };
            let message = |error: &str| format!("the peer ended the connection with {error}{said}");
            return match (error.is_app, error.error_code) {
                (false, NO_ERROR) => failed(Reason::Closed, &message("no error")),
                (false, INTERNAL_ERROR) => {
                    failed(Reason::Closed, &message("an internal error of its own"))
                }
                (false, CONNECTION_REFUSED) => failed(Reason::Refused, &message("a refusal")),
                (false, code) => {
                    failed(Reason::Protocol, &message(&format!("QUIC error {code:#x}")))
                }
                (true, code) if code == self.farewell => {
                    failed(Reason::Closed, &message("no error"))
                }
                (true, code) => failed(Reason::Protocol, &message(&format!("error {code:#x}"))),
            };
        }
        match &self.broken {
            Some(Broken { error: quiche::Error::UnknownVersion, .. }) => failed(
                Reason::Protocol,
                "the peer speaks other versions of QUIC than this exporter, which speaks version 1",
            ),
            Some(Broken { error, .. }) => {
                failed(Reason::Protocol, &format!("the peer breaks the QUIC protocol: {error}"))
            }
            None if self.engine.is_timed_out() => {
                failed(Reason::Timeout, "the peer kept silent for as long as it allows itself")
            }
            None => failed(Reason::Reset, "the peer knows nothing of the connection any more"),
        }
    }
}
