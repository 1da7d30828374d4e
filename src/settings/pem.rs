//! Explains why a text is not a valid certificate or private key.
//!
//! The explanations do not quote the text, because it may be secret.

use memchr::memmem;

/// The byte order mark that some editors write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The DER object identifier of PKCS#7 data, which is near the beginning of a PKCS#12 file.
const PKCS7_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";

/// The content of a text or of a PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Utf16,
    EscapedLineBreaks,
    Certificate,
    TrustedCertificate,
    Request,
    RevocationList,
    Pkcs7,
    EncryptedKey,
    Key,
    OpensshKey,
    DsaKey,
    PublicKey,
    Pkcs12,
    JavaKeystore,
    Der,
    Other,
}

/// The labels of PEM blocks, and their contents.
const LABELS: [(&[u8], Kind); 14] = [
    (b"CERTIFICATE", Kind::Certificate),
    (b"X509 CERTIFICATE", Kind::TrustedCertificate),
    (b"TRUSTED CERTIFICATE", Kind::TrustedCertificate),
    (b"CERTIFICATE REQUEST", Kind::Request),
    (b"NEW CERTIFICATE REQUEST", Kind::Request),
    (b"X509 CRL", Kind::RevocationList),
    (b"PKCS7", Kind::Pkcs7),
    (b"ENCRYPTED PRIVATE KEY", Kind::EncryptedKey),
    (b"PRIVATE KEY", Kind::Key),
    (b"RSA PRIVATE KEY", Kind::Key),
    (b"EC PRIVATE KEY", Kind::Key),
    (b"OPENSSH PRIVATE KEY", Kind::OpensshKey),
    (b"DSA PRIVATE KEY", Kind::DsaKey),
    (b"PUBLIC KEY", Kind::PublicKey),
];

/// Removes a byte order mark from the beginning of a text.
#[must_use]
pub fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Explains why `text` has no usable private key, and what to do.
#[must_use]
pub fn no_private_key(text: &[u8]) -> &'static str {
    let blocks = blocks(text);
    let keys = [Kind::EncryptedKey, Kind::Key, Kind::OpensshKey, Kind::DsaKey];
    match keys.into_iter().find(|key| blocks.contains(key)).unwrap_or_else(|| kind(text, &blocks)) {
        Kind::EncryptedKey => {
            "the private key is encrypted, which is not supported; decrypt it, for example with \
             openssl pkey"
        }
        Kind::Key => {
            "the private key is invalid or has an unsupported type; use RSA, ECDSA (P-256 or \
             P-384) or Ed25519"
        }
        Kind::OpensshKey => {
            "the private key is in OpenSSH format; convert it to PEM, for example with ssh-keygen \
             -p -m PEM"
        }
        Kind::DsaKey => "DSA keys are not supported; use RSA, ECDSA or Ed25519",
        Kind::Certificate | Kind::TrustedCertificate | Kind::Pkcs7 => {
            "expected a private key, found a certificate; use the private key of this certificate"
        }
        Kind::Request => {
            "expected a private key, found a certificate signing request; use the private key that \
             signed the request"
        }
        Kind::PublicKey => {
            "expected a private key, found a public key; use the private key that belongs to it"
        }
        Kind::RevocationList => "expected a private key, found a certificate revocation list",
        Kind::Pkcs12 => {
            "expected PEM, found PKCS#12 (.p12, .pfx); extract the private key, for example with \
             openssl pkcs12 -nocerts -nodes"
        }
        Kind::Der => {
            "expected PEM, found DER (binary); convert it, for example with openssl pkey -inform \
             DER"
        }
        Kind::Nothing => "the content is empty; use a private key in PEM format",
        other => other.no_pem().unwrap_or(
            "found no private key in PEM format, which starts with -----BEGIN PRIVATE KEY-----",
        ),
    }
}

/// Explains why `text` has no usable certificate, and what to do.
#[must_use]
pub fn no_certificate(text: &[u8]) -> &'static str {
    let blocks = blocks(text);
    let certificates = [Kind::Certificate, Kind::TrustedCertificate, Kind::Pkcs7];
    let found = certificates.into_iter().find(|certificate| blocks.contains(certificate));
    match found.unwrap_or_else(|| kind(text, &blocks)) {
        Kind::Certificate => "the PEM certificate is invalid; copy the complete certificate again",
        Kind::TrustedCertificate => {
            "the certificate is in a format that only OpenSSL uses; convert it, for example with \
             openssl x509"
        }
        Kind::Pkcs7 => {
            "the certificates are in PKCS#7 format; convert them, for example with openssl pkcs7 \
             -print_certs"
        }
        Kind::Request => {
            "expected a certificate, found a certificate signing request; use the certificate that \
             the CA issued for it"
        }
        Kind::RevocationList => {
            "expected a certificate, found a certificate revocation list; use the certificate of \
             the CA"
        }
        Kind::EncryptedKey | Kind::Key | Kind::OpensshKey | Kind::DsaKey => {
            "expected a certificate, found a private key; set the private key in key or key_file"
        }
        Kind::PublicKey => {
            "expected a certificate, found a public key; use the certificate of this key"
        }
        Kind::Pkcs12 => {
            "expected PEM, found PKCS#12 (.p12, .pfx); extract the certificates, for example with \
             openssl pkcs12 -nokeys"
        }
        Kind::Der => {
            "expected PEM, found DER (binary); convert it, for example with openssl x509 -inform \
             DER"
        }
        Kind::Nothing => "the content is empty; use a certificate in PEM format",
        other => other.no_pem().unwrap_or(
            "found no certificate in PEM format, which starts with -----BEGIN CERTIFICATE-----",
        ),
    }
}

