//! Waterfall diagram of phases on a terminal.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::{
    cli::output::DIM,
    diagnostics::humanize,
    probe::report::{HopReport, PhaseKind, PhaseReport},
};

/// Width of the bars without a terminal, in columns.
const DEFAULT_COLUMNS: usize = 48;

/// Maximum width of the bars in columns.
const MAX_COLUMNS: usize = 100;

/// Blocks of one to eight eighths of a column.
const EIGHTHS: [&str; 8] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// Minimum width of the bars in columns. With less, they are omitted.
const MIN_COLUMNS: usize = 6;

/// Width of the column of phase names, so that the bars of all hops are aligned.
pub(super) fn name_columns(hops: &[HopReport]) -> usize {
    let names = hops.iter().flat_map(|hop| &hop.phases).map(PhaseReport::label);
    names.map(|name| name.chars().count()).max().unwrap_or_default()
}

/// Renders one line per phase: its name in `names` columns, its duration, and its bar relative to
/// the duration `whole`.
pub(super) fn bars(
    phases: &[PhaseReport],
    whole: Duration,
    names: usize,
    width: Option<usize>,
) -> String {
    let before = 2 + names + 2 + TIME_COLUMNS + 2;
    let columns =
        width.map_or(DEFAULT_COLUMNS, |width| width.saturating_sub(before).min(MAX_COLUMNS));
    let line = |phase: &PhaseReport| {
        let (name, time) = (phase.label(), humanize::duration(phase.length));
        let (style, note) =
            if phase.incomplete { (DIM, " incomplete") } else { (style(phase.kind()), "") };
        let Some(columns) =
            columns.checked_sub(note.len()).filter(|columns| *columns >= MIN_COLUMNS)
        else {
            return format!("  {name:<names$}  {time:>TIME_COLUMNS$}\n");
        };
        let bar = bar(phase, whole, columns);
        format!("  {name:<names$}  {time:>TIME_COLUMNS$}  {style}{bar}{note}{style:#}\n")
    };
    phases.iter().map(line).collect()
}

/// Returns the style of a bar. The colours are close to those of the pages.
const fn style(kind: PhaseKind) -> Style {
    let color = match kind {
        PhaseKind::Resolve => AnsiColor::Magenta,
        PhaseKind::Connect => AnsiColor::Blue,
        PhaseKind::Tls => AnsiColor::Cyan,
        PhaseKind::Wait => AnsiColor::Yellow,
        PhaseKind::Transfer => AnsiColor::Green,
        PhaseKind::Aside => AnsiColor::BrightMagenta,
    };
    color.on_default()
}

/// Width of a duration in columns.
const TIME_COLUMNS: usize = 8;

/// Renders the bar of a phase with the space before it. A bar is at least one eighth of a column.
fn bar(phase: &PhaseReport, whole: Duration, columns: usize) -> String {
    let eighths = |time: Duration| {
        let share = time.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE);
        // At most 800, so the conversions lose nothing.
        let most = u32::try_from(columns * 8).unwrap_or(u32::MAX);
        let number = (share.clamp(0.0, 1.0) * f64::from(most)).round();
        (0..=most).rev().find(|eighth| f64::from(*eighth) <= number).unwrap_or_default()
    };
    let start =
        (eighths(phase.start) / 8).min(u32::try_from(columns.saturating_sub(1)).unwrap_or(0));
    let length = eighths(phase.length).max(1);
    let room = u32::try_from(columns).unwrap_or(u32::MAX).saturating_sub(start) * 8;
    let length = length.min(room);
    let count = |number: u32| usize::try_from(number).unwrap_or_default();
    let rest = count(length % 8).checked_sub(1).and_then(|rest| EIGHTHS.get(rest));
    let full = "█".repeat(count(length / 8));
    format!("{}{full}{}", " ".repeat(count(start)), rest.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(name: &'static str, start: u64, length: u64) -> PhaseReport {
        let [start, length] = [start, length].map(Duration::from_millis);
        PhaseReport { group: "", name, start, length, incomplete: false }
    }

    #[test]
    fn bars_show_start_and_duration() {
        let phases = [phase("resolve", 0, 10), phase("tls", 10, 25), phase("rest", 39, 0)];
        let shown = bars(&phases, Duration::from_millis(40), 7, None);
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], format!("  resolve   10.0 ms  {}", "█".repeat(12)));
        assert_eq!(lines[1], format!("  tls       25.0 ms  {}{}", " ".repeat(12), "█".repeat(30)));
        assert_eq!(lines[2], format!("  rest         0 µs  {}▏", " ".repeat(46)));
    }

    #[test]
    fn bars_stay_within_the_terminal() {
        let phases = [phase("a_very_long_name", 0, 900), phase("b", 990, 500)];
        for width in [30, 40, 80, 160] {
            let shown = bars(&phases, Duration::from_secs(1), 16, Some(width));
            let shown = anstream::adapter::strip_str(&shown).to_string();
            for line in shown.lines() {
                assert!(line.chars().count() <= width.max(30), "{width}: {line}");
            }
        }
    }
}
