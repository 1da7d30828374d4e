//! Repeated probes: a status line that is updated on a terminal, or one line per probe; and a
//! summary at the end.

use std::future::pending;

use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use tokio::time::{Instant, sleep_until};

use super::{OutputFormat, Probe, Watch, line_of, statistics::Statistics, text_report};
use crate::{
    app::ProbeRunner,
    cli::{
        exit_code::ExitStatus,
        output::{BOLD, DIM, ERROR, Output, WARNING, escaped, wrapped},
    },
    diagnostics::{Verdict, humanize, logfmt},
    probe::{ProbeReport, ProbeRequest},
    settings::redact,
};

/// Repeats the probe until the count is reached or Ctrl-C is pressed.
pub(super) async fn run(
    watch: Watch,
    probe: &Probe,
    runner: &ProbeRunner,
    request: &ProbeRequest,
    output: &mut Output,
) -> ExitStatus {
    let stop = interrupted().boxed().shared();
    let mut statistics = Statistics::default();
    let mut status = StatusLine::default();
    let has_status_line =
        probe.format == OutputFormat::Text && !probe.verbose && output.is_terminal();
    while watch.count.is_none_or(|count| statistics.runs() < count) {
        let begun = Instant::now();
        let report = runner.probe(request.clone(), stop.clone()).await;
        if stop.peek().is_some() {
            // The probe was aborted by Ctrl-C; its result does not count.
            break;
        }
        statistics.add(&report);
        if has_status_line {
            status.update(&report, &statistics, output);
        } else if probe.format == OutputFormat::Text {
            output.print(&line(&report));
            if probe.verbose {
                let log = text_report::log(&report, output.width());
                output.print(&log);
            }
        } else {
            probe.print(&report, output);
        }
        if watch.count == Some(statistics.runs()) {
            break;
        }
        let next = sleep_until(begun + watch.interval);
        if let Either::Right(_) = select(Box::pin(next), stop.clone()).await {
            break;
        }
    }
    if probe.format == OutputFormat::Text {
        status.finish(output);
        output.print(&summary(&request.target.name, &statistics, output.width()));
    }
    match (statistics.probes, statistics.failed()) {
        (0, _) => ExitStatus::Unusable,
        (_, 0) => ExitStatus::Success,
        _ => ExitStatus::Failure,
    }
}

/// Completes when Ctrl-C is pressed.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler, the signal ends the process.
        pending::<()>().await;
    }
}

/// The line about a probe if there is no status line.
fn line(report: &ProbeReport) -> String {
    line_of(&format!("{} {}", logfmt::timestamp(report.started), verdict(report)))
}

fn verdict(report: &ProbeReport) -> String {
    let ((style, word), duration) =
        (text_report::word(&report.verdict), humanize::duration(report.duration));
    let text = format!("{style}{word}{style:#} {duration}");
    if report.verdict.is_ok() { text } else { format!("{text} {}", escaped(&report.summary())) }
}

/// The status line on a terminal.
#[derive(Debug, Default)]
struct StatusLine {
    /// Width of the current text in columns.
    columns: usize,
    /// The last result, as printed above the status line.
    last: Option<String>,
}

impl StatusLine {
    /// Updates the line. If the result has changed, it is printed above the line.
    fn update(&mut self, report: &ProbeReport, statistics: &Statistics, output: &mut Output) {
        let kind = match &report.verdict {
            Verdict::Ok => "ok".to_owned(),
            Verdict::Failed(failure) => format!("{}: {}", failure.stage, failure.reason),
            Verdict::Refused(refusal) => refusal.cause.to_string(),
        };
        let is_first_success = self.last.is_none() && report.verdict.is_ok();
        if self.last.as_deref() != Some(kind.as_str()) && !is_first_success {
            self.clear(output);
            let clock = chrono::DateTime::<chrono::Local>::from(report.started).format("%H:%M:%S");
            let first = format!("{DIM}{clock}{DIM:#} ");
            output.print(&wrapped(&verdict(report), output.width(), &first, "         "));
        }
        self.last = Some(kind);
        let room = output.width().unwrap_or(usize::MAX).saturating_sub(1);
        let lines = lines(report, statistics);
        let fits = |line: &&String| textwrap::core::display_width(line) <= room;
        let line = lines.iter().find(fits).or(lines.last()).map_or("", String::as_str);
        let columns = textwrap::core::display_width(line);
        let rest =
            " ".repeat(self.columns.saturating_sub(columns).min(room.saturating_sub(columns)));
        output.print(&format!("\r{line}{rest}"));
        self.columns = columns;
    }

    /// Clears the line.
    fn clear(&mut self, output: &mut Output) {
        if self.columns > 0 {
            output.print(&format!("\r{}\r", " ".repeat(self.columns)));
            self.columns = 0;
        }
    }

    /// Keeps the line and continues below it.
    fn finish(&mut self, output: &mut Output) {
        if self.columns > 0 {
            output.print("\n");
            self.columns = 0;
        }
    }
}

