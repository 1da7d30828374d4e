//! An X.509 certificate with the fields that verification and metrics need.

use std::{
    fmt::Write as _,
    sync::{Arc, OnceLock},
};

use boring::{
    pkey::{Id, PKey, Public},
    sha::sha256,
    x509::{X509, X509Ref},
};
use x509_parser::{
    certificate::{X509Certificate, X509CertificateParser},
    nom::Parser as _,
};

use crate::net::tls::{
    der::Elements,
    distinguished_name,
    effort::{Effort, has_large_exponent},
    usage::Usage,
    x509_extensions::{self, GeneralName, oid, tag},
};

/// Maximum size of an RSA key in bits, as in Go, also for modules that accept any certificate.
const MAX_RSA_BITS: u32 = 8192;

/// A certificate.
///
/// Two certificates are equal if their DER is. Expensive fields are computed at their first use,
/// since most trusted certificates are never used.
pub struct Certificate {
    pub(super) der: Arc<[u8]>,
    /// The DER of the subject. Subjects and issuers are compared byte by byte.
    pub(super) subject: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    pub(super) authority_key_id: Option<Vec<u8>>,
    pub(super) usage: Usage,
    /// Number of its name constraints.
    pub(super) constraints: usize,
    not_before: i64,
    not_after: i64,
    /// The memory that it takes in bytes.
    weight: usize,
    /// The SHA-256 of the DER.
    digest: OnceLock<[u8; 32]>,
    /// The certificate as parsed by BoringSSL, if it can parse it.
    x509: OnceLock<Option<X509>>,
    /// The public key that verified the signature.
    signer: OnceLock<PKey<Public>>,
    names: OnceLock<AlternativeNames>,
    labels: OnceLock<Labels>,
}

/// The texts for labels and reports.
#[derive(Default)]
struct Labels {
    fingerprint_sha256: String,
    subject: String,
    issuer: String,
    serial_number: String,
}

/// The subject alternative names.
#[derive(Debug, Default)]
pub(super) struct AlternativeNames {
    pub(super) dns: Vec<String>,
    /// IP addresses, of 4 or 16 bytes if well-formed.
    pub(super) addresses: Vec<Vec<u8>>,
    /// True if there are names of other types.
    pub(super) others: bool,
}

/// Memory that a typical certificate takes besides its DER, in bytes, as measured: BoringSSL's parsed
/// form and the labels.
const OVERHEAD: usize = 5000;

/// Number of DER elements of a typical certificate, and the memory of each further one in bytes. A name
/// takes three bytes of the DER or more, and several allocations when it is parsed.
const TYPICAL_ELEMENTS: usize = 120;
const ELEMENT: usize = 160;

/// Returns the memory that a certificate with this DER takes when it is parsed, in bytes.
pub(super) fn weight(der: &[u8]) -> usize {
    let further = Elements(der).count_all().saturating_sub(TYPICAL_ELEMENTS);
    der.len() + OVERHEAD + further * ELEMENT
}

