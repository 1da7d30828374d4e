//! One probe as a page for a terminal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::Style;

use super::waterfall;
use crate::{
    cli::screen::{BAD, FAINT, GOOD, NAME, ODD, harmless, wrapped},
    evidence::Failure,
    net::tls::{Certificate, TlsSession, VerifyResult},
    probe::{ProbeReport, report::HopReport},
};

/// The page; `now` tells how long certificates are still good, `width` is that of the terminal, if
/// there is one.
pub(super) fn shown(
    report: &ProbeReport,
    now: SystemTime,
    width: Option<usize>,
    verbose: bool,
) -> String {
    let mut page = verdict(report, width);
    for hop in &report.hops {
        page.push('\n');
        page.push_str(&hop_shown(report, hop, now, width));
    }
    page.push_str(&checks(report, width));
    if verbose {
        page = format!("{page}\n{NAME}Log{NAME:#}\n{}", log(report));
    }
    page
}

/// The log of the probe, one line for each entry.
pub(super) fn log(report: &ProbeReport) -> String {
    report.log.iter().map(|entry| entry.to_logfmt() + "\n").collect()
}

/// A time to be read at a glance.
pub(super) fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    if milliseconds < 10.0 {
        format!("{milliseconds:.3} ms")
    } else if milliseconds < 1000.0 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.3} s", milliseconds / 1000.0)
    }
}

fn verdict(report: &ProbeReport, width: Option<usize>) -> String {
    let (style, word) = match report.verdict {
        Ok(()) => (GOOD, "ok"),
        Err(_) => (BAD, "FAILED"),
    };
    let text = format!(
        "{}  {FAINT}module{FAINT:#} {}  {FAINT}in{FAINT:#} {}, {FAINT}our own{FAINT:#} {}",
        harmless(&report.target),
        report.module_name,
        time(report.duration),
        time(report.overhead())
    );
    let mut page = wrapped(&text, width, &format!("{style}{word}{style:#}  "), "    ");
    if let Err(Failure { stage, reason, message }) = &report.verdict {
        page = format!("{page}\n  {BAD}{stage}: {reason}{BAD:#}\n");
        page.push_str(&wrapped(&harmless(message), width, "  ", "  "));
        let advice = format!("{} {}", reason.meaning(), reason.advice());
        page.push_str(&wrapped(&advice, width, "  ", "  "));
    }
    page
}

fn hop_shown(
    report: &ProbeReport,
    hop: &HopReport,
    now: SystemTime,
    width: Option<usize>,
) -> String {
    let names = waterfall::columns_of_names(&report.hops);
    let what = harmless(hop.url.as_deref().unwrap_or(&report.target));
    let address = match hop.address.as_deref() {
        None => format!(" {FAINT}at{FAINT:#} no address"),
        Some(address) if address == what => String::new(),
        Some(address) => format!(" {FAINT}at{FAINT:#} {address}"),
    };
    let mut text = wrapped(&format!("{NAME}{what}{NAME:#}{address}"), width, "", "  ");
    text.push_str(&waterfall::bars(&hop.phases, report.duration, names, width));
    if let Some(answer) = &hop.answer {
        text.push_str(&wrapped(
            &harmless(answer),
            width,
            &format!("  {FAINT}answer{FAINT:#}  "),
            "          ",
        ));
    }
    if let Some(tls) = &hop.tls {
        text.push_str(&tls_shown(tls, now, width));
    }
    text
}

fn tls_shown(tls: &TlsSession, now: SystemTime, width: Option<usize>) -> String {
    let session = match (tls.version, &tls.cipher) {
        (Some(version), Some(cipher)) => format!("{version} with {cipher}"),
        _ => "the handshake was not completed".to_owned(),
    };
    let style = if tls.verify_result == VerifyResult::Ok { GOOD } else { BAD };
    let result = tls.verify_result.label();
    let detail = match tls.verify_detail.as_str() {
        "" => String::new(),
        detail => format!(": {}", harmless(detail)),
    };
    let session = format!("{session}, certificate {style}{result}{style:#}{detail}");
    let first = format!("  {FAINT}tls{FAINT:#}     ");
    let mut text = wrapped(&session, width, &first, "          ");
    for (index, certificate) in tls.peer_chain.iter().enumerate() {
        text.push_str(&certificate_shown(index, certificate, now, width));
    }
    text
}

