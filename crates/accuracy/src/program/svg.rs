//! The results as a drawing: a panel per condition, a line per exporter.

use std::fmt::Write as _;

use super::{
    curve::{across, points, up},
    results::{Results, shared_errors},
};

const PANEL_WIDTH: f64 = 250.0;
const PANEL_HEIGHT: f64 = 170.0;
/// Room for the labels of an axis, and for a title.
const LEFT: f64 = 52.0;
const TOP: f64 = 34.0;
const CELL_WIDTH: f64 = PANEL_WIDTH + LEFT + 14.0;
const CELL_HEIGHT: f64 = PANEL_HEIGHT + TOP + 34.0;
const COLUMNS: usize = 3;
const LEGEND_HEIGHT: f64 = 92.0;
/// Room for the notes.
const MIN_WIDTH: f64 = 660.0;

/// Colours that can be told from a light and from a dark background.
const COLOURS: [&str; 2] = ["#2f81f7", "#e0752d"];
const INK: &str = "#7d8590";

/// Draws the distributions.
pub(super) fn draw(results: &Results) -> String {
    let count = results.conditions.len();
    let columns = count.clamp(1, COLUMNS);
    let (width, height) = (
        (number(columns) * CELL_WIDTH).max(MIN_WIDTH),
        number(count.div_ceil(columns)) * CELL_HEIGHT + LEGEND_HEIGHT,
    );
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="system-ui, sans-serif" font-size="11" fill="{INK}" role="img" aria-label="Measurement errors of the exporters">
"#
    );
    legend(&mut svg, results);
    for (index, (condition, cells)) in results.conditions.iter().enumerate() {
        let x = number(index % columns) * CELL_WIDTH + LEFT;
        let y = number(index / columns) * CELL_HEIGHT + LEGEND_HEIGHT + TOP;
        writeln!(svg, r#"<g transform="translate({x} {y})">"#).ok();
        axes(&mut svg, condition.title());
        for (exporter, colour) in results.exporters.iter().zip(COLOURS) {
            for (with_tls, dashes) in [(true, ""), (false, r#" stroke-dasharray="2 3""#)] {
                let line = path(&points(shared_errors(cells, exporter, with_tls)));
                let strokes = r#"fill="none" stroke-width="2" stroke-linejoin="round""#;
                writeln!(svg, r#"<path d="{line}" stroke="{colour}" {strokes}{dashes}/>"#).ok();
            }
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, results: &Results) {
    let title =
        "Error of reported times, compared with kernel timestamps of the packets of the probe";
    writeln!(svg, r#"<text x="{LEFT}" y="18" font-size="14">{title}</text>"#).ok();
    let mut x = LEFT;
    for (exporter, colour) in results.exporters.iter().zip(COLOURS) {
        let end = x + 24.0;
        let text = end + 6.0;
        writeln!(
            svg,
            r#"<path d="M{x} 38H{end}" stroke="{colour}" stroke-width="2"/><text x="{text}" y="42" font-size="12">{exporter}</text>"#
        )
        .ok();
        x += 170.0;
    }
    let notes = [
        "Vertical: share of readings (http connect, processing and tls, dns request, icmp rtt) with at most this error.",
        "Solid: all readings. Dotted: without tls, which can include the cryptography of the exporter.",
    ];
    for (note, y) in notes.iter().zip([62, 78]) {
        writeln!(svg, r#"<text x="{LEFT}" y="{y}">{note}</text>"#).ok();
    }
}

fn axes(svg: &mut String, title: &str) {
    writeln!(svg, r#"<text y="-10" font-size="13">{title}</text>"#).ok();
    for (seconds, label) in [
        (1e-6, "1 µs"),
        (1e-5, ""),
        (1e-4, "100 µs"),
        (1e-3, "1 ms"),
        (1e-2, "10 ms"),
        (1e-1, ""),
        (1.0, "1 s"),
    ] {
        let x = across(seconds) * PANEL_WIDTH;
        let (strength, y) = (strength(label), PANEL_HEIGHT + 16.0);
        writeln!(
            svg,
            r#"<path d="M{x} 0V{PANEL_HEIGHT}" stroke="{INK}" stroke-opacity="{strength}"/><text x="{x}" y="{y}" text-anchor="middle">{label}</text>"#
        )
        .ok();
    }
    for (share, label) in
        [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")]
    {
        let y = PANEL_HEIGHT * (1.0 - up(share));
        let (strength, below) = (strength(label), y + 4.0);
        writeln!(
            svg,
            r#"<path d="M0 {y}H{PANEL_WIDTH}" stroke="{INK}" stroke-opacity="{strength}"/><text x="-6" y="{below}" text-anchor="end">{label}</text>"#
        )
        .ok();
    }
}

/// The lines of 1 ms and 10 ms, within which a reading may be called right, stand out.
fn strength(label: &str) -> f64 {
    if ["1 ms", "10 ms"].contains(&label) { 0.6 } else { 0.2 }
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