impl Certificate {
    /// Parses a certificate in DER; `None` if it is malformed.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let parsed = parse(der)?;
        let mut subject_key_id = None;
        let mut authority_key_id = None;
        let mut constraints = 0;
        for extension in parsed.extensions() {
            let value = extension.value;
            match extension.oid.as_bytes() {
                oid::NAME_CONSTRAINTS => {
                    let found = x509_extensions::name_constraints(value);
                    constraints += found.map_or(0, |it| it.permitted.len() + it.excluded.len());
                }
                oid::SUBJECT_KEY_IDENTIFIER => {
                    subject_key_id =
                        x509_extensions::subject_key_identifier(value).map(<[u8]>::to_vec);
                }
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    let id = x509_extensions::authority_key_identifier(value)
                        .filter(|id| !id.is_empty());
                    authority_key_id = id.map(<[u8]>::to_vec);
                }
                _ => {}
            }
        }
        Some(Self {
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            subject_key_id,
            authority_key_id,
            usage: Usage::of(&parsed),
            constraints,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            weight: weight(der),
            der: der.into(),
            digest: OnceLock::new(),
            x509: OnceLock::new(),
            signer: OnceLock::new(),
            names: OnceLock::new(),
            labels: OnceLock::new(),
        })
    }

    /// Parses `der`, which BoringSSL has already parsed as `x509`; `None` if it is malformed.
    pub(super) fn from_x509(der: &[u8], x509: &X509Ref) -> Option<Self> {
        let mut certificate = Self::from_der(der)?;
        certificate.x509 = OnceLock::from(Some(x509.to_owned()));
        Some(certificate)
    }

    /// The DER of the certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The memory that the certificate takes when it is parsed, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// The start of the validity period, in Unix time.
    #[must_use]
    pub fn not_before(&self) -> i64 {
        self.not_before
    }

    /// The end of the validity period, in Unix time.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// The SHA-256 of the DER, in lower-case hexadecimal.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> &str {
        &self.labels().fingerprint_sha256
    }

    /// The SHA-256 of the DER.
    pub(super) fn digest(&self) -> &[u8; 32] {
        self.digest.get_or_init(|| sha256(&self.der))
    }

    /// The subject, formatted as Go does.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.labels().subject
    }

    /// The certificate in messages: its subject.
    pub(super) fn description(&self) -> String {
        format!("certificate \"{}\"", self.subject())
    }

    /// The issuer, formatted as Go does.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.labels().issuer
    }

    /// The DNS names among the subject alternative names, in their order.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.alternative_names().dns
    }

    /// The absolute value of the serial number in lower-case hexadecimal; empty for 0.
    #[must_use]
    pub fn serial_number(&self) -> &str {
        &self.labels().serial_number
    }

    /// The last common name of the subject.
    pub(super) fn common_name(&self) -> Option<String> {
        distinguished_name::common_name(parse(&self.der)?.subject())
    }

    /// The subject alternative names.
    pub(super) fn alternative_names(&self) -> &AlternativeNames {
        self.names.get_or_init(|| {
            parse(&self.der).map(|it| AlternativeNames::of(&it)).unwrap_or_default()
        })
    }

    /// Creates the texts of the certificate, which takes long if they are long.
    pub(super) fn prepare_texts(&self) {
        self.labels();
        self.alternative_names();
    }

    fn labels(&self) -> &Labels {
        self.labels.get_or_init(|| {
            let Some(parsed) = parse(&self.der) else { return Labels::default() };
            Labels {
                fingerprint_sha256: hexadecimal(self.digest()),
                subject: distinguished_name::format(parsed.subject()),
                issuer: distinguished_name::format(parsed.issuer()),
                serial_number: hexadecimal(&magnitude(parsed.raw_serial())),
            }
        })
    }

    /// Returns whether this certificate is signed by the key of `parent`.
    ///
    /// The result depends only on the bytes of this certificate and on the key, not on the time or
    /// on trusted certificates. A positive result is therefore cached, with the key itself. One key
    /// is enough, since a certificate has one signer. Negative results are not cached, since their
    /// number has no bound.
    ///
    /// A check that takes more than is left of `effort` is not made.
    pub(super) fn is_signed_by(&self, parent: &Self, effort: &Effort) -> bool {
        let Some(key) = parent.public_key() else { return false };
        if self.signer.get().is_some_and(|signer| signer.public_eq(&key)) {
            return true;
        }
        if has_large_exponent(&key) || !effort.spend(&key) {
            return false;
        }
        let signed = self.x509().is_some_and(|child| child.verify(&key).unwrap_or(false));
        if signed {
            self.signer.get_or_init(|| key);
        }
        signed
    }

    /// The public key; `None` if BoringSSL cannot read it.
    pub(super) fn public_key(&self) -> Option<PKey<Public>> {
        self.x509()?.public_key().ok()
    }

    /// The size of the public key in bits, if it is an RSA key.
    pub(super) fn rsa_bits(&self) -> Option<u32> {
        self.public_key().filter(|key| key.id() == Id::RSA).map(|key| key.bits())
    }

    /// Describes an RSA key that is too large to be used. As in Go, it ends every handshake.
    pub(super) fn too_large_key(&self) -> Option<String> {
        let bits = self.rsa_bits().filter(|bits| *bits > MAX_RSA_BITS)?;
        let name = self.description();
        Some(format!("{name} has an RSA key of {bits} bits, more than {MAX_RSA_BITS}"))
    }

    /// Returns whether the key usage is present and has no bit set.
    pub(super) fn has_empty_key_usage(&self) -> bool {
        parse(&self.der).is_some_and(|parsed| {
            parsed.extensions().iter().any(|extension| {
                extension.oid.as_bytes() == oid::KEY_USAGE
                    && x509_extensions::is_empty_key_usage(extension.value)
            })
        })
    }

    /// The certificate as parsed by BoringSSL; `None` if it cannot parse it.
    pub(super) fn x509(&self) -> Option<&X509> {
        self.x509.get_or_init(|| X509::from_der(&self.der).ok()).as_ref()
    }
}

impl AlternativeNames {
    /// Number of names that name constraints are compared with.
    pub(super) fn count(&self) -> usize {
        self.dns.len() + self.addresses.len()
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut names = Self::default();
        for (tag, content) in general_names(certificate) {
            match tag {
                tag::DNS => names.dns.push(String::from_utf8_lossy(content).into_owned()),
                tag::IP_ADDRESS => names.addresses.push(content.to_vec()),
                _ => names.others = true,
            }
        }
        names
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Certificate").field(&self.subject()).finish()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Returns the subject alternative names of a certificate.
pub(super) fn general_names<'d>(certificate: &X509Certificate<'d>) -> Vec<GeneralName<'d>> {
    let extensions = certificate.extensions().iter();
    extensions
        .filter(|extension| extension.oid.as_bytes() == oid::SUBJECT_ALTERNATIVE_NAME)
        .filter_map(|extension| x509_extensions::alternative_names(extension.value))
        .flatten()
        .collect()
}

/// Parses the fields of a certificate, without the content of its extensions.
pub(super) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509CertificateParser::new().with_deep_parse_extensions(false).parse(der) {
        Ok(([], parsed)) => Some(parsed),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Returns the absolute value of a big-endian number in two's complement, without leading zeros.
fn magnitude(number: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_vec();
    if number.first().is_some_and(|first| *first >= 0x80) {
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            let (negated, overflowed) = (!*byte).overflowing_add(u8::from(carry));
            *byte = negated;
            carry = overflowed;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.split_off(zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_shown_by_the_bytes_of_its_magnitude() {
        let cases: [(&[u8], &str); 7] = [
            (&[0], ""),
            (&[0x0a], "0a"),
            (&[0x00, 0xff], "ff"),
            (&[0x01, 0x00], "0100"),
            (&[0x00, 0x80, 0x00], "8000"),
            (&[0xff], "01"),
            (&[0xff, 0x00], "0100"),
        ];
        for (number, expected) in cases {
            assert_eq!(hexadecimal(&magnitude(number)), expected, "{number:02x?}");
        }
    }
}
