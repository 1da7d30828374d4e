//! Failures of handshakes and of TLS connections.

use std::{error::Error, io};

use boring::ssl;
use tokio_boring::HandshakeError;

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::tls::{
        alert::of_alert, buffered_stream::BufferedStream, engine::MAX_CERTIFICATES,
        session::TlsSession, verify_result::VerifyResult,
    },
    settings::tls::TlsSettings,
};

/// Returns the failure of a connection that cannot be configured.
pub(super) fn of_setup(error: &dyn Error) -> Failure {
    let message = format!("the TLS library rejects the settings of the handshake: {error}");
    Failure::new(Stage::Tls, Reason::InvalidRequest, message)
}

/// Returns the failure of a handshake with BoringSSL.
pub(super) fn of_handshake<S>(
    error: &HandshakeError<BufferedStream<S>>,
    seen: Option<&TlsSession>,
    settings: &TlsSettings,
) -> Failure {
    if let Some(failure) = refusal(seen, settings) {
        return failure;
    }
    let received = error.as_source_stream().map(|below| below.received.clone()).unwrap_or_default();
    if let Some(failure) = not_tls(&received.beginning) {
        return failure;
    }
    if let Some(io) = error.as_io_error() {
        return Failure::io(Stage::Tls, "TLS handshake", io);
    }
    let cause = error.source().and_then(|cause| cause.downcast_ref::<ssl::Error>());
    match cause.and_then(EngineError::of) {
        Some(EngineError::Alert(alert)) => of_alert(alert, seen.is_some(), settings),
        Some(EngineError::Engine(error_name)) => of_engine_error("TLS handshake", &error_name),
        None if received.closed || is_close_notify(cause) => Failure::new(
            Stage::Tls,
            Reason::Closed,
            "the peer closed the connection during the TLS handshake",
        ),
        None => Failure::new(Stage::Tls, Reason::TlsProtocol, format!("TLS handshake: {error}")),
    }
}

/// Returns whether the peer sent the alert `close_notify`.
fn is_close_notify(cause: Option<&ssl::Error>) -> bool {
    cause.is_some_and(|cause| cause.code() == ssl::ErrorCode::ZERO_RETURN)
}

/// Returns the failure of a bad certificate, unless the module accepts it.
pub(super) fn refusal(seen: Option<&TlsSession>, settings: &TlsSettings) -> Option<Failure> {
    let refused = seen.filter(|session| {
        session.verify_result != VerifyResult::Ok
            && (!settings.insecure_skip_verify
                || session.peer_chain.iter().any(|it| it.too_large_key().is_some()))
    });
    refused.map(of_verification)
}

/// Returns whether BoringSSL refused the server's certificate itself, not our verification.
pub(super) fn is_engine_refusal<S>(
    error: &HandshakeError<BufferedStream<S>>,
    seen: Option<&TlsSession>,
    settings: &TlsSettings,
) -> bool {
    /// BoringSSL's libraries that parse certificates and keys.
    const READERS: [&str; 6] = [
        "ASN.1 encoding routines",
        "elliptic curve routines",
        "RSA routines",
        "X.509 certificate routines",
        "X509 V3 routines",
        "public key routines",
    ];

    let cause = error.source().and_then(|cause| cause.downcast_ref::<ssl::Error>());
    let Some(first) = cause.and_then(ssl::Error::ssl_error).and_then(|all| all.errors().first())
    else {
        return false;
    };
    let is_about_certificate = match first.reason().unwrap_or_default() {
        "KEY_USAGE_BIT_INCORRECT" | "CANNOT_PARSE_LEAF_CERT" => true,
        _ => seen.is_none() && first.library().is_some_and(|it| READERS.contains(&it)),
    };
    is_about_certificate && refusal(seen, settings).is_none()
}

/// Returns the failure of a handshake with the fallback engine. `beginning` is the start of the
/// peer's bytes: a peer without TLS may have replaced a known one.
pub(super) fn of_fallback(
    error: &io::Error,
    seen: Option<&TlsSession>,
    settings: &TlsSettings,
    beginning: [u8; 8],
) -> Failure {
    if let Some(failure) = refusal(seen, settings) {
        return failure;
    }
    if beginning != [0; 8]
        && let Some(failure) = not_tls(&beginning)
    {
        return failure;
    }
    match error_of_rustls(error) {
        Some(rustls::Error::AlertReceived(alert)) => {
            of_alert(u8::from(*alert), seen.is_some(), settings)
        }
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::HandshakePayloadTooLarge)) => {
            too_large(MAX_FALLBACK_MESSAGE)
        }
        Some(rustls::Error::General(message)) => {
            Failure::new(Stage::Tls, Reason::TlsIncompatible, format!("TLS handshake: {message}"))
        }
        Some(error) => {
            Failure::new(Stage::Tls, Reason::TlsProtocol, format!("TLS handshake: {error}"))
        }
        None => Failure::io(Stage::Tls, "TLS handshake", error),
    }
}

