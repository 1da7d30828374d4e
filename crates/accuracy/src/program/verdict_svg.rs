//! The verdicts as a drawing: a panel per CPU limit, a line per exporter.

use super::{
    drawing::{Drawing, Line, Tick},
    trouble::Trouble,
    verdict_cell::Cell,
};
use accuracy::statistics::ratio;

/// Draws goodput and wrong verdicts at each load.
pub(super) fn draw(cells: &[Cell], exporters: &[&str]) -> String {
    const COLUMNS: usize = 2;
    let notes = [
        "Horizontal: scrapes per second. Solid: right answers per second. Both as a multiple of the capacity.",
        "Dotted: share of verdicts that are wrong: a target that answers in time is called down, or another up.",
    ];
    let mut limits: Vec<_> = cells.iter().map(|cell| cell.millicores).collect();
    limits.dedup();
    let title = "Right answers and wrong verdicts of exporters that are short of CPU time";
    let mut drawing = Drawing::new(title, exporters, notes, limits.len(), COLUMNS);
    for limit in limits {
        let of_panel = |cell: &&Cell| cell.millicores == limit && cell.trouble == Trouble::None;
        let mut lines = Vec::new();
        for (index, exporter) in exporters.iter().enumerate() {
            let of_exporter =
                || cells.iter().filter(of_panel).filter(|cell| cell.exporter == *exporter);
            let goodput =
                |cell: &Cell| (across(cell.load), (cell.tally.goodput / cell.capacity).min(1.0));
            let wrong = |cell: &Cell| (across(cell.load), wrong_share(cell));
            lines.push(Line {
                exporter: index,
                is_dotted: false,
                points: of_exporter().map(goodput).collect(),
            });
            lines.push(Line {
                exporter: index,
                is_dotted: true,
                points: of_exporter().map(wrong).collect(),
            });
        }
        drawing.panel(&format!("limited to {limit} millicores"), (&loads(), &shares()), &lines);
    }
    drawing.end()
}

fn wrong_share(cell: &Cell) -> f64 {
    let total = cell.tally.total();
    let wrong = total.false_failures + total.missed_failures;
    ratio(wrong, wrong + total.right)
}

/// The place of a load on the horizontal axis, from 0.5 to 10; equal steps are factors.
fn across(load: f64) -> f64 {
    ((load / 0.5).ln() / 20_f64.ln()).clamp(0.0, 1.0)
}

fn loads() -> [Tick; 5] {
    [(0.5, "0.5"), (1.0, "1"), (2.0, "2"), (5.0, "5"), (10.0, "10")].map(|(load, label)| Tick {
        place: across(load),
        label,
        stands_out: label == "1",
    })
}

fn shares() -> [Tick; 3] {
    [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")].map(|(place, label)| Tick {
        place,
        label,
        stands_out: false,
    })
}
