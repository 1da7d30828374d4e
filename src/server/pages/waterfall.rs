//! Where the time of a probe went: a table whose last column draws it to scale.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    probe::{
        ProbeReport,
        report::{HopReport, PhaseReport},
    },
    server::pages::format,
};

/// From left to right: the whole of a probe.
struct Scale {
    seconds: f64,
}

/// The narrowest bar that can be seen, in percent; shorter ones are drawn like it.
const MIN_BAR_WIDTH: f64 = 0.4;

/// Bytes of one text in the heading of a hop.
const MAX_TEXT_BYTES: usize = 300;

/// About as many marks as a phone has room for.
const MAX_TICKS: f64 = 4.0;

impl Scale {
    fn of(report: &ProbeReport) -> Self {
        let ends = phases(report).map(|phase| phase.start + phase.length);
        let whole = ends.fold(report.duration, Duration::max);
        Self { seconds: whole.as_secs_f64().max(1e-9) }
    }

    fn percent(&self, time: Duration) -> f64 {
        100.0 * time.as_secs_f64() / self.seconds
    }

    fn bar(&self, class: &str, start: Duration, length: Duration) -> Markup {
        let width = self.percent(length).max(MIN_BAR_WIDTH);
        let x = self.percent(start).min(100.0 - width);
        html! { rect class=(class) x={ (format::two_digits(x)) "%" } width={ (format::two_digits(width)) "%" } height="100%" {} }
    }

    fn phase(&self, phase: &PhaseReport) -> Markup {
        self.bar(class(phase), phase.start, phase.length)
    }

    /// Round moments, the beginning among them and not the end.
    fn marks(&self) -> Vec<Duration> {
        let least = self.seconds / MAX_TICKS;
        let decade = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0].map(|digit| digit * decade);
        let step = step.into_iter().find(|step| *step >= least).unwrap_or(10.0 * decade);
        let marks = (0..5_u32).map(|index| step * f64::from(index));
        marks
            .take_while(|mark| *mark < 0.97 * self.seconds)
            .map(|mark| Duration::try_from_secs_f64(mark).unwrap_or_default())
            .collect()
    }
}

/// The whole picture, hop by hop, with what the exporter itself took.
pub(super) fn waterfall(report: &ProbeReport) -> Markup {
    let scale = Scale::of(report);
    let marks = scale.marks();
    let lines = html! {
        @for mark in marks.iter().skip(1) {
            line x1={ (format::two_digits(scale.percent(*mark))) "%" } x2={ (format::two_digits(scale.percent(*mark))) "%" } y2="100%" {}
        }
    };
    let row = |name: &str, start: Option<Duration>, took: Markup, bars: Markup| {
        html! {
            tr {
                th scope="row" { (name) }
                td.number.start { @if let Some(start) = start { "+" (format::duration(start)) } }
                td.number { (took) }
                td.drawn { svg.bar aria-hidden="true" { (lines) (bars) } }
            }
        }
    };
    html! {
        table.waterfall {
            caption.hidden { "The phases of the probe: when each began, and how long it took" }
            thead {
                tr {
                    th scope="col" { "Phase" }
                    th.number.start scope="col" { "Began" }
                    th.number scope="col" { "Took" }
                    th.drawn scope="col" { span.hidden { "To scale" } (axis(&scale, &marks)) }
                }
            }
            @for (index, hop) in report.hops.iter().enumerate() {
                tbody {
                    (heading(index, hop, report.hops.len()))
                    @for phase in &hop.phases {
                        (row(&phase.label(), Some(phase.start), took(phase), scale.phase(phase)))
                    }
                }
            }
            tbody.own {
                (row("the exporter itself", None, html! { (format::duration(report.overhead())) }, html! {
                    @for (start, length) in gaps(report) { (scale.bar("own", start, length)) }
                }))
            }
        }
    }
}

/// One line of it, for a list of probes.
pub(super) fn small(report: &ProbeReport) -> Markup {
    let scale = Scale::of(report);
    let said = phases(report).map(|phase| {
        let incomplete = if phase.incomplete { " in vain" } else { "" };
        format!("{} {}{incomplete}", phase.label(), format::duration(phase.length))
    });
    let said: Vec<_> = said.collect();
    let said = if said.is_empty() { "none was measured".to_owned() } else { said.join(", ") };
    html! {
        svg.bar.small role="img" {
            title { "Phases: " (said) }
            @for phase in phases(report) { (scale.phase(phase)) }
        }
    }
}

fn phases(report: &ProbeReport) -> impl Iterator<Item = &PhaseReport> {
    report.hops.iter().flat_map(|hop| &hop.phases)
}