/// Returns the error of rustls behind an I/O error.
fn error_of_rustls(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Maximum size of a handshake message in rustls, in KiB.
const MAX_FALLBACK_MESSAGE: usize = 64;

/// BoringSSL's error about a handshake message that is too large.
pub(super) const TOO_LARGE: &str = "EXCESSIVE_MESSAGE_SIZE";

/// Returns the failure of a handshake message of more than `limit` KiB.
pub(super) fn too_large(limit: usize) -> Failure {
    let message = format!(
        "TLS handshake: the server sent a message of more than {limit} KiB, usually its \
         certificate list; configure it to send only its own certificate and the intermediate \
         certificates"
    );
    Failure::new(Stage::Tls, Reason::TooLarge, message)
}

/// Returns the failure behind an I/O error of a TLS connection, if TLS caused it and not the
/// transport.
pub(super) fn of_io(error: &io::Error, settings: &TlsSettings) -> Option<Failure> {
    if let Some(rustls::Error::AlertReceived(alert)) = error_of_rustls(error) {
        return Some(of_alert(u8::from(*alert), true, settings));
    }
    let cause = error.get_ref()?.downcast_ref::<ssl::Error>()?;
    Some(match EngineError::of(cause)? {
        // In TLS 1.3, a server rejects the client certificate, or misses it, only after the
        // handshake.
        EngineError::Alert(alert) => of_alert(alert, true, settings),
        EngineError::Engine(error_name) => of_engine_error("TLS after the handshake", &error_name),
    })
}

/// Returns the failure of a bad certificate.
fn of_verification(session: &TlsSession) -> Failure {
    let reason = match session.verify_result {
        VerifyResult::Expired => Reason::CertificateExpired,
        VerifyResult::NotYetValid => Reason::CertificateNotYetValid,
        VerifyResult::WrongHost => Reason::CertificateWrongHost,
        VerifyResult::UnknownAuthority => Reason::CertificateUnknownAuthority,
        VerifyResult::Revoked => Reason::CertificateRevoked,
        VerifyResult::Ok | VerifyResult::WeakSignature | VerifyResult::Invalid => {
            Reason::CertificateInvalid
        }
    };
    Failure::new(Stage::Tls, reason, session.verify_detail.as_str())
}

/// An error that BoringSSL reports.
enum EngineError {
    /// The number of an alert from the peer.
    Alert(u8),
    /// The name of BoringSSL's own reason, such as `UNSUPPORTED_PROTOCOL`.
    Engine(String),
}

/// BoringSSL reports an alert of the peer as a reason with this number plus the alert's.
const ALERT_OFFSET: i32 = 1000;

impl EngineError {
    fn of(error: &ssl::Error) -> Option<Self> {
        let first = error.ssl_error()?.errors().first()?;
        let alert = first
            .reason_code()
            .checked_sub(ALERT_OFFSET)
            .filter(|_| first.library() == Some("SSL routines"))
            .and_then(|number| u8::try_from(number).ok());
        Some(match alert {
            Some(alert) => Self::Alert(alert),
            None => Self::Engine(first.reason().unwrap_or("unknown reason").to_owned()),
        })
    }
}

fn not_tls(beginning: &[u8]) -> Option<Failure> {
    let first = beginning.first()?;
    // The types of TLS records, from change_cipher_spec to application_data.
    if (20..=23).contains(first) {
        return None;
    }
    let beginning = String::from_utf8_lossy(beginning);
    let line = beginning.lines().next().unwrap_or_default();
    let hint = if line.starts_with("HTTP/") {
        "; the server uses HTTP without TLS on this port"
    } else {
        ""
    };
    Some(Failure::new(
        Stage::Tls,
        Reason::NotTls,
        format!("first record does not look like a TLS handshake: {line:?}{hint}"),
    ))
}

/// Returns the failure of an error that BoringSSL reported while `doing` something.
pub(super) fn of_engine_error(doing: &str, error_name: &str) -> Failure {
    if error_name == TOO_LARGE {
        return too_large(MAX_CERTIFICATES >> 10);
    }
    let (reason, message) = match error_name {
        "UNSUPPORTED_PROTOCOL" | "WRONG_SSL_VERSION" => (
            Reason::TlsIncompatible,
            "the peer chose a TLS version that is not offered (min_version, max_version)"
                .to_owned(),
        ),
        "KEY_USAGE_BIT_INCORRECT" => (
            Reason::CertificateInvalid,
            "the key usage of the certificate lacks digitalSignature, which the handshake requires"
                .to_owned(),
        ),
        "BAD_ECC_CERT"
        | "NO_COMMON_SIGNATURE_ALGORITHMS"
        | "UNSUPPORTED_CIPHER"
        | "WRONG_CERTIFICATE_TYPE"
        | "WRONG_CIPHER_RETURNED"
        | "WRONG_CURVE"
        | "WRONG_SIGNATURE_TYPE" => (Reason::TlsIncompatible, in_words(error_name)),
        _ => (Reason::TlsProtocol, in_words(error_name)),
    };
    Failure::new(Stage::Tls, reason, format!("{doing}: {message}"))
}

fn in_words(error_name: &str) -> String {
    error_name.to_ascii_lowercase().replace('_', " ")
}
