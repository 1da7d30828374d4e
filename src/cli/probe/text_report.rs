//! The report of a probe as text for a terminal.

use std::time::SystemTime;

use anstyle::Style;

use super::waterfall;
use crate::{
    cli::output::{BOLD, DIM, ERROR, FIXED_SPACE, SUCCESS, WARNING, escaped, wrapped},
    diagnostics::{Failure, Part, PartKind, Refusal, Verdict, humanize},
    net::tls::{Certificate, StoredSession, Validity, VerifyResult},
    probe::{
        ProbeReport,
        report::{HopReport, ShownHop, folded, utc},
    },
};

/// Renders the report. The remaining validity of certificates is relative to `now`; `width` is that
/// of the terminal, if there is one.
pub(super) fn render(
    report: &ProbeReport,
    now: SystemTime,
    width: Option<usize>,
    verbose: bool,
) -> String {
    let mut page = verdict(report, width);
    for shown in folded(&report.hops) {
        page.push('\n');
        match shown {
            ShownHop::One(_, hop) => {
                page.push_str(&hop_text(report, hop, width));
                if let Some(tls) = &hop.tls {
                    page.push_str(&tls_text(report, tls, now, (width, verbose)));
                }
            }
            ShownHop::Repeated(repeated) => {
                page.push_str(&wrapped(&escaped(&repeated.to_string()), width, "", "  "));
                let took = humanize::duration(repeated.span().1);
                page.push_str(&wrapped(&took, width, &format!("  {DIM}all{DIM:#}  "), "  "));
            }
        }
    }
    page.push_str(&checks(report, width));
    if verbose {
        page = format!("{page}\n{BOLD}Log{BOLD:#}\n{}", log(report, width));
    }
    page
}

/// Renders the log of the probe, one line per entry, which is wrapped on a terminal.
pub(super) fn log(report: &ProbeReport, width: Option<usize>) -> String {
    report.log.iter().map(|entry| wrapped(&entry.to_logfmt(), width, "", "  ")).collect()
}

/// The verdict as one word, with its style.
pub(super) const fn word(verdict: &Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Ok => (SUCCESS, "ok"),
        Verdict::Failed(_) => (ERROR, "FAILED"),
        Verdict::Refused(_) => (WARNING, "REFUSED"),
    }
}

fn verdict(report: &ProbeReport, width: Option<usize>) -> String {
    let (style, word) = word(&report.verdict);
    let facts = [
        ("module", escaped(&report.module_name)),
        ("duration", humanize::duration(report.duration)),
        ("exporter overhead", humanize::duration(report.overhead())),
    ];
    // With fixed spaces, a long target begins in the first line too.
    let gap = [FIXED_SPACE; 2].iter().collect::<String>();
    let mut text = format!("{style}{word}{style:#}{gap}{}", escaped(&report.target));
    for (label, value) in facts {
        let fact = format!("{DIM}{label}{DIM:#} {value}").replace(' ', &FIXED_SPACE.to_string());
        text.extend(["  ", &fact]);
    }
    let mut page = wrapped(&text, width, "", "    ");
    let (cause, message, advice) = match &report.verdict {
        Verdict::Ok => return page,
        Verdict::Failed(Failure { stage, reason, message }) => {
            let advice = format!("{} {}", reason.meaning(), report.advice());
            (format!("{stage}: {reason}"), message, advice)
        }
        Verdict::Refused(Refusal { cause, message }) => {
            (cause.to_string(), message, format!("{} {}", cause.meaning(), report.advice()))
        }
    };
    page = format!("{page}\n  {style}{cause}{style:#}\n");
    page.push_str(&wrapped(&escaped(message), width, "  ", "  "));
    // The user of the command is the operator.
    if let Some(denial) = report.denial.as_ref().filter(|_| report.is_denied()) {
        page.push_str(&wrapped(&escaped(&denial.to_string()), width, "  ", "  "));
    }
    page.push_str(&wrapped(&advice, width, "  ", "  "));
    page
}

