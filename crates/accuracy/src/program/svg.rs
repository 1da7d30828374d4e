//! The readings as a drawing: a panel per condition, a line per exporter.

use super::{
    curve::{across, points, up},
    drawing::{Drawing, Line, Tick},
    results::{Results, shared_errors},
};

/// Draws the distributions.
pub(super) fn draw(results: &Results) -> String {
    const COLUMNS: usize = 3;
    let notes = [
        "Vertical: share of readings (http connect, processing and tls, dns request, icmp rtt) with at most this error.",
        "Solid: all readings. Dotted: without tls, which can include the cryptography of the exporter.",
    ];
    let title =
        "Error of reported times, compared with kernel timestamps of the packets of the probe";
    let panels = results.conditions.len();
    let mut drawing = Drawing::new(title, &results.exporters, notes, panels, COLUMNS);
    for (condition, cells) in &results.conditions {
        let line = |(index, exporter): (usize, &&str)| {
            [true, false].map(|with_tls| Line {
                exporter: index,
                is_dotted: !with_tls,
                points: points(shared_errors(cells, exporter, with_tls)),
            })
        };
        let lines: Vec<_> = results.exporters.iter().enumerate().flat_map(line).collect();
        drawing.panel(condition.title(), (&sizes(), &shares()), &lines);
    }
    drawing.end()
}

/// The lines of 1 ms and 10 ms, within which a reading may be called right, stand out.
fn sizes() -> [Tick; 7] {
    [
        (1e-6, "1 µs"),
        (1e-5, ""),
        (1e-4, "100 µs"),
        (1e-3, "1 ms"),
        (1e-2, "10 ms"),
        (1e-1, ""),
        (1.0, "1 s"),
    ]
    .map(|(seconds, label)| Tick {
        place: across(seconds),
        label,
        stands_out: ["1 ms", "10 ms"].contains(&label),
    })
}

fn shares() -> [Tick; 5] {
    [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %")]
        .map(|(share, label)| Tick { place: up(share), label, stands_out: false })
}
