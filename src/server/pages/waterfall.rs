//! Waterfall diagram of the phases of a probe: a table with a timeline.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    probe::{
        ProbeReport,
        report::{HopReport, PhaseKind, PhaseReport, RepeatedHops, ShownHop, folded},
    },
    server::pages::format,
};

/// The scale of the timeline: the whole probe.
struct Scale {
    seconds: f64,
}

/// Minimum width of a bar in percent, so that it is visible.
const MIN_BAR_WIDTH: f64 = 0.4;

/// Maximum length of a text in the heading of a hop, in bytes.
const MAX_TEXT_BYTES: usize = 300;

/// Maximum number of intervals on the time axis; more do not fit on a phone.
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

    /// Returns the ticks of the time axis: round times, including 0.
    fn ticks(&self) -> Vec<Duration> {
        let least = self.seconds / MAX_TICKS;
        let decade = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0].map(|digit| digit * decade);
        let step = step.into_iter().find(|step| *step >= least).unwrap_or(10.0 * decade);
        let ticks = (0..5_u32).map(|index| step * f64::from(index));
        ticks
            .take_while(|tick| *tick < 0.97 * self.seconds)
            .map(|tick| Duration::try_from_secs_f64(tick).unwrap_or_default())
            .collect()
    }
}

/// Renders the diagram: all hops, and the exporter overhead.
pub(super) fn waterfall(report: &ProbeReport) -> Markup {
    let scale = Scale::of(report);
    let ticks = scale.ticks();
    let lines = html! {
        @for tick in ticks.iter().skip(1) {
            line x1={ (format::two_digits(scale.percent(*tick))) "%" } x2={ (format::two_digits(scale.percent(*tick))) "%" } y2="100%" {}
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
            caption.hidden { "Phases of the probe with start and duration" }
            thead {
                tr {
                    th scope="col" { "Phase" }
                    th.number.start scope="col" { "Start" }
                    th.number scope="col" { "Duration" }
                    th.drawn scope="col" { span.hidden { "Timeline" } (axis(&scale, &ticks)) }
                }
            }
            @for shown in folded(&report.hops) {
                tbody {
                    @match shown {
                        ShownHop::One(index, hop) => {
                            (heading(index, hop, report.hops.len()))
                            @for phase in &hop.phases {
                                (row(&phase.label(), Some(phase.start), took(phase), scale.phase(phase)))
                            }
                        }
                        ShownHop::Repeated(repeated) => {
                            (heading_of_repeated(&repeated))
                            @let (start, took) = repeated.span();
                            (row("all", Some(start), html! { (format::duration(took)) }, html! {
                                @for phase in repeated.hops.iter().flat_map(|hop| &hop.phases) { (scale.phase(phase)) }
                            }))
                        }
                    }
                }
            }
            tbody.own {
                (row("exporter overhead", None, html! { (format::duration(report.overhead())) }, html! {
                    @for (start, length) in gaps(report) { (scale.bar("own", start, length)) }
                }))
            }
        }
    }
}

/// Returns the phases of all hops.
pub(super) fn phases(report: &ProbeReport) -> impl Iterator<Item = &PhaseReport> {
    report.hops.iter().flat_map(|hop| &hop.phases)
}

fn axis(scale: &Scale, ticks: &[Duration]) -> Markup {
    html! {
        svg.axis aria-hidden="true" {
            @for (index, tick) in ticks.iter().enumerate() {
                text x={ (format::two_digits(scale.percent(*tick))) "%" } y="75%"
                    text-anchor=(if index == 0 { "start" } else { "middle" }) {
                    @if index == 0 { "0" } @else { (format::rounded_duration(*tick)) }
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
                        None => "no address",
                    }
                }
                @if let Some(response) = &hop.response { " " span.answer { (format::untrusted_up_to(response, MAX_TEXT_BYTES)) } }
            }
        }
    }
}

/// Renders the heading of hops that repeat earlier ones.
fn heading_of_repeated(repeated: &RepeatedHops<'_>) -> Markup {
    let RepeatedHops { first, hops } = repeated;
    html! {
        tr.hop {
            th scope="rowgroup" colspan="4" {
                span.step { (first + 1) " to " (first + hops.len()) } " "
                span.soft { (format::untrusted_up_to(&repeated.to_string(), MAX_TEXT_BYTES)) }
            }
        }
    }
}

fn took(phase: &PhaseReport) -> Markup {
    html! {
        (format::duration(phase.length))
        @if phase.incomplete { " " span.incomplete { "incomplete" } }
    }
}

/// The CSS class of a bar.
pub(super) fn class(phase: &PhaseReport) -> &'static str {
    if phase.incomplete {
        return "incomplete";
    }
    match phase.kind() {
        PhaseKind::Resolve => "resolve",
        PhaseKind::Connect => "connect",
        PhaseKind::Tls => "tls",
        PhaseKind::Wait => "wait",
        PhaseKind::Transfer => "transfer",
        PhaseKind::Aside => "aside",
    }
}

/// Returns start and length of the gaps between the phases: time spent in the exporter.
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
    fn ticks_are_round_and_few() {
        for (whole, expected) in [
            (0.1, vec![0, 50_000]),
            (0.0119, vec![0, 5_000, 10_000]),
            (7.9, vec![0, 2_000_000, 4_000_000, 6_000_000]),
            (0.000_004, vec![0, 1, 2, 3]),
        ] {
            let ticks = Scale { seconds: whole }.ticks();
            let ticks: Vec<_> = ticks.iter().map(Duration::as_micros).collect();
            assert_eq!(ticks, expected, "{whole}");
        }
    }

    #[test]
    fn bars_have_the_position_of_their_phases() {
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
    fn a_probe_without_duration_is_drawn() {
        let mut report = sample_report();
        report.duration = Duration::ZERO;
        report.hops[0].phases = vec![phase("connect", 0, 0)];
        let picture = waterfall(&report).into_string();
        assert!(picture.contains(r#"x="0%" width="0.4%""#), "{picture}");
        assert!(!picture.contains("NaN") && !picture.contains("inf%"), "{picture}");
    }
}