/// The possible texts of the status line, the longest first.
fn lines(report: &ProbeReport, statistics: &Statistics) -> [String; 4] {
    let (style, word) = text_report::word(&report.verdict);
    let verdict = format!("{style}{word}{style:#}");
    let (latest, probes) = (humanize::duration(report.duration), statistics.probes);
    let head = format!("{verdict}  {latest}  {DIM}probes{DIM:#} {probes}  {}", counts(statistics));
    let with =
        |names| [head.clone(), durations(statistics, names)].join("  ").trim_end().to_owned();
    [
        with(&ALL_PERCENTILES),
        with(&MAIN_PERCENTILES),
        with(&[]),
        format!("{verdict} {probes}/{}", statistics.failed()),
    ]
}

/// The numbers of failed and, if there are any, of refused probes.
fn counts(statistics: &Statistics) -> String {
    let (failed, percent) = (statistics.failed(), statistics.failed_percent());
    let style = if failed == 0 { DIM } else { WARNING };
    let text = format!("{style}failed{style:#} {failed} ({percent} %)");
    match statistics.refused() {
        0 => text,
        refused => format!("{text}  {WARNING}refused{WARNING:#} {refused}"),
    }
}

/// The percentiles of the durations of successes.
const ALL_PERCENTILES: [(&str, usize); 4] = [("min", 0), ("median", 50), ("p95", 95), ("max", 100)];

/// The percentiles on a narrow terminal.
const MAIN_PERCENTILES: [(&str, usize); 2] = [("median", 50), ("p95", 95)];

fn durations(statistics: &Statistics, named: &[(&str, usize)]) -> String {
    let shown = named.iter().filter_map(|(name, percent)| {
        let reading = statistics.percentile(*percent)?;
        Some(format!("{DIM}{name}{DIM:#} {}", humanize::duration(reading)))
    });
    shown.collect::<Vec<_>>().join("  ")
}

/// The summary of all probes; `width` is that of the terminal, if there is one.
fn summary(target: &str, statistics: &Statistics, width: Option<usize>) -> String {
    let (target, probes) = (escaped(&redact::url(target)), statistics.probes);
    let head =
        format!("{BOLD}{target}{BOLD:#}  {DIM}probes{DIM:#} {probes}  {}", counts(statistics));
    let durations = durations(statistics, &ALL_PERCENTILES);
    let reasons = statistics.reasons();
    let reasons = reasons.iter().map(|(reason, count)| format!("{ERROR}{reason}{ERROR:#} {count}"));
    let causes = statistics.causes();
    let causes = causes.map(|(cause, count)| format!("{WARNING}{cause}{WARNING:#} {count}"));
    let lines = [head, durations].into_iter().filter(|line| !line.is_empty());
    let lines = lines.chain(reasons).chain(causes);
    let lines = lines.map(|line| wrapped(&line, width, "", "  "));
    format!("\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{
            output::tests::{paper, rows},
            probe::tests::{refused, report},
        },
        diagnostics::Refusal,
    };

    #[test]
    fn the_status_line_is_updated_and_changes_are_printed_above_it() {
        for (columns, expected) in [
            (
                100,
                [
                    "connect: refused: connecting to h:80: refused\\x1b[2J",
                    "ok 8.00 ms",
                    "ok  8.00 ms  probes 3  failed 1 (33 %)  min 8.00 ms  median 8.00 ms",
                ],
            ),
            (40, ["FAILED 9.00 ms", "ok 8.00 ms", "ok  8.00 ms  probes 3  failed 1 (33 %)"]),
            (30, ["FAILED 9.00 ms", "ok 8.00 ms", "ok 3/1"]),
        ] {
            let (mut output, written) = paper(columns);
            let (mut status, mut statistics) = (StatusLine::default(), Statistics::default());
            let probes = [(1200, Verdict::Ok), (9, Verdict::Failed(refused())), (8, Verdict::Ok)];
            for report in probes.map(|(duration, verdict)| report(duration, verdict)) {
                statistics.add(&report);
                status.update(&report, &statistics, &mut output);
            }
            status.finish(&mut output);
            let rows = rows(&written, columns);
            let page = rows.join("\n");
            for text in expected {
                assert!(page.contains(text), "{columns}: {text}\n{page}");
            }
            assert!(rows.last().is_some_and(|row| row.starts_with("ok")), "{page}");
            assert!(!page.contains("FAILED  "), "nothing is left of earlier lines\n{page}");
        }
    }

    #[test]
    fn the_summary_counts_failures_by_reason_and_masks_passwords() {
        let mut statistics = Statistics::default();
        for _ in 0..3 {
            statistics.add(&report(9, Verdict::Failed(refused())));
        }
        statistics.add(&report(9, Verdict::Refused(Refusal::body_memory())));
        let text = anstream::adapter::strip_str(&summary("http://u:hunter2@h/", &statistics, None))
            .to_string();
        let head = "\nhttp://u:xxxxx@h/  probes 3  failed 3 (100 %)  refused 1\n";
        assert_eq!(text, format!("{head}connect: refused 3\nbody_memory 1\n"));
    }
}
