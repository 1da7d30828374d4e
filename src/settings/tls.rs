//! The 13 keys of `tls_config`, which every section that can speak TLS shares.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::{
    rule::{RuleError, Warning},
    secret::Secret,
    section::section,
};

section! {
    /// Settings of a TLS client: trusted CAs, client certificate and protocol versions.
    ///
    /// The default trusts the CAs of the system, has no client certificate and offers TLS 1.2 and
    /// 1.3.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TlsSettings {
        /// Trusted CAs in PEM format, in place of those of the system.
        pub ca: String,
        /// Client certificate and its chain in PEM format; requires a key.
        pub cert: String,
        /// Private key of the client certificate in PEM format.
        pub key: Secret,
        /// File with the trusted CAs, in place of those of the system.
        pub ca_file: String,
        /// File with the client certificate and its chain; requires a key.
        pub cert_file: String,
        /// File with the private key of the client certificate.
        pub key_file: String,
        /// Name in a secret manager; not supported.
        pub ca_ref: String,
        /// Name in a secret manager; not supported.
        pub cert_ref: String,
        /// Name in a secret manager; not supported.
        pub key_ref: String,
        /// Server name for SNI and certificate verification; empty means the host of the target.
        pub server_name: String,
        /// Disables certificate verification.
        pub insecure_skip_verify: bool,
        /// Lowest TLS version to offer: `TLS10`, `TLS11`, `TLS12` or `TLS13`; the default is `TLS12`.
        pub min_version: Option<TlsVersion>,
        /// Highest TLS version to offer; the default is `TLS13`.
        pub max_version: Option<TlsVersion>,
    }
    check Self::check;
}

impl TlsSettings {
    /// Warnings about the section. `unused_without` is what the module lacks for TLS, if it does not
    /// use TLS.
    #[must_use]
    pub fn warnings(&self, unused_without: Option<&str>) -> Vec<Warning> {
        let unused = unused_without.filter(|_| *self != Self::default());
        let unused = unused.map(|missing| Warning::new(format!("no effect without {missing}")));
        unused.into_iter().chain(self.server_name_warning()).collect()
    }

    fn server_name_warning(&self) -> Option<Warning> {
        let name = self.server_name.as_str();
        let port = name.rsplit_once(':').filter(|(host, _)| !host.contains(':'));
        let what = if let Some((_, rest)) = name.split_once("://") {
            let host = rest.split(['/', ':']).next().unwrap_or_default();
            format!("is a URL; write '{host}'")
        } else if let Some((host, _)) = port {
            format!("has a port, which certificates do not contain; write '{host}'")
        } else if name.contains('/') || name.contains(char::is_whitespace) {
            "is not a host name; write a name that the certificate contains".to_owned()
        } else if name.contains('*') {
            "is a wildcard pattern; write one name that the certificate covers".to_owned()
        } else {
            return None;
        };
        Some(Warning::at("server_name", format!("'{name}' {what}")))
    }

    /// The lowest version to offer.
    #[must_use]
    pub fn lowest_version(&self) -> TlsVersion {
        self.min_version.unwrap_or(TlsVersion::Tls12)
    }

    /// The highest version to offer.
    #[must_use]
    pub fn highest_version(&self) -> TlsVersion {
        self.max_version.unwrap_or(TlsVersion::Tls13)
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 2246.
    Tls10,
    /// RFC 4346.
    Tls11,
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// As it is written in a configuration: `TLS10`.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS10",
            Self::Tls11 => "TLS11",
            Self::Tls12 => "TLS12",
            Self::Tls13 => "TLS13",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

impl Serialize for TlsVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.keyword())
    }
}

impl<'de> Deserialize<'de> for TlsVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::ALL.into_iter().find(|version| version.keyword() == text).ok_or_else(|| {
            de::Error::custom(format!(
                "unknown TLS version: {text} (one of TLS10, TLS11, TLS12, TLS13)"
            ))
        })
    }
}

impl TlsSettings {
    fn check(&mut self) -> Result<(), RuleError> {
        self.check_sources()?;
        self.check_references()?;
        self.check_versions()
    }

    fn check_sources(&self) -> Result<(), RuleError> {
        let given = |sources: [bool; 3]| sources.into_iter().filter(|given| *given).count();
        let authorities =
            given([!self.ca.is_empty(), !self.ca_file.is_empty(), !self.ca_ref.is_empty()]);
        let certificates =
            given([!self.cert.is_empty(), !self.cert_file.is_empty(), !self.cert_ref.is_empty()]);
        let keys =
            given([!self.key.is_empty(), !self.key_file.is_empty(), !self.key_ref.is_empty()]);
        let (message, needed): (_, &[&str]) = if authorities > 1 {
            ("at most one of ca, ca_file & ca_ref must be configured", &[])
        } else if certificates > 1 {
            ("at most one of cert, cert_file & cert_ref must be configured", &[])
        } else if keys > 1 {
            ("at most one of key and key_file must be configured", &[])
        } else if certificates == 1 && keys == 0 {
            let message = "exactly one of key or key_file must be configured when a client \
                           certificate is configured";
            (message, &["key", "key_file", "key_ref"])
        } else if keys == 1 && certificates == 0 {
            let message = "exactly one of cert or cert_file must be configured when a client key \
                           is configured";
            (message, &["cert", "cert_file", "cert_ref"])
        } else {
            return Ok(());
        };
        Err(RuleError::new(message).involving(needed.iter().copied()))
    }