fn certificate_shown(
    index: usize,
    certificate: &Certificate,
    now: SystemTime,
    width: Option<usize>,
) -> String {
    let (style, validity) = validity(certificate, now);
    let subject = match certificate.subject() {
        "" => certificate.all_names().join(", "),
        subject => subject.to_owned(),
    };
    let text = format!("{}, {style}{validity}{style:#}", harmless(&subject));
    wrapped(&text, width, &format!("    {index}. "), "       ")
}

/// Certificates with fewer days to live stand out.
const FEW_DAYS: i64 = 14;

/// Until when a certificate is good, and how that looks.
fn validity(certificate: &Certificate, now: SystemTime) -> (Style, String) {
    const DAY: i64 = 24 * 60 * 60;

    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let date = |time: i64| {
        let time = chrono::DateTime::from_timestamp(time, 0);
        time.map(|time| time.format("%Y-%m-%d").to_string()).unwrap_or_default()
    };
    let (begin, end) = (certificate.not_before(), certificate.not_after());
    if end <= now {
        (BAD, format!("expired on {}, {} ago", date(end), days((now - end) / DAY)))
    } else if begin > now {
        (BAD, format!("good only from {} on", date(begin)))
    } else {
        let left = (end - now) / DAY;
        let style = if left < FEW_DAYS { ODD } else { Style::new() };
        (style, format!("good until {}, {} left", date(end), days(left)))
    }
}

fn days(days: i64) -> String {
    format!("{days} day{}", if days == 1 { "" } else { "s" })
}

fn checks(report: &ProbeReport, width: Option<usize>) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{NAME}Checks{NAME:#}\n");
    for check in &report.checks {
        let name = harmless(&check.name.to_string());
        let line = match &check.failure {
            None => wrapped(&name, width, &format!("  {GOOD}ok{GOOD:#}      "), "          "),
            Some(failure) => {
                let text = format!("{name}: {}", harmless(&failure.message));
                wrapped(&text, width, &format!("  {BAD}FAILED{BAD:#}  "), "          ")
            }
        };
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::{
        cli::probe::tests::{hop, refused, report},
        evidence::{Check, CheckName},
    };

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_page_tells_verdict_hops_and_checks() {
        let mut report = report(100, Err(refused()));
        report.hops.push(hop("http://h/", &[("connect", 0, 25), ("processing", 25, 25)]));
        report.hops.push(hop("http://h/next", &[("connect", 50, 50)]));
        report.checks.push(Check::new(CheckName::of_key("valid_status_codes"), Ok(())));
        report.checks.push(Check::new(CheckName::of_key("fail_if_ssl"), Err(refused())));
        let page = plain(&shown(&report, UNIX_EPOCH, Some(72), false));
        insta::assert_snapshot!("page", page);
        for width in [30, 60, 160] {
            let page = plain(&shown(&report, UNIX_EPOCH, Some(width), false));
            assert!(page.lines().all(|line| line.chars().count() <= width), "{width}\n{page}");
        }
    }

    #[test]
    fn times_keep_the_digits_that_matter() {
        for (microseconds, expected) in
            [(7, "0.007 ms"), (9_876, "9.876 ms"), (12_345, "12.3 ms"), (1_234_567, "1.235 s")]
        {
            assert_eq!(time(Duration::from_micros(microseconds)), expected);
        }
    }

    #[test]
    fn certificates_say_how_long_they_are_good() {
        let mut params = CertificateParams::new(vec!["h".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 3, 1);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        let certificate = Certificate::from_der(der.der()).unwrap();
        for (days, expected) in [
            (20_453, "good only from 2026-01-01 on"),
            (20_455, "good until 2026-03-01, 58 days left"),
            (20_512, "good until 2026-03-01, 1 day left"),
            (20_515, "expired on 2026-03-01, 2 days ago"),
        ] {
            let now = UNIX_EPOCH + Duration::from_hours(24 * days);
            assert_eq!(validity(&certificate, now).1, expected);
        }
    }
}
