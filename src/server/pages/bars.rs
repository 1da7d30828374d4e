//! Small bars with the phases of a probe, for lists. All bars of a list have one scale.

use std::time::Duration;

use maud::{Markup, html};

use crate::{
    probe::ProbeReport,
    server::pages::{
        format,
        waterfall::{class, phases},
    },
};

/// The scale of all bars of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    whole: Duration,
}

/// The part of the probes whose bars are shown as a whole. A single timeout would make all other bars
/// invisible.
const WHOLE_PART: (usize, usize) = (9, 10);

/// Minimum width of a bar in percent, so that it is visible.
const MIN_WIDTH: f64 = 0.8;

/// Colours of the legend: class, name and, if the name does not tell, the meaning.
const LEGEND: [(&str, &str, Option<&str>); 7] = [
    ("resolve", "resolve", None),
    ("connect", "connect", None),
    ("tls", "tls", None),
    ("wait", "processing", Some("wait for the first byte of the response")),
    ("transfer", "transfer", None),
    ("aside", "proxy, token", None),
    ("incomplete", "incomplete", None),
];

impl Scale {
    /// Returns a scale on which most of the probes fit: a round time.
    pub(super) fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut durations: Vec<_> = durations.collect();
        durations.sort_unstable();
        let (part, whole) = WHOLE_PART;
        let place = (durations.len() * part).div_ceil(whole).saturating_sub(1);
        let longest = durations.get(place).copied().unwrap_or_default();
        let steps = (0..9).flat_map(|power| {
            [1, 2, 5].map(|digit| Duration::from_micros(100) * digit * 10_u32.pow(power))
        });
        Self { whole: steps.into_iter().find(|step| *step >= longest).unwrap_or(longest) }
    }

    fn percent(self, time: Duration) -> f64 {
        100.0 * time.as_secs_f64() / self.whole.as_secs_f64().max(1e-9)
    }

    /// Renders the legend.
    pub(super) fn legend(self) -> Markup {
        html! {
            p.legend.soft {
                "Phases, 0 to " (format::rounded_duration(self.whole)) ":"
                @for (class, name, meaning) in LEGEND {
                    span title=[meaning] { svg.key aria-hidden="true" { rect class=(class) width="100%" height="100%" {} } (name) }
                }
                span { svg.key aria-hidden="true" { rect.cut width="100%" height="100%" {} } "longer" }
            }
        }
    }

    /// Renders all phases of a probe in one bar.
    pub(super) fn bar(self, report: &ProbeReport) -> Markup {
        let texts = phases(report).map(|phase| {
            let incomplete = if phase.incomplete { " (incomplete)" } else { "" };
            format!("{} {}{incomplete}", phase.label(), format::duration(phase.length))
        });
        let texts: Vec<_> = texts.collect();
        let text = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
        html! {
            svg.bar.small role="img" {
                title { "Phases: " (text) }
                @for phase in phases(report).filter(|phase| phase.start < self.whole) {
                    @let width = self.percent(phase.length).max(MIN_WIDTH);
                    @let x = self.percent(phase.start).min(100.0 - MIN_WIDTH);
                    @let width = width.min(100.0 - x);
                    rect class=(class(phase)) x={ (format::two_digits(x)) "%" } width={ (format::two_digits(width)) "%" } height="100%" {}
                }
                @if report.duration > self.whole {
                    rect.cut x="97%" width="3%" height="100%" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::pages::report::tests::sample_report;

    fn scale(milliseconds: &[u64]) -> Duration {
        Scale::of(milliseconds.iter().copied().map(Duration::from_millis)).whole
    }

    #[test]
    fn the_scale_is_round_and_a_single_timeout_does_not_change_it() {
        assert_eq!(scale(&[30]), Duration::from_millis(50));
        assert_eq!(scale(&[30, 40, 40, 40, 40, 40, 40, 40, 40, 5_000]), Duration::from_millis(50));
        assert_eq!(scale(&[3_000, 5_000]), Duration::from_secs(5));
        assert_eq!(scale(&[]), Duration::from_micros(100));
    }

    #[test]
    fn bars_have_the_position_of_their_phases_and_long_ones_are_cut_off() {
        let report = sample_report();
        let bar = |milliseconds| {
            let scale = Scale { whole: Duration::from_millis(milliseconds) };
            scale.bar(&report).into_string()
        };
        let whole = bar(100);
        assert!(whole.contains(r#"class="connect" x="1%" width="4%""#), "{whole}");
        assert!(!whole.contains("class=\"cut\""), "{whole}");
        let cut = bar(10);
        assert!(cut.contains(r#"class="incomplete" x="60%" width="40%""#), "{cut}");
        assert!(cut.contains("class=\"cut\""), "{cut}");
    }

    #[test]
    fn the_legend_names_the_phases_like_the_bars() {
        let legend = scale_of_one_second().legend().into_string();
        let bar = scale_of_one_second().bar(&sample_report()).into_string();
        assert!(bar.contains("processing "), "{bar}");
        assert!(legend.contains("processing") && !legend.contains("</svg>response"), "{legend}");
        assert!(legend.contains("title=\"wait for the first byte of the response\""), "{legend}");
    }

    fn scale_of_one_second() -> Scale {
        Scale { whole: Duration::from_secs(1) }
    }

    #[test]
    fn a_probe_without_duration_is_drawn() {
        let mut report = sample_report();
        report.duration = Duration::ZERO;
        report.hops.iter_mut().for_each(|hop| hop.phases.truncate(1));
        report.hops.iter_mut().flat_map(|hop| &mut hop.phases).for_each(|phase| {
            (phase.start, phase.length) = (Duration::ZERO, Duration::ZERO);
        });
        let picture = Scale::of([Duration::ZERO].into_iter()).bar(&report).into_string();
        assert!(picture.contains(r#"x="0%" width="0.8%""#), "{picture}");
        assert!(!picture.contains("NaN") && !picture.contains("inf%"), "{picture}");
    }
}
