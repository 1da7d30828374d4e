//! What a certificate says about its own use, by the rules of Go's verifier.

use x509_parser::{
    certificate::X509Certificate,
    prelude::{ParsedExtension, X509Version},
};

/// What a certificate may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether it is an authority's.
    pub(super) authority: Authority,
    /// How many intermediate certificates may lie below it.
    pub(super) most_intermediates: Option<u32>,
    /// Whether it may stand in the chain of a server.
    pub(super) serves: bool,
    /// Whether it limits what its descendants may be, by name or by policy.
    pub(super) constrains: bool,
    /// What its issuer signed it with.
    pub(super) signature: Signature,
    /// What makes it unfit for verification altogether.
    pub(super) defect: Option<String>,
}

/// Whether a certificate may sign others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authority {
    /// It says so.
    Yes,
    /// It is older than the extension that would say so; good enough for one that is trusted.
    Unsaid,
    /// It may not.
    No,
}

/// How good a signature's algorithm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// One that Go accepts.
    Sound,
    /// SHA-1 or MD5.
    Weak,
    /// Another.
    Unknown,
}

/// Extensions that verification takes into account, or that say nothing to it.
const UNDERSTOOD: [&str; 13] = [
    "2.5.29.14",         // subject key identifier
    "2.5.29.15",         // key usage
    "2.5.29.17",         // alternative names
    "2.5.29.19",         // basic constraints
    "2.5.29.30",         // name constraints
    "2.5.29.31",         // revocation list distribution points
    "2.5.29.32",         // certificate policies
    "2.5.29.33",         // policy mappings
    "2.5.29.35",         // authority key identifier
    "2.5.29.36",         // policy constraints
    "2.5.29.37",         // extended key usage
    "2.5.29.54",         // inhibit any policy
    "1.3.6.1.5.5.7.1.1", // authority information access
];

impl Rules {
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Self {
        let mut rules = Self {
            authority: if certificate.version() == X509Version::V3 {
                Authority::No
            } else {
                Authority::Unsaid
            },
            most_intermediates: None,
            serves: true,
            constrains: false,
            signature: signature(certificate),
            defect: None,
        };
        if certificate.extensions_map().is_err() {
            rules.defect = Some("has an extension twice".to_owned());
        }
        let mut signs = true;
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(basic) => {
                    rules.authority = if basic.ca { Authority::Yes } else { Authority::No };
                    rules.most_intermediates = basic.path_len_constraint.filter(|_| basic.ca);
                }
                ParsedExtension::KeyUsage(usage) => {
                    signs = usage.key_cert_sign() || usage.flags == 0;
                }
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    let others = usage.client_auth
                        || usage.code_signing
                        || usage.email_protection
                        || usage.time_stamping
                        || usage.ocsp_signing
                        || !usage.other.is_empty();
                    rules.serves = usage.any || usage.server_auth || !others;
                }
                ParsedExtension::NameConstraints(_)
                | ParsedExtension::PolicyConstraints(_)
                | ParsedExtension::PolicyMappings(_)
                | ParsedExtension::InhibitAnyPolicy(_) => rules.constrains = true,
                ParsedExtension::ParseError { .. } => {
                    rules.defect = Some(format!("has a malformed extension {}", extension.oid));
                }
                _ => {}
            }
            let oid = extension.oid.to_id_string();
            if extension.critical && !UNDERSTOOD.contains(&oid.as_str()) {
                rules.defect = Some(format!("has an unknown critical extension {oid}"));
            }
        }
        if !signs {
            rules.authority = Authority::No;
        }
        rules
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
