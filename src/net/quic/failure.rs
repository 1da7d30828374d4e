//! Failures of QUIC connections.

use std::io;

use socket_timestamps::icmp::DeliveryError;

use crate::{
    diagnostics::{Call, Failure, Reason, Stage, log::Quoted},
    net::{
        connect, icmp_error,
        quic::{AppError, Broken, QuicConnection},
        tls::TlsSession,
    },
};

/// Describes an error code of the transport (RFC 9000, section 20.1).
fn describe(code: u64) -> AppError {
    let (name, reason, meaning) = match code {
        0x0 => ("NO_ERROR", Reason::Closed, "the connection was closed without an error"),
        0x1 => ("INTERNAL_ERROR", Reason::Closed, "internal error of the server"),
        0x2 => ("CONNECTION_REFUSED", Reason::Refused, "the server accepts no new connections"),
        0x3 => (
            "FLOW_CONTROL_ERROR",
            Reason::Protocol,
            "received more data than the flow control window allows",
        ),
        0x4 => ("STREAM_LIMIT_ERROR", Reason::Protocol, "more streams opened than allowed"),
        0x5 => (
            "STREAM_STATE_ERROR",
            Reason::Protocol,
            "received a frame for a stream in the wrong state",
        ),
        0x6 => ("FINAL_SIZE_ERROR", Reason::Protocol, "the final size of a stream changed"),
        0x7 => ("FRAME_ENCODING_ERROR", Reason::Protocol, "received a malformed frame"),
        0x8 => {
            ("TRANSPORT_PARAMETER_ERROR", Reason::Protocol, "received invalid transport parameters")
        }
        0x9 => ("CONNECTION_ID_LIMIT_ERROR", Reason::Protocol, "received too many connection IDs"),
        0xa => ("PROTOCOL_VIOLATION", Reason::Protocol, "detected a protocol violation"),
        0xb => ("INVALID_TOKEN", Reason::Protocol, "received an invalid token"),
        0xc => ("APPLICATION_ERROR", Reason::Closed, "the application closed the connection"),
        0xd => (
            "CRYPTO_BUFFER_EXCEEDED",
            Reason::Protocol,
            "received more CRYPTO data than it can buffer",
        ),
        0xe => ("KEY_UPDATE_ERROR", Reason::Protocol, "detected an error in a key update"),
        0xf => ("AEAD_LIMIT_REACHED", Reason::Closed, "reached the limit of the AEAD algorithm"),
        0x10 => ("NO_VIABLE_PATH", Reason::Protocol, "no network path supports QUIC"),
        0x11 => ("VERSION_NEGOTIATION_ERROR", Reason::Protocol, "version negotiation failed"),
        0x100..=0x1ff => ("CRYPTO_ERROR", Reason::TlsProtocol, "TLS alert"),
        _ => ("unknown error code", Reason::Protocol, "unknown meaning"),
    };
    AppError { name, reason, meaning }
}

impl QuicConnection {
    /// Returns the stage of the probe.
    fn stage(&self) -> Stage {
        match self.arrival() {
            _ if self.engine.is_established() => Stage::Response,
            Some(_) => Stage::Tls,
            None => Stage::Connect,
        }
    }

    /// Returns the failure of a system call. `doing` describes the call, without the address.
    pub(super) fn io_failure(&self, doing: &str, error: &io::Error) -> Failure {
        let address = self.addresses.from;
        connect::failure(Call::Exchange, address, &format!("{doing} {address}"), error)
            .in_stage(self.stage())
    }

    /// Returns the failure if a datagram was not delivered.
    pub(super) fn undelivered(&self, error: &DeliveryError) -> Failure {
        let peer = self.addresses.from;
        let doing = format!("sending to {peer}");
        icmp_error::failure(&self.socket, error, self.stage(), &doing, peer.ip())
    }

    /// Returns the failure that ended the connection. `seen` is the TLS session, if the handshake
    /// has not completed.
    #[must_use]
    pub(super) fn end_failure(&self, seen: Option<&TlsSession>) -> Failure {
        let tls_error = self.broken.as_ref().and_then(|broken| broken.tls_error.as_deref());
        // TLS failures come first: they contain the result of certificate verification.
        if let Some(failure) = self.tls.failure(&self.engine, seen, tls_error) {
            return failure;
        }
        let failed = |reason, message: &str| Failure::new(self.stage(), reason, message);
        if let Some(error) = self.engine.peer_error() {
            let AppError { name, reason, meaning } = if error.is_app {
                (self.application.describe)(error.error_code)
            } else {
                describe(error.error_code)
            };
            let code = error.error_code;
            let mut message =
                format!("the peer closed the connection with {name} ({code:#x}): {meaning}");
            if !error.reason.is_empty() {
                message = format!("{message}; reason phrase {}", Quoted(&error.reason));
            }
            return failed(reason, &message);
        }
        match &self.broken {
            Some(Broken { error: quiche::Error::UnknownVersion, .. }) => {
                failed(Reason::Protocol, "the peer does not support QUIC version 1")
            }
            Some(Broken { error, .. }) => {
                failed(Reason::Protocol, &format!("the peer violated the QUIC protocol: {error}"))
            }
            None if self.engine.is_timed_out() => {
                failed(Reason::Timeout, "the idle timeout of the connection expired")
            }
            None => {
                failed(Reason::Reset, "the peer has no state for the connection (stateless reset)")
            }
        }
    }
}
