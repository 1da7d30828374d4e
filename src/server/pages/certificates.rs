//! The TLS sessions of a probe with their certificates.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    net::tls::{Certificate, Names, StoredSession, Validity, VerifyResult},
    probe::report::{HopReport, ShownHop, folded, utc},
    server::pages::format,
};

/// Maximum number of names shown of one certificate; some have hundreds.
const MAX_NAMES: usize = 50;

/// Maximum length of a name or URL in bytes.
const MAX_NAME_BYTES: usize = 300;

/// Maximum number of certificates shown of one chain.
const MAX_CERTIFICATES: usize = 12;

/// Renders all TLS sessions of a probe; nothing if it had none.
pub(super) fn sessions(hops: &[HopReport], now: SystemTime) -> Markup {
    let sessions: Vec<_> = folded(hops)
        .into_iter()
        .filter_map(|shown| match shown {
            ShownHop::One(index, hop) => hop.tls.as_ref().map(|tls| (index, hop, tls)),
            ShownHop::Repeated(_) => None,
        })
        .collect();
    html! {
        @if !sessions.is_empty() {
            section {
                h2 { "TLS" }
                @for (place, (index, hop, tls)) in sessions.iter().enumerate() {
                    @if hops.len() > 1 {
                        h3 {
                            span.step { (index + 1) } " "
                            @if let Some(url) = &hop.url { span.code { (format::untrusted_up_to(url, MAX_NAME_BYTES)) } }
                        }
                    }
                    (session(tls))
                    @let earlier = sessions.iter().take(place);
                    @if let Some((known, ..)) = earlier.clone().find(|it| it.2.sent == tls.sent) {
                        p.soft { "Same certificates as in step " (known + 1) "." }
                    } @else {
                        (chain(tls, now))
                    }
                }
            }
        }
    }
}

/// Returns the certificate of the last TLS session that expires first.
pub(super) fn first_to_expire(hops: &[HopReport]) -> Option<Certificate> {
    let tls = hops.iter().rev().find_map(|hop| hop.tls.as_ref())?;
    tls.certificates().take(MAX_CERTIFICATES).min_by_key(Certificate::not_after)
}

fn session(tls: &StoredSession) -> Markup {
    let verified = tls.verify_result == VerifyResult::Ok;
    html! {
        dl.facts {
            div {
                dt { "Verification" }
                dd {
                    span.mark.good[verified].bad[!verified] { (tls.verify_result.label()) }
                    @if !tls.verify_detail.is_empty() { " " (format::untrusted(&tls.verify_detail)) }
                }
            }
            div {
                dt { "Session" }
                dd {
                    @match (tls.version, &tls.cipher) {
                        (Some(version), Some(cipher)) => { (version) ", " (cipher) }
                        _ => "handshake not completed",
                    }
                }
            }
            @if let Some(alpn) = &tls.alpn {
                div { dt { "Protocol" } dd { (format::untrusted(&String::from_utf8_lossy(alpn))) } }
            }
        }
    }
}

fn chain(tls: &StoredSession, now: SystemTime) -> Markup {
    let beyond = tls.sent.len().saturating_sub(MAX_CERTIFICATES);
    html! {
        @for (index, one) in tls.certificates().take(MAX_CERTIFICATES).enumerate() {
            (certificate(&one, index == 0, now))
        }
        @if beyond > 0 { p.soft { "and " (beyond) " more" } }
    }
}

/// Renders one certificate. That of the server and invalid ones are expanded.
fn certificate(certificate: &Certificate, is_own: bool, now: SystemTime) -> Markup {
    let validity = certificate.validity(now);
    let class = class_of(&validity);
    let rows = [
        ("Key", certificate.key()),
        ("Signature", certificate.signature_algorithm()),
        ("Serial number", certificate.serial_number().to_owned()),
        ("SHA-256", certificate.fingerprint_sha256().to_owned()),
    ];
    html! {
        details.certificate open[is_own || class == BAD] {
            summary {
                span.subject { (format::untrusted(&subject(certificate))) }
                " "
                span.mark.(class) { (validity) }
            }
            dl.facts {
                div { dt { "Issuer" } dd { (format::untrusted(certificate.issuer())) } }
                (names(&certificate.names(MAX_NAMES)))
                div {
                    dt { "Valid" }
                    dd { (utc(certificate.not_before())) " to " (utc(certificate.not_after())) }
                }
                @for (name, value) in &rows {
                    div { dt { (name) } dd.code { (format::untrusted(value)) } }
                }
            }
        }
    }
}

fn names(Names { shown, omitted }: &Names) -> Markup {
    html! {
        @if !shown.is_empty() {
            div {
                dt { "Names" }
                dd {
                    @for (index, name) in shown.iter().enumerate() {
                        @if index > 0 { ", " }
                        (format::untrusted_up_to(name, MAX_NAME_BYTES))
                    }
                    @if *omitted > 0 { " and " (omitted) " more" }
                }
            }
        }
    }
}

/// The subject of a certificate, or its first name if the subject is empty.
fn subject(certificate: &Certificate) -> String {
    match certificate.subject() {
        "" => certificate.names(1).shown.pop().unwrap_or_else(|| "no subject".to_owned()),
        subject => subject.to_owned(),
    }
}

const GOOD: &str = "good";
const SOON: &str = "soon";
const BAD: &str = "bad";

/// The CSS class for a validity.
fn class_of(validity: &Validity) -> &'static str {
    match validity {
        Validity::NotYet(_) | Validity::Expired(_) => BAD,
        Validity::Valid(_) if validity.ends_soon() => SOON,
        Validity::Valid(_) => GOOD,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(subject: Option<&str>) -> Certificate {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 3, 1);
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(subject) = subject {
            params.distinguished_name.push(DnType::CommonName, subject);
        }
        let key = KeyPair::generate().unwrap();
        Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
    }

    #[test]
    fn certificates_that_expire_soon_or_are_invalid_are_marked() {
        for (days, class) in [(20_452, BAD), (20_454, GOOD), (20_500, SOON), (20_516, BAD)] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * days);
            assert_eq!(class_of(&certificate(None).validity(now)), class, "{days}");
        }
    }

    #[test]
    fn a_certificate_without_a_subject_is_shown_by_its_first_name() {
        assert_eq!(subject(&certificate(None)), "host.example");
        assert_eq!(subject(&certificate(Some("Somebody"))), "CN=Somebody");
    }
}
