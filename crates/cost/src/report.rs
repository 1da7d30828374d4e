//! The tables on the terminal, and everything as plain data.

use std::{fs, path::Path};

use serde::Serialize;

use crate::{
    figures::{Figure, Spread},
    rows::{CpuRow, MemoryRow, StartupRow},
};

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    processors: usize,
    exporters: Vec<Binary>,
    pub(crate) cpu: Vec<CpuRow>,
    pub(crate) memory: Vec<MemoryRow>,
    pub(crate) startup: Vec<StartupRow>,
}

/// An exporter.
#[derive(Debug, Serialize)]
struct Binary {
    path: String,
    bytes: u64,
}

impl Results {
    /// Checks that every measured probe succeeded.
    pub(crate) fn are_sound(&self) -> bool {
        self.cpu.iter().all(|row| row.failures.is_empty())
    }

    pub(crate) fn new(sides: &[&Path]) -> Self {
        let binary = |path: &&Path| Binary {
            path: path.display().to_string(),
            bytes: fs::metadata(path)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
                .len(),
        };
        Self {
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            exporters: sides.iter().map(binary).collect(),
            cpu: Vec::new(),
            memory: Vec::new(),
            startup: Vec::new(),
        }
    }
}

/// Says who is who, and how large.
pub(crate) fn introduce(results: &Results) {
    println!("{} processors", results.processors);
    for (name, binary) in ["A", "B"].iter().zip(&results.exporters) {
        println!("{name} = {} ({:.1} MB)", binary.path, megabytes(binary.bytes));
    }
    println!("Ratios are medians over rounds of A/B in each round [lowest-highest].");
}

fn megabytes(bytes: u64) -> f64 {
    std::time::Duration::from_micros(bytes).as_secs_f64()
}

/// The title and the names of the columns.
pub(crate) fn cpu_head(compares: bool) {
    println!(
        "\nCPU time per probe in µs; floor: exchange + response to the scraper with bare system \
         calls"
    );
    let other = if compares { "        B    A/B            " } else { "" };
    let against = if compares { "      B/floor" } else { "" };
    println!("kind       at        A{other}     floor            A/floor{against}");
}

/// A line as soon as it is known: a whole run takes minutes.
pub(crate) fn cpu_row(row: &CpuRow) {
    println!(
        "{:9} {:>3} {}  {:>7} + {:<7} {}{}",
        row.kind,
        row.at_once,
        figure(&row.cpu_microseconds),
        short(row.floor_exchange_microseconds),
        short(row.floor_scrape_microseconds),
        spread(row.measured_over_floor),
        row.against_over_floor.map(|over| format!(" {}", spread(over))).unwrap_or_default(),
    );
    for failure in &row.failures {
        println!("*** The line above is invalid: {failure}");
    }
}

type Quantity = fn(&CpuRow) -> Option<&Figure>;

/// The time that the scraper measures.
pub(crate) fn cpu_foot(rows: &[CpuRow]) {
    let quantities: [(&str, Quantity); 5] = [
        ("Probes per second", |row| Some(&row.probes_per_second)),
        ("Scrape latency in µs, p50", |row| Some(&row.latency_p50_microseconds)),
        ("Scrape latency in µs, p99", |row| Some(&row.latency_p99_microseconds)),
        ("Lookup of the name in µs, p50", |row| row.lookup_p50_microseconds.as_ref()),
        ("Lookup of the name in µs, p99", |row| row.lookup_p99_microseconds.as_ref()),
    ];
    for (title, quantity) in quantities {
        let rows = || rows.iter().filter_map(|row| Some((row, quantity(row)?)));
        if rows().next().is_some() {
            println!("\n{title}");
        }
        for (row, quantity) in rows() {
            println!("{:9} {:>3} {}", row.kind, row.at_once, figure(quantity));
        }
    }
}

/// Resident memory.
pub(crate) fn memory(rows: &[MemoryRow]) {
    println!("\nResident memory in MiB");
    for row in rows {
        println!("{:42} {}", row.when, figure(&row.mebibytes));
    }
}

/// Times of the start.
pub(crate) fn startup(rows: &[StartupRow]) {
    println!("\nFrom process start, in ms");
    for row in rows {
        println!("listening, {:>5} modules {}", row.modules, figure(&row.listening_milliseconds));
        println!("healthy,   {:>5} modules {}", row.modules, figure(&row.healthy_milliseconds));
    }
}

fn figure(figure: &Figure) -> String {
    let measured = short(figure.measured);
    match (figure.against, figure.ratio) {
        (Some(against), Some(ratio)) => {
            format!("{measured:>8} {:>8} {}", short(against), spread(ratio))
        }
        _ => format!("{measured:>8}"),
    }
}

fn spread(spread: Spread) -> String {
    let range = format!("[{}-{}]", short(spread.lowest), short(spread.highest));
    format!("{:>6} {range:13}", short(spread.median))
}

/// Three digits that mean something, or all before the point.
fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        magnitude if magnitude >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
