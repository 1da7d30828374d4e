//! What is told of a certificate only when somebody looks.

use std::net::{Ipv4Addr, Ipv6Addr};

use boring::pkey::Id;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    objects::{oid_registry, oid2sn},
};

use crate::net::tls::{
    certificate::{Certificate, parse},
    name,
};

impl Certificate {
    /// All that it is for, in its own order: names, addresses, and what else there is.
    #[must_use]
    pub fn all_names(&self) -> Vec<String> {
        parse(&self.der).as_ref().map(names).unwrap_or_default()
    }

    /// The kind of its key and the size in bits, such as `RSA 2048`.
    #[must_use]
    pub fn key(&self) -> String {
        let Some(key) = self.x509().and_then(|x509| x509.public_key().ok()) else {
            return "unknown".to_owned();
        };
        let kind = match key.id() {
            Id::RSA => "RSA",
            Id::EC => "ECDSA",
            Id::DSA => "DSA",
            Id::ED25519 => return "Ed25519".to_owned(),
            _ => "unknown,",
        };
        format!("{kind} {}", key.bits())
    }

    /// The algorithm of its signature, such as `ecdsa-with-SHA256`.
    #[must_use]
    pub fn signature_algorithm(&self) -> String {
        parse(&self.der).map_or_else(String::new, |certificate| {
            let algorithm = &certificate.signature_algorithm.algorithm;
            let known = oid2sn(algorithm, oid_registry());
            known.map_or_else(|_| algorithm.to_id_string(), str::to_owned)
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension() {
            names.extend(alternative.general_names.iter().map(general_name));
        }
    }
    names
}

fn general_name(general: &GeneralName<'_>) -> String {
    match general {
        GeneralName::DNSName(text) => (*text).to_owned(),
        GeneralName::IPAddress(bytes) => address(bytes),
        GeneralName::RFC822Name(text) => format!("email:{text}"),
        GeneralName::URI(text) => format!("URI:{text}"),
        GeneralName::DirectoryName(directory) => format!("directory:{}", name::format(directory)),
        GeneralName::RegisteredID(identifier) => format!("OID:{}", identifier.to_id_string()),
        _ => "another kind of name".to_owned(),
    }
}

fn address(bytes: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(octets).to_string();
    }
    <[u8; 16]>::try_from(bytes)
        .map_or_else(|_| "an odd address".to_owned(), |octets| Ipv6Addr::from(octets).to_string())
}
