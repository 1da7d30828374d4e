//! The section `tls_server_config`: TLS of the exporter's own listener.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::settings::{
    rule::{RuleError, Warning},
    secret::Secret,
    tls::TlsVersion,
};

/// TLS of the listener; file names are relative to the working directory.
#[derive(Debug, Clone)]
pub struct TlsServer {
    /// The certificate and its chain.
    pub certificate: Pem,
    /// The private key of the certificate.
    pub key: Pem,
    /// The certificate authorities of client certificates.
    pub client_authorities: Option<Pem>,
    /// The policy for client certificates.
    pub client_auth: ClientAuth,
    /// Subject alternative names of which a client certificate must have one; `None` = any.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The supported versions, TLS 1.2 or 1.3.
    pub versions: Vec<TlsVersion>,
    /// The supported cipher suites of TLS 1.2 by their IANA names; `None` = all.
    pub cipher_suites: Option<Vec<&'static str>>,
    /// The groups for key exchange, the preferred one first; empty = all.
    pub curves: Vec<Curve>,
}

/// A PEM text or file, with the key that sets it.
#[derive(Debug, Clone)]
pub enum Pem {
    /// The text itself.
    Text(&'static str, Secret),
    /// The file that holds it.
    File(&'static str, PathBuf),
}

/// The policy for client certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is requested.
    #[default]
    None,
    /// A certificate is requested, but neither required nor verified.
    Request,
    /// A certificate is required, but not verified.
    RequireAny,
    /// A certificate is verified if there is one.
    VerifyIfGiven,
    /// A certificate is required and verified.
    RequireAndVerify,
}

/// A group for key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// RFC 7748.
    X25519,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

/// The supported cipher suites of TLS 1.2. As in upstream, those of TLS 1.3 cannot be chosen.
const SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

const SUITES_OF_1_3: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Cipher suites that only upstream supports.
const SUITES_WITH_CBC: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

impl TlsServer {
    /// Resolves relative file names from the folder of the web config file.
    pub(super) fn resolve(&mut self, folder: &Path) {
        let sources = [&mut self.certificate, &mut self.key];
        for source in sources.into_iter().chain(&mut self.client_authorities) {
            if let Pem::File(_, file) = source {
                *file = folder.join(&*file);
            }
        }
    }
}

impl TlsServer {
    /// Checks the policy for client certificates.
    fn check_clients(&self, warnings: &mut Vec<Warning>) -> Result<(), RuleError> {
        let has_authorities = self.client_authorities.is_some();
        if has_authorities && self.client_auth == ClientAuth::None {
            let message = "client CA's have been configured without a Client Auth Policy: set \
                           client_auth_type, for example RequireAndVerifyClientCert";
            return Err(RuleError::new(message).involving(["client_auth_type"]));
        }
        let verifies = self.client_auth.verifies();
        let surprises = [
            (
                verifies && !has_authorities,
                "without client_ca, client certificates from any CA that the system trusts are \
                 accepted; set client_ca_file",
            ),
            (
                !verifies && self.client_allowed_sans.is_some(),
                "client_allowed_sans has no effect because client_auth_type does not verify \
                 certificates; set RequireAndVerifyClientCert",
            ),
        ];
        let surprises = surprises.into_iter().filter(|(is_true, _)| *is_true);
        warnings.extend(surprises.map(|(_, text)| Warning::new(text)));
        Ok(())
    }
}

impl ClientAuth {
    /// Returns whether certificates are verified.
    #[must_use]
    pub const fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }

    /// Returns whether a certificate is required.
    #[must_use]
    pub const fn is_mandatory(self) -> bool {
        matches!(self, Self::RequireAny | Self::RequireAndVerify)
    }
}

impl Pem {
    /// The file, unless it is a text.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Text(..) => None,
            Self::File(_, file) => Some(file),
        }
    }
}

/// The section `tls_server_config`, which may be empty.
#[derive(Default, Deserialize)]
#[serde(try_from = "RawTlsServer")]
pub(super) struct TlsSection {
    pub(super) server: Option<TlsServer>,
    pub(super) warnings: Vec<Warning>,
}

/// The keys of the section.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTlsServer {
    cert: Secret,
    cert_file: PathBuf,
    key: Secret,
    key_file: PathBuf,
    client_ca: Secret,
    client_ca_file: PathBuf,
    client_auth_type: String,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<TlsVersion>,
    max_version: Option<TlsVersion>,
    cipher_suites: Vec<String>,
    /// Ignored, as in upstream since Go 1.17.
    prefer_server_cipher_suites: bool,
    curve_preferences: Vec<String>,
}

impl TryFrom<RawTlsServer> for TlsSection {
    type Error = RuleError;

