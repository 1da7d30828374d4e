//! Probing again and again: one line that is written anew on a terminal, one line for each probe
//! elsewhere, and what it all came to at the end.

use std::future::pending;

use futures_util::{
    FutureExt as _,
    future::{Either, select},
};
use tokio::time::{Instant, sleep_until};

use super::{Format, Probe, Watch, line_of, statistics::Statistics, text_report};
use crate::{
    app::ProbeRunner,
    cli::{
        exit_code::ExitStatus,
        output::{BOLD, DIM, ERROR, Output, SUCCESS, WARNING, harmless, wrapped},
    },
    diagnostics::{humanize, logfmt},
    probe::{ProbeReport, ProbeRequest},
    settings::redact,
};

/// Probes until there were enough or somebody presses Ctrl-C.
pub(super) async fn run(
    watch: Watch,
    probe: &Probe,
    runner: &ProbeRunner,
    request: &ProbeRequest,
    output: &mut Output,
) -> ExitStatus {
    let stop = interrupted().boxed().shared();
    let mut statistics = Statistics::default();
    let mut live = Live::default();
    let has_line = probe.format == Format::Text && !probe.verbose && output.is_terminal();
    while watch.count.is_none_or(|count| statistics.probes < count) {
        let begun = Instant::now();
        let report = runner.probe(request.clone(), stop.clone()).await;
        if stop.peek().is_some() {
            // Cut off by us, which says nothing about the target.
            break;
        }
        statistics.add(&report);
        if has_line {
            live.show(&report, &statistics, output);
        } else if probe.format == Format::Text {
            output.print(&line(&report));
            if probe.verbose {
                output.print(&text_report::log(&report));
            }
        } else {
            probe.print(&report, output);
        }
        if watch.count == Some(statistics.probes) {
            break;
        }
        let next = sleep_until(begun + watch.interval);
        if let Either::Right(_) = select(Box::pin(next), stop.clone()).await {
            break;
        }
    }
    if probe.format == Format::Text {
        live.leave(output);
        output.print(&summary(&request.target.name, &statistics, output.width()));
    }
    match (statistics.probes, statistics.lost()) {
        (0, _) => ExitStatus::Unusable,
        (_, 0) => ExitStatus::Success,
        _ => ExitStatus::Failure,
    }
}

/// Ends when somebody presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then the signal ends the process, as it does without us.
        pending::<()>().await;
    }
}

/// The line for a probe where lines stay.
fn line(report: &ProbeReport) -> String {
    line_of(&format!("{} {}", logfmt::timestamp(report.started), verdict(report)))
}

fn verdict(report: &ProbeReport) -> String {
    let duration = humanize::duration(report.duration);
    match &report.verdict {
        Ok(()) => format!("{SUCCESS}ok{SUCCESS:#} {duration}"),
        Err(_) => format!("{ERROR}FAILED{ERROR:#} {duration} {}", harmless(&report.summary())),
    }
}

/// The line that is written anew.
#[derive(Debug, Default)]
struct Live {
    /// Columns of what stands there now.
    columns: usize,
    /// The verdict that stands above it.
    last: Option<String>,
}