/// Indent of continuation lines after a label.
const INDENT: &str = "            ";

/// Maximum number of names shown of a certificate without a subject.
const MAX_NAMES: usize = 20;

fn hop_text(report: &ProbeReport, hop: &HopReport, width: Option<usize>) -> String {
    let names = waterfall::name_columns(&report.hops);
    let what = escaped(hop.url.as_deref().unwrap_or(&report.target));
    let address = match hop.address.as_deref() {
        None => format!(" {DIM}at{DIM:#} no address"),
        Some(address) if address == what => String::new(),
        Some(address) => format!(" {DIM}at{DIM:#} {address}"),
    };
    let mut text = wrapped(&format!("{BOLD}{what}{BOLD:#}{address}"), width, "", "  ");
    text.push_str(&waterfall::bars(&hop.phases, report.duration, names, width));
    // A status line says more.
    let has_status = hop.transcript.iter().any(|part| part.kind == PartKind::StatusLine);
    if let Some(response) = hop.response.as_ref().filter(|_| !has_status) {
        text.push_str(&labelled("response", [escaped(response)], width));
    }
    for part in &hop.transcript {
        text.push_str(&part_text(part, width));
    }
    text
}

/// Renders an excerpt of the response or of the dialogue.
fn part_text(part: &Part, width: Option<usize>) -> String {
    let label = match part.kind {
        PartKind::StatusLine => "response",
        other => other.label(),
    };
    let remark = match part.remark() {
        remark if part.text.is_empty() => Some(format!("{DIM}empty{DIM:#} {remark}")),
        remark if remark.is_empty() => None,
        remark => Some(format!("{DIM}({remark}){DIM:#}")),
    };
    labelled(label, part.lines().chain(remark), width)
}

/// Renders lines after a label.
fn labelled(label: &str, lines: impl IntoIterator<Item = String>, width: Option<usize>) -> String {
    let mut first =
        format!("  {DIM}{label}{DIM:#}{:1$}", "", INDENT.len().saturating_sub(label.len() + 2));
    let mut text = String::new();
    for line in lines {
        text.push_str(&wrapped(&line, width, &first, INDENT));
        INDENT.clone_into(&mut first);
    }
    text
}

fn tls_text(
    report: &ProbeReport,
    tls: &StoredSession,
    now: SystemTime,
    (width, verbose): (Option<usize>, bool),
) -> String {
    let session = match (tls.version, &tls.cipher) {
        (Some(version), Some(cipher)) => format!("{version} with {cipher}"),
        _ => "handshake not completed".to_owned(),
    };
    let style = if tls.verify_result == VerifyResult::Ok { SUCCESS } else { ERROR };
    let result = tls.verify_result.label();
    let detail = report.unreported_detail(tls).map(|detail| format!(": {}", escaped(detail)));
    let detail = detail.unwrap_or_default();
    let session = format!("{session}, certificate {style}{result}{style:#}{detail}");
    let first = format!("  {DIM}tls{DIM:#}       ");
    let mut text = wrapped(&session, width, &first, INDENT);
    for (index, certificate) in tls.certificates().enumerate() {
        text.push_str(&certificate_text(index, &certificate, now, width));
        if verbose {
            text.push_str(&certificate_details(&certificate, width));
        }
    }
    text
}

fn certificate_text(
    index: usize,
    certificate: &Certificate,
    now: SystemTime,
    width: Option<usize>,
) -> String {
    let (style, validity) = validity(certificate, now);
    let subject = match certificate.subject() {
        "" => certificate.names(MAX_NAMES).shown.join(", "),
        subject => subject.to_owned(),
    };
    let text = format!("{}, {style}{validity}{style:#}", escaped(&subject));
    wrapped(&text, width, &format!("    {index}. "), "       ")
}