    fn try_from(raw: RawTlsServer) -> Result<Self, RuleError> {
        let mut warnings = Vec::new();
        let client_auth = raw.client_auth()?;
        let versions = raw.versions()?;
        let cipher_suites = raw.suites(&versions, &mut warnings)?;
        let curves = raw.curves(&mut warnings)?;
        let says_who = !raw.client_auth_type.is_empty();
        let certificate = source(("cert", raw.cert), ("cert_file", raw.cert_file));
        let key = source(("key", raw.key), ("key_file", raw.key_file));
        let client_authorities =
            source(("client_ca", raw.client_ca), ("client_ca_file", raw.client_ca_file));
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if client_authorities.is_none() && !says_who => {
                return Ok(Self { server: None, warnings });
            }
            (None, _) => {
                let error = RuleError::new("missing one of cert or cert_file");
                return Err(error.involving(["cert", "cert_file"]));
            }
            (_, None) => {
                let error = RuleError::new("missing one of key or key_file");
                return Err(error.involving(["key", "key_file"]));
            }
        };
        let server = TlsServer {
            certificate,
            key,
            client_authorities,
            client_auth,
            client_allowed_sans: raw.client_allowed_sans,
            versions,
            cipher_suites,
            curves,
        };
        server.check_clients(&mut warnings)?;
        Ok(Self { server: Some(server), warnings })
    }
}

impl RawTlsServer {
    fn client_auth(&self) -> Result<ClientAuth, RuleError> {
        Ok(match self.client_auth_type.as_str() {
            "" | "NoClientCert" => ClientAuth::None,
            "RequestClientCert" => ClientAuth::Request,
            "RequireAnyClientCert" | "RequireClientCert" => ClientAuth::RequireAny,
            "VerifyClientCertIfGiven" => ClientAuth::VerifyIfGiven,
            "RequireAndVerifyClientCert" => ClientAuth::RequireAndVerify,
            other => {
                let message = format!(
                    "invalid ClientAuth: {other} (one of NoClientCert, RequestClientCert, \
                     RequireAnyClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert)"
                );
                return Err(RuleError::at("client_auth_type", message));
            }
        })
    }

    /// Unlike upstream: TLS 1.0 and 1.1 are not supported.
    fn versions(&self) -> Result<Vec<TlsVersion>, RuleError> {
        let given = [("min_version", self.min_version), ("max_version", self.max_version)];
        for (key, version) in given {
            if let Some(version @ (TlsVersion::Tls10 | TlsVersion::Tls11)) = version {
                let message =
                    format!("the listener does not support {version}; use TLS12 or TLS13");
                return Err(RuleError::at(key, message));
            }
        }
        let lowest = self.min_version.unwrap_or(TlsVersion::Tls12);
        let highest = self.max_version.unwrap_or(TlsVersion::Tls13);
        let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
        let versions: Vec<_> =
            versions.into_iter().filter(|version| (lowest..=highest).contains(version)).collect();
        if versions.is_empty() {
            let message = "TLS13 is higher than max_version TLS12; lower it or raise max_version";
            return Err(RuleError::at("min_version", message));
        }
        Ok(versions)
    }

    fn suites(
        &self,
        versions: &[TlsVersion],
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Vec<&'static str>>, RuleError> {
        let mut suites = Vec::new();
        for (index, name) in self.cipher_suites.iter().enumerate() {
            if let Some(suite) = SUITES.into_iter().find(|suite| suite == name) {
                suites.push(suite);
            } else if SUITES_WITH_CBC.contains(&name.as_str()) {
                let message = format!("{name} is not supported and is ignored");
                warnings.push(Warning::at(("cipher_suites", index), message));
            } else if !SUITES_OF_1_3.contains(&name.as_str()) {
                let message = format!("unknown cipher: {name}");
                return Err(RuleError::at(("cipher_suites", index), message));
            }
        }
        if self.cipher_suites.is_empty() {
            return Ok(None);
        }
        if suites.is_empty() && !versions.contains(&TlsVersion::Tls13) {
            let message =
                format!("no supported cipher suite for TLS 1.2; use any of {}", SUITES.join(", "));
            return Err(RuleError::at("cipher_suites", message));
        }
        Ok(Some(suites))
    }

    fn curves(&self, warnings: &mut Vec<Warning>) -> Result<Vec<Curve>, RuleError> {
        let mut curves = Vec::new();
        for (index, name) in self.curve_preferences.iter().enumerate() {
            match name.as_str() {
                "X25519" => curves.push(Curve::X25519),
                "CurveP256" => curves.push(Curve::P256),
                "CurveP384" => curves.push(Curve::P384),
                "CurveP521" => {
                    let message = "CurveP521 is not supported and is ignored";
                    warnings.push(Warning::at(("curve_preferences", index), message));
                }
                other => {
                    let message = format!(
                        "unknown curve: {other} (one of X25519, CurveP256, CurveP384, CurveP521)"
                    );
                    return Err(RuleError::at(("curve_preferences", index), message));
                }
            }
        }
        if curves.is_empty() && !self.curve_preferences.is_empty() {
            let message = "no supported curve; use any of X25519, CurveP256, CurveP384";
            return Err(RuleError::at("curve_preferences", message));
        }
        Ok(curves)
    }
}

/// The source of a PEM text. As in upstream, the file takes precedence over the text.
fn source(
    (text_key, text): (&'static str, Secret),
    (file_key, file): (&'static str, PathBuf),
) -> Option<Pem> {
    if !file.as_os_str().is_empty() {
        return Some(Pem::File(file_key, file));
    }
    (!text.is_empty()).then_some(Pem::Text(text_key, text))
}
