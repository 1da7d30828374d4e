//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, ValueEnum};

use super::{condition::Condition, trouble::Trouble};
use accuracy::{Reading, verdicts::Connections};

/// Compares the times that exporters report with the packets of their probes, and their verdicts
/// with the behaviour of the targets. Requires root.
#[derive(Debug, Parser)]
#[command(name = "accuracy")]
pub(super) struct Arguments {
    /// Release binary of this exporter
    #[arg(long, value_name = "FILE", default_value = "target/release/probe_exporter")]
    pub(super) binary: PathBuf,

    /// Binary of blackbox_exporter, measured alternately
    #[arg(long, value_name = "FILE")]
    pub(super) blackbox: Option<PathBuf>,

    /// Another argument for this exporter, such as --exporter-flag=--wire.user-clock; repeatable
    #[arg(long, value_name = "FLAG")]
    pub(super) exporter_flag: Vec<String>,

    /// Parts to measure
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Readings, Part::Verdicts])]
    pub(super) only: Vec<Part>,

    /// Readings: conditions to measure in
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Condition::ALL)]
    pub(super) conditions: Vec<Condition>,

    /// Readings: which to take
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Reading::ALL)]
    pub(super) readings: Vec<Reading>,

    /// Readings: response delays of the servers, in milliseconds
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [0, 5, 20])]
    pub(super) delays: Vec<u64>,

    /// Readings: scrapes of each reading at each delay, by each exporter, in each condition
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(super) samples: usize,

    /// Readings: show the packets of those with a larger error than this
    #[arg(long, value_name = "MS")]
    pub(super) explain: Option<f64>,

    /// Verdicts: CPU limits of the exporters, in millicores
    #[arg(long, value_name = "MILLICORES", value_delimiter = ',', default_values_t = [20, 30, 50, 100])]
    pub(super) limits: Vec<u32>,

    /// Verdicts: scrapes per second, as multiples of what the exporter can answer
    #[arg(long, value_name = "FACTOR", value_delimiter = ',', default_values_t = [0.5, 2.0, 10.0])]
    pub(super) loads: Vec<f64>,

    /// Verdicts: what else happens
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Trouble::ALL)]
    pub(super) troubles: Vec<Trouble>,

    /// Verdicts: time of each measurement, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    pub(super) seconds: f64,

    /// Verdicts: timeout of the modules, in seconds; the scrape timeout is twice as long
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    pub(super) timeout: f64,

    /// Verdicts: a new connection for each scrape; Prometheus uses idle ones again
    #[arg(long)]
    pub(super) new_connections: bool,

    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Readings: draw the distributions to this file
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,

    /// Verdicts: draw right answers and wrong verdicts at each load to this file
    #[arg(long, value_name = "FILE")]
    pub(super) verdicts_svg: Option<PathBuf>,

    /// The flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// Times that exporters report
    Readings,
    /// Targets that exporters call up or down while they are short of CPU time
    Verdicts,
}

impl Arguments {
    pub(super) fn delays(&self) -> Vec<Duration> {
        self.delays.iter().copied().map(Duration::from_millis).collect()
    }

    pub(super) fn connections(&self) -> Connections {
        if self.new_connections { Connections::New } else { Connections::Kept }
    }
}