impl Kind {
    fn no_pem(self) -> Option<&'static str> {
        match self {
            Self::JavaKeystore => Some(
                "expected PEM, found a Java keystore; export the entry, for example with keytool \
                 and openssl pkcs12",
            ),
            Self::Utf16 => Some("the text is in UTF-16; save it in UTF-8"),
            Self::EscapedLineBreaks => Some(
                "line breaks are written as \\n; use double quotes or a block (|) in the \
                 configuration, or real line breaks in the file",
            ),
            _ => None,
        }
    }
}

/// Returns the contents of the PEM blocks of `text`, in order.
fn blocks(text: &[u8]) -> Vec<Kind> {
    let begin = b"-----BEGIN ";
    memmem::find_iter(text, begin)
        .filter_map(|start| {
            let rest = text.get(start + begin.len()..)?;
            let (label, body) = rest.split_at_checked(memmem::find(rest, b"-----")?)?;
            let kind = LABELS.iter().find(|(known, _)| *known == label).map(|(_, kind)| *kind)?;
            if body.starts_with(b"-----\\n") {
                return None;
            }
            // The format of encrypted keys in OpenSSL before PKCS#8.
            let head = body.get(..body.len().min(64)).unwrap_or_default();
            let encrypted = memmem::find(head, b"Proc-Type: 4,ENCRYPTED").is_some();
            Some(if encrypted { Kind::EncryptedKey } else { kind })
        })
        .collect()
}

/// Returns the kind of a text without the expected content.
fn kind(text: &[u8], blocks: &[Kind]) -> Kind {
    let beginning = text.get(..text.len().min(64)).unwrap_or_default();
    if let Some(first) = blocks.first() {
        *first
    } else if text.trim_ascii().is_empty() {
        Kind::Nothing
    } else if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        Kind::Utf16
    } else if memmem::find(text, b"-----\\n").is_some() {
        Kind::EscapedLineBreaks
    } else if text.starts_with(b"\xfe\xed\xfe\xed") {
        Kind::JavaKeystore
    } else if !is_der(text) {
        Kind::Other
    } else if memmem::find(beginning, PKCS7_DATA).is_some() {
        Kind::Pkcs12
    } else {
        Kind::Der
    }
}

/// Returns true if `text` is one ASN.1 SEQUENCE, like a DER certificate or key.
fn is_der(text: &[u8]) -> bool {
    match text {
        [0x30, 0x80..=0x84, ..] => true,
        [0x30, length, rest @ ..] => usize::from(*length) == rest.len(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(label: &str) -> String {
        format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
    }

    #[test]
    fn explains_a_text_without_a_private_key() {
        let certificate = block("CERTIFICATE");
        let legacy = block("RSA PRIVATE KEY").replace("AAAA", "Proc-Type: 4,ENCRYPTED\n\nAAAA");
        for (text, expected) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("nothing", "no private key in PEM format"),
            (&block("ENCRYPTED PRIVATE KEY"), "is encrypted"),
            (&legacy, "is encrypted"),
            (&format!("{certificate}{}", block("ENCRYPTED PRIVATE KEY")), "is encrypted"),
            (&format!("{}{}", block("EC PARAMETERS"), block("EC PRIVATE KEY")), "is invalid"),
            (&block("OPENSSH PRIVATE KEY"), "OpenSSH"),
            (&block("DSA PRIVATE KEY"), "DSA"),
            (&certificate, "expected a private key, found a certificate;"),
            (&block("CERTIFICATE REQUEST"), "signing request"),
            (&block("NEW CERTIFICATE REQUEST"), "signing request"),
            (&block("PUBLIC KEY"), "public key"),
            (&block("X509 CRL"), "revocation list"),
            (&block("PRIVATE KEY").replace('\n', "\\n"), "line breaks"),
            ("\u{feff}", "no private key in PEM format"),
        ] {
            let message = no_private_key(text.as_bytes());
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn explains_a_text_without_a_certificate() {
        for (text, expected) in [
            ("", "is empty"),
            ("nothing", "no certificate in PEM format"),
            (&block("CERTIFICATE"), "is invalid"),
            (&block("TRUSTED CERTIFICATE"), "OpenSSL"),
            (&block("PKCS7"), "PKCS#7"),
            (&block("CERTIFICATE REQUEST"), "signing request"),
            (&block("X509 CRL"), "revocation list"),
            (&block("RSA PRIVATE KEY"), "expected a certificate, found a private key;"),
            (&block("PUBLIC KEY"), "public key"),
            (&block("CERTIFICATE").replace('\n', "\\n"), "line breaks"),
        ] {
            let message = no_certificate(text.as_bytes());
            assert!(message.contains(expected), "{text:?}: {message}");
        }
    }

    #[test]
    fn distinguishes_binary_formats() {
        let pkcs12 = [b"\x30\x82\x03\x57\x02\x01\x03\x30\x82\x03\x1d", PKCS7_DATA].concat();
        let binaries: [(&[u8], &str); 5] = [
            (&pkcs12, "PKCS#12"),
            (b"\x30\x82\x01\x22\x30\x0d", "DER"),
            (b"\x30\x03\x02\x01\x01", "DER"),
            (b"\xfe\xed\xfe\xed\x00", "Java"),
            (b"\xff\xfe-\x00-\x00", "UTF-16"),
        ];
        for (binary, expected) in binaries {
            for message in [no_private_key(binary), no_certificate(binary)] {
                assert!(message.contains(expected), "{binary:x?}: {message}");
            }
        }
    }

    #[test]
    fn removes_a_byte_order_mark() {
        assert_eq!(without_byte_order_mark("\u{feff}x".as_bytes()), b"x");
        assert_eq!(without_byte_order_mark(b"x"), b"x");
    }
}