    /// Unlike upstream: refused at load, where upstream's probes all fail.
    fn check_references(&self) -> Result<(), RuleError> {
        let references = [("ca", &self.ca_ref), ("cert", &self.cert_ref), ("key", &self.key_ref)];
        match references.into_iter().find(|(_, reference)| !reference.is_empty()) {
            Some((key, _)) => Err(RuleError::at(
                format!("{key}_ref").as_str(),
                format!("secret managers are not supported; use {key} or {key}_file"),
            )),
            None => Ok(()),
        }
    }

    /// Unlike upstream: refused at load, where upstream's probes all fail.
    fn check_versions(&self) -> Result<(), RuleError> {
        if self.lowest_version() <= self.highest_version() {
            return Ok(());
        }
        let highest = self.highest_version().keyword();
        Err(match self.min_version {
            Some(lowest) => RuleError::at(
                "min_version",
                format!(
                    "{} is higher than max_version {highest}; lower it or raise max_version",
                    lowest.keyword()
                ),
            ),
            None => RuleError::at(
                "max_version",
                format!(
                    "{highest} is lower than the default of min_version, TLS12; set min_version to \
                     {highest} or lower"
                ),
            )
            .involving(["min_version"]),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<TlsSettings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn good_settings_load_and_print_back() {
        let settings = parse(json!({
            "ca_file": "ca.pem", "cert": "C", "key": "K", "server_name": "Example.org",
            "insecure_skip_verify": true, "min_version": "TLS10", "max_version": "TLS11",
        }))
        .unwrap();
        assert_eq!(settings.lowest_version(), TlsVersion::Tls10);
        let printed = serde_json::to_value(&settings).unwrap();
        for (key, expected) in [
            ("ca_file", json!("ca.pem")),
            ("cert", json!("C")),
            ("key", json!("<secret>")),
            ("server_name", json!("Example.org")),
            ("insecure_skip_verify", json!(true)),
            ("min_version", json!("TLS10")),
            ("max_version", json!("TLS11")),
        ] {
            assert_eq!(printed[key], expected, "{key}");
        }
    }

    #[test]
    fn an_empty_section_is_the_default() {
        let settings = parse(json!({})).unwrap();
        assert_eq!(settings, TlsSettings::default());
        assert_eq!(settings.lowest_version(), TlsVersion::Tls12);
        assert_eq!(settings.highest_version(), TlsVersion::Tls13);
    }

    #[test]
    fn an_empty_reference_is_none() {
        assert!(parse(json!({"ca_ref": "", "ca_file": "ca.pem"})).is_ok());
    }

    #[test]
    fn bad_settings_say_what_is_wrong() {
        let cases = [
            (
                json!({"ca": "x", "ca_file": "y"}),
                "at most one of ca, ca_file & ca_ref must be configured",
            ),
            (
                json!({"ca": "x", "ca_ref": "y"}),
                "at most one of ca, ca_file & ca_ref must be configured",
            ),
            (
                json!({"cert": "x", "cert_file": "y", "key": "k"}),
                "at most one of cert, cert_file & cert_ref must be configured",
            ),
            (
                json!({"cert": "x", "key": "k", "key_file": "y"}),
                "at most one of key and key_file must be configured",
            ),
            (
                json!({"cert_file": "x"}),
                "exactly one of key or key_file must be configured when a client certificate is \
                 configured",
            ),
            (
                json!({"key_file": "x"}),
                "exactly one of cert or cert_file must be configured when a client key is \
                 configured",
            ),
            (
                json!({"ca_ref": "x"}),
                "ca_ref: secret managers are not supported; use ca or ca_file",
            ),
            (
                json!({"cert": "x", "key_ref": "y"}),
                "key_ref: secret managers are not supported; use key or key_file",
            ),
            (
                json!({"min_version": "TLS14"}),
                "unknown TLS version: TLS14 (one of TLS10, TLS11, TLS12, TLS13)",
            ),
            (
                json!({"min_version": "TLS13", "max_version": "TLS12"}),
                "min_version: TLS13 is higher than max_version TLS12; lower it or raise \
                 max_version",
            ),
            (
                json!({"max_version": "TLS11"}),
                "max_version: TLS11 is lower than the default of min_version, TLS12; set \
                 min_version to TLS11 or lower",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
        assert!(parse(json!({"verify": true})).unwrap_err().contains("unknown field `verify`"));
    }
}
