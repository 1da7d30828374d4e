//! The report as plain text, as returned for `debug=true` and by `/logs`.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use super::{HopReport, MAX_NAMES, ProbeReport, ShownHop, folded};
use crate::{
    diagnostics::{Failure, Part, Refusal, Verdict, logfmt::visible},
    metrics::{Escaping, Format},
    net::tls::{Certificate, StoredSession},
};

impl ProbeReport {
    /// Renders log, result, metrics and module.
    ///
    /// The three sections of upstream keep their headings and their order.
    #[must_use]
    pub fn debug_text(&self) -> String {
        let mut text = String::from("Logs for the probe:\n");
        for entry in &self.log {
            text.push_str(&entry.to_logfmt());
            text.push('\n');
        }
        text.push_str("\n\n\nResult of the probe:\n");
        // Writing to a String cannot fail.
        let _ = self.write_findings(&mut text);
        text.push_str("\n\n\nMetrics that would have been returned:\n");
        text.push_str(&self.metrics.render_as(Format::Text, Escaping::AllowUtf8));
        text.push_str("\n\n\nModule configuration:\n");
        text.push_str(&self.module.to_yaml());
        text
    }

    fn write_findings(&self, out: &mut String) -> fmt::Result {
        let seconds = self.duration.as_secs_f64();
        match &self.verdict {
            Verdict::Ok => writeln!(out, "Success after {seconds:.6} s")?,
            Verdict::Failed(Failure { stage, reason, message }) => {
                writeln!(out, "Failure after {seconds:.6} s, stage {stage}, reason {reason}")?;
                writeln!(out, "  {}", visible(message))?;
                writeln!(out, "  {} {}", reason.meaning(), self.advice())?;
            }
            Verdict::Refused(Refusal { cause, message }) => {
                writeln!(out, "Refused after {seconds:.6} s, cause {cause}")?;
                writeln!(out, "  {}", visible(message))?;
                writeln!(out, "  {} {}", cause.meaning(), self.advice())?;
            }
        }
        for shown in folded(&self.hops) {
            match shown {
                ShownHop::One(_, hop) => self.write_hop(out, hop)?,
                ShownHop::Repeated(repeated) => {
                    writeln!(out, "{}", visible(&repeated.to_string()))?;
                    let (start, length) = repeated.span();
                    write_phase(out, "all", start, length, "")?;
                }
            }
        }
        for check in &self.checks {
            let name = visible(&check.name.to_string());
            match (check.message(), check.skipped) {
                (Some(message), _) => writeln!(out, "Check {name}: failed: {}", visible(message))?,
                (None, Some(reason)) => writeln!(out, "Check {name}: not evaluated: {reason}")?,
                (None, None) => writeln!(out, "Check {name}: passed")?,
            }
        }
        Ok(())
    }

    fn write_hop(&self, out: &mut String, hop: &HopReport) -> fmt::Result {
        let what = visible(hop.url.as_deref().unwrap_or("Exchange"));
        match &hop.address {
            Some(address) => writeln!(out, "{what} at {}", visible(address))?,
            // The probe ended before its first exchange.
            None if hop.url.is_none() => {}
            None => writeln!(out, "{what}, no address")?,
        }
        if let Some(response) = &hop.response {
            writeln!(out, "  Response: {}", visible(response))?;
        }
        for part in &hop.transcript {
            write_part(out, part)?;
        }
        for phase in &hop.phases {
            let incomplete = if phase.incomplete { ", incomplete" } else { "" };
            write_phase(out, &phase.label(), phase.start, phase.length, incomplete)?;
        }
        hop.tls.as_ref().map_or(Ok(()), |tls| self.write_tls(out, tls))
    }

    fn write_tls(&self, out: &mut String, tls: &StoredSession) -> fmt::Result {
        match (tls.version, &tls.cipher) {
            (Some(version), Some(cipher)) => writeln!(out, "  {version} with {cipher}")?,
            _ => writeln!(out, "  TLS handshake not completed")?,
        }
        let verdict = tls.verify_result.label();
        match self.unreported_detail(tls) {
            None => writeln!(out, "  Verification: {verdict}")?,
            Some(detail) => writeln!(out, "  Verification: {verdict}: {}", visible(detail))?,
        }
        for (index, certificate) in tls.certificates().enumerate() {
            write_certificate(out, index, &certificate)?;
        }
        Ok(())
    }
}

fn write_phase(
    out: &mut String,
    label: &str,
    start: Duration,
    length: Duration,
    remark: &str,
) -> fmt::Result {
    let (start, length) = (start.as_secs_f64(), length.as_secs_f64());
    writeln!(out, "  {label:<16} {length:.6} s, start {start:.6} s{remark}")
}

fn write_part(out: &mut String, part: &Part) -> fmt::Result {
    let (title, remark) = (part.kind.title(), part.remark());
    let remark = if remark.is_empty() { remark } else { format!(" ({remark})") };
    let lines: Vec<_> = part.lines().collect();
    match lines.as_slice() {
        [] => writeln!(out, "  {title}{remark}: empty"),
        [line] => writeln!(out, "  {title}{remark}: {line}"),
        lines => {
            writeln!(out, "  {title}{remark}:")?;
            lines.iter().try_for_each(|line| writeln!(out, "    {line}"))
        }
    }
}

fn write_certificate(out: &mut String, index: usize, certificate: &Certificate) -> fmt::Result {
    writeln!(out, "  Certificate {index}: {}", visible(certificate.subject()))?;
    writeln!(out, "    Issuer:      {}", visible(certificate.issuer()))?;
    let names = certificate.names(MAX_NAMES);
    if !names.shown.is_empty() {
        let omitted =
            if names.omitted > 0 { format!(" and {} more", names.omitted) } else { String::new() };
        writeln!(out, "    Names:       {}{omitted}", visible(&names.shown.join(", ")))?;
    }
    let [begin, end] = [certificate.not_before(), certificate.not_after()].map(super::utc);
    writeln!(out, "    Valid:       {begin} to {end}")?;
    writeln!(out, "    Key:         {}", certificate.key())?;
    writeln!(out, "    Signature:   {}", certificate.signature_algorithm())?;
    writeln!(out, "    Serial:      {}", certificate.serial_number())?;
    writeln!(out, "    SHA-256:     {}", certificate.fingerprint_sha256())
}