fn axis(scale: &Scale, marks: &[Duration]) -> Markup {
    html! {
        svg.axis aria-hidden="true" {
            @for (index, mark) in marks.iter().enumerate() {
                text x={ (format::two_digits(scale.percent(*mark))) "%" } y="75%"
                    text-anchor=(if index == 0 { "start" } else { "middle" }) {
                    @if index == 0 { "0" } @else { (format::rounded_duration(*mark)) }
                }
            }
        }
    }
}

fn heading(index: usize, hop: &HopReport, hops: usize) -> Markup {
    html! {
        tr.hop {
            th scope="rowgroup" colspan="4" {
                @if hops > 1 { span.step { (index + 1) } " " }
                @if let Some(url) = &hop.url { span.code { (format::untrusted_up_to(url, MAX_TEXT_BYTES)) } " " }
                span.soft {
                    @match &hop.address {
                        Some(address) => { "at " (format::untrusted(address)) }
                        None => "no address was known",
                    }
                }
                @if let Some(answer) = &hop.answer { " " span.answer { (format::untrusted_up_to(answer, MAX_TEXT_BYTES)) } }
            }
        }
    }
}

fn took(phase: &PhaseReport) -> Markup {
    html! {
        (format::duration(phase.length))
        @if phase.incomplete { " " span.vain { "in vain" } }
    }
}

/// What a bar looks like.
fn class(phase: &PhaseReport) -> &'static str {
    match (phase.incomplete, phase.group, phase.name) {
        (true, ..) => "in-vain",
        (_, "", "resolve") => "resolve",
        (_, "", "connect" | "setup") => "connect",
        (_, "", "tls") => "tls",
        (_, "", "transfer") => "transfer",
        (_, "", _) => "wait",
        _ => "aside",
    }
}

/// When nothing was waited for: the exporter's own time, as far as it lay between the phases.
fn gaps(report: &ProbeReport) -> Vec<(Duration, Duration)> {
    let mut spans: Vec<_> = phases(report).map(|it| (it.start, it.start + it.length)).collect();
    spans.push((report.duration, report.duration));
    spans.sort_unstable();
    let mut reached = Duration::ZERO;
    let mut gaps = Vec::new();
    for (start, end) in spans {
        if start > reached {
            gaps.push((reached, start.saturating_sub(reached)));
        }
        reached = reached.max(end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::pages::report::tests::sample_report;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn phase(name: &'static str, start: u32, length: u32) -> PhaseReport {
        let (start, length) = (start * MILLISECOND, length * MILLISECOND);
        PhaseReport { group: "", name, start, length, incomplete: false }
    }

    #[test]
    fn marks_are_round_and_few() {
        for (whole, expected) in [
            (0.1, vec![0, 50_000]),
            (0.0119, vec![0, 5_000, 10_000]),
            (7.9, vec![0, 2_000_000, 4_000_000, 6_000_000]),
            (0.000_004, vec![0, 1, 2, 3]),
        ] {
            let marks = Scale { seconds: whole }.marks();
            let marks: Vec<_> = marks.iter().map(Duration::as_micros).collect();
            assert_eq!(marks, expected, "{whole}");
        }
    }

    #[test]
    fn bars_lie_where_their_phases_do() {
        let mut report = sample_report();
        report.duration = 200 * MILLISECOND;
        report.hops[0].phases = vec![phase("resolve", 20, 30), phase("connect", 100, 100)];
        let page = waterfall(&report).into_string();
        for bar in [
            r#"<rect class="resolve" x="10%" width="15%" height="100%"></rect>"#,
            r#"<rect class="connect" x="50%" width="50%" height="100%"></rect>"#,
            r#"<rect class="own" x="0%" width="10%" height="100%"></rect>"#,
            r#"<rect class="own" x="25%" width="25%" height="100%"></rect>"#,
        ] {
            assert!(page.contains(bar), "no {bar} in {page}");
        }
        assert_eq!(page.matches("class=\"own\" x=").count(), 2, "{page}");
    }

    #[test]
    fn a_probe_that_took_no_time_is_drawn_too() {
        let mut report = sample_report();
        report.duration = Duration::ZERO;
        report.hops[0].phases = vec![phase("connect", 0, 0)];
        for picture in [waterfall(&report), small(&report)] {
            let picture = picture.into_string();
            assert!(picture.contains(r#"x="0%" width="0.4%""#), "{picture}");
            assert!(!picture.contains("NaN") && !picture.contains("inf%"), "{picture}");
        }
    }
}
