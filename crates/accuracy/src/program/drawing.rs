//! The parts of a drawing: panels with axes, lines and a legend.

use std::fmt::Write as _;

const PANEL_WIDTH: f64 = 250.0;
const PANEL_HEIGHT: f64 = 170.0;
/// Room for the labels of an axis, and for a title.
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const CELL_WIDTH: f64 = PANEL_WIDTH + LEFT + 14.0;
const CELL_HEIGHT: f64 = PANEL_HEIGHT + TOP + 34.0;
const LEGEND_HEIGHT: f64 = 92.0;
/// Room for the notes.
const MIN_WIDTH: f64 = 660.0;

/// Colours of the palette that can be told from a light and from a dark background.
const COLOURS: [&str; 2] = ["#2273b5", "#c2531e"];
const INK: &str = "#7d8590";

/// A drawing with a panel per condition and a colour per exporter.
pub(super) struct Drawing {
    svg: String,
    columns: usize,
    panels: usize,
}

/// A line across a panel, at a place from 0 to 1.
pub(super) struct Tick {
    pub(super) place: f64,
    pub(super) label: &'static str,
    pub(super) stands_out: bool,
}

/// A line in the colour of the exporter with this index; both coordinates are from 0 to 1.
pub(super) struct Line {
    pub(super) exporter: usize,
    pub(super) is_dotted: bool,
    pub(super) points: Vec<(f64, f64)>,
}

impl Drawing {
    pub(super) fn new(
        title: &str,
        exporters: &[&str],
        notes: [&str; 2],
        panels: usize,
        columns: usize,
    ) -> Self {
        let columns = panels.clamp(1, columns);
        let (width, height) = (
            (number(columns) * CELL_WIDTH).max(MIN_WIDTH),
            number(panels.div_ceil(columns)) * CELL_HEIGHT + LEGEND_HEIGHT,
        );
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="11" fill="{INK}" role="img" aria-label="{title}">
"#
        );
        writeln!(svg, r#"<text x="{LEFT}" y="18" font-size="14">{title}</text>"#).ok();
        let mut x = LEFT;
        for (exporter, colour) in exporters.iter().zip(COLOURS) {
            let end = x + 24.0;
            let text = end + 6.0;
            writeln!(
                svg,
                r#"<path d="M{x} 38H{end}" stroke="{colour}" stroke-width="2"/><text x="{text}" y="42" font-size="12">{exporter}</text>"#
            )
            .ok();
            x += 170.0;
        }
        for (note, y) in notes.iter().zip([62, 78]) {
            writeln!(svg, r#"<text x="{LEFT}" y="{y}">{note}</text>"#).ok();
        }
        Self { svg, columns, panels: 0 }
    }

    /// Adds the next panel, with the ticks of the horizontal and of the vertical axis.
    pub(super) fn panel(&mut self, title: &str, axes: (&[Tick], &[Tick]), lines: &[Line]) {
        let x = number(self.panels % self.columns) * CELL_WIDTH + LEFT;
        let y = number(self.panels / self.columns) * CELL_HEIGHT + LEGEND_HEIGHT + TOP;
        self.panels += 1;
        let svg = &mut self.svg;
        writeln!(svg, r#"<g transform="translate({x} {y})">"#).ok();
        writeln!(svg, r#"<text y="-10" font-size="13">{title}</text>"#).ok();
        for Tick { place, label, stands_out } in axes.0 {
            let (x, y) = (place * PANEL_WIDTH, PANEL_HEIGHT + 16.0);
            let strength = strength(*stands_out);
            writeln!(
                svg,
                r#"<path d="M{x} 0V{PANEL_HEIGHT}" stroke="{INK}" stroke-opacity="{strength}"/><text x="{x}" y="{y}" text-anchor="middle">{label}</text>"#
            )
            .ok();
        }
        for Tick { place, label, stands_out } in axes.1 {
            let y = PANEL_HEIGHT * (1.0 - place);
            let (strength, below) = (strength(*stands_out), y + 4.0);
            writeln!(
                svg,
                r#"<path d="M0 {y}H{PANEL_WIDTH}" stroke="{INK}" stroke-opacity="{strength}"/><text x="-6" y="{below}" text-anchor="end">{label}</text>"#
            )
            .ok();
        }
        for line in lines {
            let Some(colour) = COLOURS.get(line.exporter) else { continue };
            let dashes = if line.is_dotted { r#" stroke-dasharray="2 3""# } else { "" };
            let path = path(&line.points);
            let strokes = r#"fill="none" stroke-width="2" stroke-linejoin="round""#;
            writeln!(svg, r#"<path d="{path}" stroke="{colour}" {strokes}{dashes}/>"#).ok();
        }
        svg.push_str("</g>\n");
    }

    /// The whole drawing.
    pub(super) fn end(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

fn strength(stands_out: bool) -> f64 {
    if stands_out { 0.6 } else { 0.2 }
}

fn path(points: &[(f64, f64)]) -> String {
    let mut line = String::new();
    for (index, (across, up)) in points.iter().enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        let (x, y) = (across * PANEL_WIDTH, (1.0 - up) * PANEL_HEIGHT);
        write!(line, "{command}{x:.1} {y:.1}").ok();
    }
    line
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(0.0, f64::from)
}