/// The other facts of a certificate, one per line.
fn certificate_details(certificate: &Certificate, width: Option<usize>) -> String {
    let names = certificate.names(MAX_NAMES);
    let mut shown = names.shown.join(", ");
    if names.omitted > 0 {
        shown = format!("{shown} and {} more", names.omitted);
    }
    let [begin, end] = [certificate.not_before(), certificate.not_after()].map(utc);
    let facts = [
        ("issuer", certificate.issuer().to_owned()),
        ("names", shown),
        ("valid", format!("{begin} to {end}")),
        (
            "key",
            format!("{}, signed with {}", certificate.key(), certificate.signature_algorithm()),
        ),
        ("SHA-256", certificate.fingerprint_sha256().to_owned()),
    ];
    let lines = facts.iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| {
        wrapped(
            &escaped(value),
            width,
            &format!("       {DIM}{label:<8}{DIM:#} "),
            "                ",
        )
    });
    lines.collect()
}

/// The validity of a certificate with its date, and its style.
fn validity(certificate: &Certificate, now: SystemTime) -> (Style, String) {
    let validity = certificate.validity(now);
    let (style, moment) = match validity {
        Validity::NotYet(_) => (ERROR, certificate.not_before()),
        Validity::Expired(_) => (ERROR, certificate.not_after()),
        Validity::Valid(_) if validity.ends_soon() => (WARNING, certificate.not_after()),
        Validity::Valid(_) => (Style::new(), certificate.not_after()),
    };
    let date = chrono::DateTime::from_timestamp(moment, 0);
    let date =
        date.map(|date| date.format(" (%Y-%m-%d %H:%M UTC)").to_string()).unwrap_or_default();
    (style, format!("{validity}{date}"))
}

