//! What TLS taught at each hop, with the certificates that were sent.

use std::time::SystemTime;

use maud::{Markup, html};

use crate::{
    net::tls::{Certificate, TlsSession, VerifyResult},
    probe::report::{HopReport, utc},
    server::pages::words,
};

/// Names of one certificate that are shown; some have hundreds.
const MOST_NAMES: usize = 50;

/// Bytes of one of them, and of a URL.
const LONGEST_NAME: usize = 300;

/// Certificates of one chain that are shown; a server can send what it likes.
const MOST_CERTIFICATES: usize = 12;

/// All sessions of a probe; nothing if it had none.
pub(super) fn sessions(hops: &[HopReport], now: SystemTime) -> Markup {
    let sessions: Vec<_> = hops
        .iter()
        .enumerate()
        .filter_map(|(index, hop)| hop.tls.as_ref().map(|tls| (index, hop, tls)))
        .collect();
    html! {
        @if !sessions.is_empty() {
            section {
                h2 { "TLS" }
                @for (place, (index, hop, tls)) in sessions.iter().enumerate() {
                    @if hops.len() > 1 {
                        h3 {
                            span.step { (index + 1) } " "
                            @if let Some(url) = &hop.url { span.code { (words::told_briefly(url, LONGEST_NAME)) } }
                        }
                    }
                    (session(tls))
                    @let earlier = sessions.iter().take(place);
                    @if let Some((known, ..)) = earlier.clone().find(|it| it.2.peer_chain == tls.peer_chain) {
                        p.soft { "The same certificates as in step " (known + 1) "." }
                    } @else {
                        (chain(tls, now))
                    }
                }
            }
        }
    }
}

fn session(tls: &TlsSession) -> Markup {
    let verified = tls.verify_result == VerifyResult::Ok;
    html! {
        dl.facts {
            div {
                dt { "Verification" }
                dd {
                    span.mark.good[verified].bad[!verified] { (tls.verify_result.label()) }
                    @if !tls.verify_detail.is_empty() { " " (words::told(&tls.verify_detail)) }
                }
            }
            div {
                dt { "Session" }
                dd {
                    @match (tls.version, &tls.cipher) {
                        (Some(version), Some(cipher)) => { (version) ", " (cipher) }
                        _ => "the handshake was not completed",
                    }
                }
            }
            @if let Some(alpn) = &tls.alpn {
                div { dt { "Protocol" } dd { (words::told(&String::from_utf8_lossy(alpn))) } }
            }
        }
    }
}

fn chain(tls: &TlsSession, now: SystemTime) -> Markup {
    let beyond = tls.peer_chain.len().saturating_sub(MOST_CERTIFICATES);
    html! {
        @for (index, one) in tls.peer_chain.iter().take(MOST_CERTIFICATES).enumerate() {
            (certificate(one, index == 0, now))
        }
        @if beyond > 0 { p.soft { "and " (beyond) " more" } }
    }
}

/// The server's own is open, and so is any that explains a failure.
fn certificate(certificate: &Certificate, is_own: bool, now: SystemTime) -> Markup {
    let (is_valid, validity) = validity(certificate, now);
    let rows = [
        ("Key", certificate.key()),
        ("Signature", certificate.signature_algorithm()),
        ("Serial number", certificate.serial_number().to_owned()),
        ("SHA-256", certificate.fingerprint_sha256().to_owned()),
    ];
    html! {
        details.certificate open[is_own || !is_valid] {
            summary {
                span.subject { (words::told(certificate.subject())) }
                " "
                span.mark.good[is_valid].bad[!is_valid] { (validity) }
            }
            dl.facts {
                div { dt { "Issuer" } dd { (words::told(certificate.issuer())) } }
                (names(&certificate.all_names()))
                div {
                    dt { "Valid" }
                    dd { (utc(certificate.not_before())) " to " (utc(certificate.not_after())) }
                }
                @for (name, value) in &rows {
                    div { dt { (name) } dd.code { (words::told(value)) } }
                }
            }
        }
    }
}

fn names(names: &[String]) -> Markup {
    let beyond = names.len().saturating_sub(MOST_NAMES);
    html! {
        @if !names.is_empty() {
            div {
                dt { "Names" }
                dd {
                    @for (index, name) in names.iter().take(MOST_NAMES).enumerate() {
                        @if index > 0 { ", " }
                        (words::told_briefly(name, LONGEST_NAME))
                    }
                    @if beyond > 0 { " and " (beyond) " more" }
                }
            }
        }
    }
}

/// Whether it is valid now, and for how long.
fn validity(certificate: &Certificate, now: SystemTime) -> (bool, String) {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let until = |moment: i64| words::long(moment.saturating_sub(now).unsigned_abs());
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    if now < begin {
        (false, format!("not valid for another {}", until(begin)))
    } else if now > end {
        (false, format!("expired {} ago", until(end)))
    } else {
        (true, format!("expires in {}", until(end)))
    }
}
