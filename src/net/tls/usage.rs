//! The uses that a certificate allows, by the rules of Go's verifier.

use x509_parser::{certificate::X509Certificate, extensions::X509Extension, x509::X509Version};

use crate::net::tls::x509_extensions::{self, oid};

/// The uses that a certificate allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usage {
    /// True if it may sign other certificates.
    pub(super) authority: Authority,
    /// The maximum number of intermediate certificates between it and a leaf.
    pub(super) max_intermediates: Option<u32>,
    /// True if it may be in the chain of a server.
    pub(super) serves: bool,
    /// True if it has constraints on names or policies.
    pub(super) constrains: bool,
    /// The strength of the algorithm of its signature.
    pub(super) signature: Signature,
    /// The reason for which it can never be verified.
    pub(super) defect: Option<String>,
}

/// The right to sign other certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// It is a CA certificate.
    Yes,
    /// It is of a version without basic constraints. This is enough for a trusted certificate.
    Unsaid,
    /// It must not sign certificates.
    No,
}

/// The strength of a signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// An algorithm that Go accepts.
    Sound,
    /// SHA-1 or MD5.
    Weak,
    /// Another algorithm.
    Unknown,
}

/// Extensions that may be critical, since Go knows them.
const UNDERSTOOD: [&[u8]; 13] = [
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::KEY_USAGE,
    oid::SUBJECT_ALTERNATIVE_NAME,
    oid::BASIC_CONSTRAINTS,
    oid::NAME_CONSTRAINTS,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::CERTIFICATE_POLICIES,
    oid::POLICY_MAPPINGS,
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::POLICY_CONSTRAINTS,
    oid::EXTENDED_KEY_USAGE,
    oid::INHIBIT_ANY_POLICY,
    oid::AUTHORITY_INFORMATION_ACCESS,
];

/// The purposes `anyExtendedKeyUsage` and `id-kp-serverAuth`.
const FOR_SERVERS: [&[u8]; 2] = [&[0x55, 0x1d, 37, 0], &[0x2b, 6, 1, 5, 5, 7, 3, 1]];

impl Usage {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut usage = Self {
            authority: if certificate.version() == X509Version::V3 {
                Authority::No
            } else {
                Authority::Unsaid
            },
            max_intermediates: None,
            serves: true,
            constrains: false,
            signature: signature(certificate),
            defect: None,
        };
        if certificate.extensions_map().is_err() {
            usage.defect = Some("has a repeated extension".to_owned());
        }
        let mut signs = true;
        for extension in certificate.extensions() {
            let read = usage.apply_extension(extension, &mut signs);
            if read.is_none() {
                usage.defect = Some(format!("has a malformed extension {}", extension.oid));
            }
            if extension.critical && !UNDERSTOOD.contains(&extension.oid.as_bytes()) {
                let oid = &extension.oid;
                usage.defect = Some(format!("has an unknown critical extension {oid}"));
            }
        }
        if !signs {
            usage.authority = Authority::No;
        }
        usage
    }

    /// Applies an extension; `None` if it is malformed in a part that Go parses.
    fn apply_extension(&mut self, extension: &X509Extension<'_>, signs: &mut bool) -> Option<()> {
        let value = extension.value;
        match extension.oid.as_bytes() {
            oid::BASIC_CONSTRAINTS => {
                let (is_authority, most) = x509_extensions::basic_constraints(value)?;
                self.authority = if is_authority { Authority::Yes } else { Authority::No };
                self.max_intermediates = most.filter(|_| is_authority);
            }
            oid::KEY_USAGE => {
                *signs = x509_extensions::key_usage_allows_signing_certificates(value)?;
            }
            oid::EXTENDED_KEY_USAGE => {
                let purposes = x509_extensions::extended_key_usage(value)?;
                self.serves = purposes.is_empty()
                    || purposes.iter().any(|purpose| FOR_SERVERS.contains(purpose));
            }
            oid::SUBJECT_ALTERNATIVE_NAME => {
                x509_extensions::alternative_names(value)?;
            }
            oid::NAME_CONSTRAINTS => {
                x509_extensions::name_constraints(value)?;
                self.constrains = true;
            }
            oid::SUBJECT_KEY_IDENTIFIER => {
                x509_extensions::subject_key_identifier(value)?;
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                x509_extensions::authority_key_identifier(value)?;
            }
            oid::POLICY_CONSTRAINTS | oid::POLICY_MAPPINGS | oid::INHIBIT_ANY_POLICY => {
                self.constrains = true;
                x509_extensions::has_its_form(&extension.oid, value).then_some(())?;
            }
            _ => x509_extensions::has_its_form(&extension.oid, value).then_some(())?,
        }
        Some(())
    }
}

const SOUND_SIGNATURES: [&str; 8] = [
    "1.2.840.113549.1.1.10", // RSA-PSS, of which BoringSSL verifies SHA-256 and longer
    "1.2.840.113549.1.1.11", // RSA with SHA-256
    "1.2.840.113549.1.1.12", // RSA with SHA-384
    "1.2.840.113549.1.1.13", // RSA with SHA-512
    "1.2.840.10045.4.3.2",   // ECDSA with SHA-256
    "1.2.840.10045.4.3.3",   // ECDSA with SHA-384
    "1.2.840.10045.4.3.4",   // ECDSA with SHA-512
    "1.3.101.112",           // Ed25519
];

const WEAK_SIGNATURES: [&str; 3] = [
    "1.2.840.113549.1.1.4", // RSA with MD5
    "1.2.840.113549.1.1.5", // RSA with SHA-1
    "1.2.840.10045.4.1",    // ECDSA with SHA-1
];

fn signature(certificate: &X509Certificate<'_>) -> Signature {
    let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
    if SOUND_SIGNATURES.contains(&algorithm.as_str()) {
        Signature::Sound
    } else if WEAK_SIGNATURES.contains(&algorithm.as_str()) {
        Signature::Weak
    } else {
        Signature::Unknown
    }
}