fn checks(report: &ProbeReport, width: Option<usize>) -> String {
    if report.checks.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{BOLD}Checks{BOLD:#}\n");
    for check in &report.checks {
        let name = escaped(&check.name.to_string());
        let line = match (check.message(), check.skipped) {
            (Some(message), _) => {
                let text = format!("{name}: {}", escaped(message));
                wrapped(&text, width, &format!("  {ERROR}FAILED{ERROR:#}  "), "          ")
            }
            (None, Some(reason)) => {
                let text = format!("{name}: not evaluated, because {reason}");
                wrapped(&text, width, &format!("  {DIM}-{DIM:#}       "), "          ")
            }
            (None, None) => {
                wrapped(&name, width, &format!("  {SUCCESS}ok{SUCCESS:#}      "), "          ")
            }
        };
        text.push_str(&line);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::{
        cli::probe::tests::{hop, refused, report},
        diagnostics::{Check, CheckName, log::LogEntry},
    };

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_report_has_verdict_hops_and_checks() {
        let mut report = report(100, Verdict::Failed(refused()));
        report.hops.push(hop("http://h/", &[("connect", 0, 25), ("processing", 25, 25)]));
        report.hops.push(hop("http://h/next", &[("connect", 50, 50)]));
        let parts = [
            (PartKind::StatusLine, "HTTP/1.1 503 Down"),
            (
                PartKind::Headers,
                "server: s\nx-long: a value of many words that needs several lines\n",
            ),
            (PartKind::Body, "<p>\n\t\u{1b}[31mred\n\nend"),
            (PartKind::Body, ""),
            (PartKind::Received, "\u{0}"),
        ];
        report.hops[1].transcript =
            parts.map(|(kind, text)| Part::of(kind, text.as_bytes())).to_vec();
        report.checks.push(Check::new(CheckName::of_key("valid_status_codes"), Ok(())));
        let skipped = Check::new(CheckName::of_key("fail_if_not_ssl"), Ok(()));
        report.checks.push(Check { skipped: Some("an earlier check failed"), ..skipped });
        report.checks.push(Check::new(CheckName::of_key("fail_if_ssl"), Err(refused())));
        let page = plain(&render(&report, UNIX_EPOCH, Some(72), false));
        insta::assert_snapshot!("page", page);
        report.target = format!("http://h/{}index.html", "a-long-part/".repeat(9));
        for width in [30, 60, 100, 160] {
            let page = plain(&render(&report, UNIX_EPOCH, Some(width), false));
            assert!(page.lines().all(|line| line.chars().count() <= width), "{width}\n{page}");
            assert!(page.lines().all(|line| line.trim_end() == line), "{width}\n{page}");
            insta::assert_snapshot!(format!("page_{width}"), page);
        }
    }

    #[test]
    fn the_turns_of_a_redirect_loop_are_one_entry() {
        let mut report = report(100, Verdict::Failed(refused()));
        for (index, url) in ["http://h/a", "http://h/b"].into_iter().cycle().take(10).enumerate() {
            let milliseconds = 10 * u64::try_from(index).unwrap();
            let start = Duration::from_millis(milliseconds);
            let phases = [("processing", milliseconds, 10)];
            report.hops.push(HopReport { start, ..hop(url, &phases) });
        }
        let page = plain(&render(&report, UNIX_EPOCH, Some(80), false));
        let told =
            "\n… ×7 the same URLs and responses again: http://h/a → http://h/b\n  all  70.0 ms\n\n";
        assert!(page.contains(told), "{page}");
        assert_eq!(page.matches("processing").count(), 3, "{page}");
    }

    #[test]
    fn lines_of_the_log_are_wrapped_on_a_terminal_only() {
        let mut report = report(100, Verdict::Ok);
        report.log.push(LogEntry {
            time: UNIX_EPOCH,
            level: ::log::Level::Debug,
            message: "Resolving target address".to_owned(),
            fields: vec![
                ("target", "a.example".to_owned()),
                ("wanted", "ip6, else ip4".to_owned()),
            ],
        });
        let line = log(&report, None);
        assert_eq!(line.lines().count(), 1, "{line}");
        let page = plain(&render(&report, UNIX_EPOCH, Some(60), true));
        let (_, entries) = page.split_once("\nLog\n").unwrap();
        assert!(entries.lines().all(|line| line.len() <= 60), "{entries}");
        assert_eq!(entries.replace("\n  ", " "), line);
    }

    #[test]
    fn a_refusal_has_its_cause_and_advice() {
        let report = report(100, Verdict::Refused(Refusal::body_memory()));
        let page = plain(&render(&report, UNIX_EPOCH, None, false));
        assert!(page.starts_with("REFUSED  http://h/  module web"), "{page}");
        let [meaning, advice] = [report.verdict.refusal().unwrap().cause]
            .map(|cause| [cause.meaning(), cause.advice()])[0];
        for text in ["\n  body_memory\n  Overloaded: ", meaning, advice] {
            assert!(page.contains(text), "{text:?} in {page}");
        }
    }

    #[test]
    fn certificates_are_shown_with_their_validity() {
        let mut params = CertificateParams::new(vec!["h".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 3, 1);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap();
        let certificate = Certificate::from_der(der.der()).unwrap();
        for (days, expected) in [
            (20_452, (ERROR, "becomes valid in 2 days (2026-01-01 00:00 UTC)")),
            (20_454, (Style::new(), "expires in 59 days (2026-03-01 00:00 UTC)")),
            (20_511, (WARNING, "expires in 2 days (2026-03-01 00:00 UTC)")),
            (20_515, (ERROR, "expired 2 days ago (2026-03-01 00:00 UTC)")),
        ] {
            let now = UNIX_EPOCH + Duration::from_hours(24 * days);
            let (style, text) = validity(&certificate, now);
            assert_eq!((style, text.as_str()), expected);
        }
        let details = plain(&certificate_details(&certificate, None));
        for line in ["names    h\n", "valid    2026-01-01T00:00:00Z to 2026-03-01T00:00:00Z\n"] {
            assert!(details.contains(line), "{details}");
        }
    }
}