impl Live {
    /// Writes the line anew; a change of the verdict stays above it.
    fn show(&mut self, report: &ProbeReport, statistics: &Statistics, output: &mut Output) {
        let kind = match &report.verdict {
            Ok(()) => "ok".to_owned(),
            Err(failure) => format!("{}: {}", failure.stage, failure.reason),
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

    /// Makes room for lines that stay.
    fn clear(&mut self, output: &mut Output) {
        if self.columns > 0 {
            output.print(&format!("\r{}\r", " ".repeat(self.columns)));
            self.columns = 0;
        }
    }

    /// Lets the line stand, and goes on below it.
    fn leave(&mut self, output: &mut Output) {
        if self.columns > 0 {
            output.print("\n");
            self.columns = 0;
        }
    }
}

/// What the line may say, the longest first.
fn lines(report: &ProbeReport, statistics: &Statistics) -> [String; 4] {
    let (style, word) = match report.verdict {
        Ok(()) => (SUCCESS, "ok"),
        Err(_) => (ERROR, "FAILED"),
    };
    let verdict = format!("{style}{word}{style:#}");
    let (latest, probes) = (humanize::duration(report.duration), statistics.probes);
    let head = format!("{verdict}  {latest}  {DIM}probes{DIM:#} {probes}  {}", loss(statistics));
    let with = |names| [head.clone(), times(statistics, names)].join("  ").trim_end().to_owned();
    [with(&ALL), with(&MAIN), with(&[]), format!("{verdict} {probes}/{}", statistics.lost())]
}

fn loss(statistics: &Statistics) -> String {
    let (lost, share) = (statistics.lost(), statistics.loss());
    let style = if lost == 0 { DIM } else { WARNING };
    format!("{style}lost{style:#} {lost} ({share} %)")
}

/// What is told of the times of successes, by percentile.
const ALL: [(&str, usize); 4] = [("min", 0), ("median", 50), ("p95", 95), ("max", 100)];

/// The same where there is little room.
const MAIN: [(&str, usize); 2] = [("median", 50), ("p95", 95)];

fn times(statistics: &Statistics, named: &[(&str, usize)]) -> String {
    let shown = named.iter().filter_map(|(name, percent)| {
        let reading = statistics.percentile(*percent)?;
        Some(format!("{DIM}{name}{DIM:#} {}", humanize::duration(reading)))
    });
    shown.collect::<Vec<_>>().join("  ")
}

/// What all probes came to; `width` is that of the terminal, if there is one.
fn summary(target: &str, statistics: &Statistics, width: Option<usize>) -> String {
    let (target, probes) = (harmless(&redact::url(target)), statistics.probes);
    let head = format!("{BOLD}{target}{BOLD:#}  {DIM}probes{DIM:#} {probes}  {}", loss(statistics));
    let times = times(statistics, &ALL);
    let reasons = statistics.reasons();
    let reasons = reasons.iter().map(|(reason, count)| format!("{ERROR}{reason}{ERROR:#} {count}"));
    let lines = [head, times].into_iter().filter(|line| !line.is_empty()).chain(reasons);
    let lines = lines.map(|line| wrapped(&line, width, "", "  "));
    format!("\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{
        output::tests::{paper, rows},
        probe::tests::{refused, report},
    };

    #[test]
    fn the_live_line_is_written_anew_and_changes_stay_above_it() {
        for (columns, expected) in [
            (
                100,
                [
                    "connect: refused: connecting to h:80: refused\\x1b[2J",
                    "ok 8.00 ms",
                    "ok  8.00 ms  probes 3  lost 1 (33 %)  min 8.00 ms  median 8.00 ms",
                ],
            ),
            (40, ["FAILED 9.00 ms", "ok 8.00 ms", "ok  8.00 ms  probes 3  lost 1 (33 %)"]),
            (30, ["FAILED 9.00 ms", "ok 8.00 ms", "ok 3/1"]),
        ] {
            let (mut output, written) = paper(columns);
            let (mut live, mut statistics) = (Live::default(), Statistics::default());
            for report in [report(1200, Ok(())), report(9, Err(refused())), report(8, Ok(()))] {
                statistics.add(&report);
                live.show(&report, &statistics, &mut output);
            }
            live.leave(&mut output);
            let rows = rows(&written, columns);
            let page = rows.join("\n");
            for text in expected {
                assert!(page.contains(text), "{columns}: {text}\n{page}");
            }
            assert!(rows.last().is_some_and(|row| row.starts_with("ok")), "{page}");
            assert!(!page.contains("FAILED  "), "nothing is left of the lines before\n{page}");
        }
    }

    #[test]
    fn the_summary_counts_by_reason_and_shows_no_password() {
        let mut statistics = Statistics::default();
        for _ in 0..3 {
            statistics.add(&report(9, Err(refused())));
        }
        let text = anstream::adapter::strip_str(&summary("http://u:hunter2@h/", &statistics, None))
            .to_string();
        assert_eq!(text, "\nhttp://u:xxxxx@h/  probes 3  lost 3 (100 %)\nconnect: refused 3\n");
    }
}
