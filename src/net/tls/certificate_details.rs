//! Details of a certificate that only reports show.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use boring::pkey::Id;
use x509_parser::{
    asn1_rs::{FromDer as _, Oid},
    objects::{oid_registry, oid2sn},
    x509::X509Name,
};

use crate::{
    diagnostics::humanize,
    net::tls::{
        certificate::{self, Certificate, parse},
        distinguished_name,
        x509_extensions::{GeneralName, tag},
    },
};

/// The state of a certificate's validity period, by the rule of the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Not valid yet; the time until it is.
    NotYet(Duration),
    /// Valid; the time until it expires.
    Valid(Duration),
    /// Expired; the time since then.
    Expired(Duration),
}

/// The names of a certificate for display.
#[derive(Debug)]
pub struct Names {
    /// The first ones.
    pub shown: Vec<String>,
    /// Number of the others.
    pub omitted: usize,
}

impl Validity {
    /// The remaining time below which a certificate needs attention.
    const SOON: Duration = Duration::from_hours(14 * 24);

    /// Returns whether it is valid and expires soon.
    #[must_use]
    pub fn ends_soon(&self) -> bool {
        matches!(self, Self::Valid(left) if *left < Self::SOON)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet(wait) => {
                write!(formatter, "becomes valid in {}", humanize::long(*wait))
            }
            Self::Valid(left) => write!(formatter, "expires in {}", humanize::long(*left)),
            Self::Expired(ago) => write!(formatter, "expired {} ago", humanize::long(*ago)),
        }
    }
}

impl Certificate {
    /// Returns the state of the validity period at `now`. Both ends are part of the period.
    #[must_use]
    pub fn validity(&self, now: SystemTime) -> Validity {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let until = |moment: i64| Duration::from_secs(moment.abs_diff(now));
        let (begin, end) = (self.not_before(), self.not_after());
        if now < begin {
            Validity::NotYet(until(begin))
        } else if now > end {
            Validity::Expired(until(end))
        } else {
            Validity::Valid(until(end))
        }
    }

    /// Returns the first `max` subject alternative names in their order, of any type.
    #[must_use]
    pub fn names(&self, max: usize) -> Names {
        let names = parse(&self.der).map(|parsed| certificate::general_names(&parsed));
        let names = names.unwrap_or_default();
        let shown = names.iter().take(max).map(general_name).collect();
        Names { shown, omitted: names.len().saturating_sub(max) }
    }

    /// Returns the type of the key and its size in bits, such as `RSA 2048`.
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

    /// Returns the algorithm of the signature, such as `ecdsa-with-SHA256`.
    #[must_use]
    pub fn signature_algorithm(&self) -> String {
        parse(&self.der).map_or_else(String::new, |certificate| {
            let algorithm = &certificate.signature_algorithm.algorithm;
            let known = oid2sn(algorithm, oid_registry());
            known.map_or_else(|_| algorithm.to_id_string(), str::to_owned)
        })
    }
}

fn general_name((tag, content): &GeneralName<'_>) -> String {
    let text = || String::from_utf8_lossy(content);
    match *tag {
        tag::DNS => text().into_owned(),
        tag::IP_ADDRESS => address(content),
        tag::EMAIL => format!("email:{}", text()),
        tag::URI => format!("URI:{}", text()),
        tag::DIRECTORY => match X509Name::from_der(content) {
            Ok((_, directory)) => format!("directory:{}", distinguished_name::format(&directory)),
            Err(_) => "directory: malformed".to_owned(),
        },
        tag::REGISTERED_ID => format!("OID:{}", Oid::new((*content).into()).to_id_string()),
        _ => "another type of name".to_owned(),
    }
}

fn address(bytes: &[u8]) -> String {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ipv4Addr::from(octets).to_string();
    }
    <[u8; 16]>::try_from(bytes).map_or_else(
        |_| "an invalid address".to_owned(),
        |octets| Ipv6Addr::from(octets).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_tells_how_long_it_is_valid() {
        const DAY: u64 = 24 * 60 * 60;

        let mut params = CertificateParams::new(vec!["h".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 3, 1);
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let certificate = Certificate::from_der(der.der()).unwrap();
        for (seconds, text, soon) in [
            (20_452 * DAY, "becomes valid in 2 days", false),
            (20_454 * DAY, "expires in 59 days", false),
            (20_500 * DAY, "expires in 13 days", true),
            (20_512 * DAY, "expires in 24 hours", true),
            (20_513 * DAY, "expires in 0 seconds", true),
            (20_513 * DAY + 1, "expired 1 second ago", false),
            (20_516 * DAY, "expired 3 days ago", false),
        ] {
            let validity = certificate.validity(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!((validity.to_string().as_str(), validity.ends_soon()), (text, soon));
        }
    }
}
