//! TLS alerts of the peer: their names, and the failures that they mean.

use crate::{
    diagnostics::{Failure, Reason, Stage},
    settings::tls::TlsSettings,
};

/// Returns the failure of an alert. `late` means that the peer sent it after its certificates.
pub(super) fn of_alert(alert: u8, late: bool, settings: &TlsSettings) -> Failure {
    let text = alert_text(alert);
    // Alerts for a missing or rejected client certificate.
    let about_certificate = late && matches!(alert, 40..=46 | 48 | 49 | 116) || alert == 116;
    let has_certificate = !(settings.cert.is_empty() && settings.cert_file.is_empty());
    let (reason, why) = match (alert, about_certificate, has_certificate) {
        (116, _, _) => (
            Reason::ClientCertificateRequired,
            "; the server requires a client certificate: set cert_file and key_file in tls_config",
        ),
        (_, true, false) => (
            Reason::ClientCertificateRequired,
            "; the server probably requires a client certificate: set cert_file and key_file in \
             tls_config",
        ),
        (_, true, true) => (
            Reason::ClientCertificateRejected,
            "; the server probably rejected the client certificate of the module: check cert_file",
        ),
        (40, false, _) => (
            Reason::TlsIncompatible,
            "; server and exporter have no cipher, curve or certificate type in common, or the \
             server requires another server name (SNI) or a client certificate",
        ),
        (70, false, _) => (
            Reason::TlsIncompatible,
            "; the server supports none of the TLS versions that the module allows: see \
             min_version and max_version in tls_config",
        ),
        (71 | 86 | 120, false, _) => (Reason::TlsIncompatible, ""),
        (112, false, _) => (
            Reason::TlsProtocol,
            "; the server has no certificate for the requested name (SNI): set server_name in \
             tls_config",
        ),
        _ => (Reason::TlsProtocol, ""),
    };
    Failure::new(Stage::Tls, reason, format!("the peer sent the TLS alert \"{text}\"{why}"))
}

/// Returns the name of an alert in RFC 8446 and its predecessors.
pub(in crate::net) fn alert_text(alert: u8) -> String {
    let text = match alert {
        0 => "close notify",
        10 => "unexpected message",
        20 => "bad record mac",
        21 => "decryption failed",
        22 => "record overflow",
        30 => "decompression failure",
        40 => "handshake failure",
        41 => "no certificate",
        42 => "bad certificate",
        43 => "unsupported certificate",
        44 => "certificate revoked",
        45 => "certificate expired",
        46 => "certificate unknown",
        47 => "illegal parameter",
        48 => "unknown ca",
        49 => "access denied",
        50 => "decode error",
        51 => "decrypt error",
        60 => "export restriction",
        70 => "protocol version",
        71 => "insufficient security",
        80 => "internal error",
        86 => "inappropriate fallback",
        90 => "user canceled",
        100 => "no renegotiation",
        109 => "missing extension",
        110 => "unsupported extension",
        111 => "certificate unobtainable",
        112 => "unrecognized name",
        113 => "bad certificate status response",
        114 => "bad certificate hash value",
        115 => "unknown psk identity",
        116 => "certificate required",
        120 => "no application protocol",
        121 => "ech required",
        _ => return format!("{alert}"),
    };
    text.to_owned()
}
