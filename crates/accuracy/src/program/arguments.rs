//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::Parser;

use super::condition::Condition;
use accuracy::Reading;

/// Compares the times that exporters report with the packets of their probes. Requires root.
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

    /// Conditions to measure in
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Condition::ALL)]
    pub(super) conditions: Vec<Condition>,

    /// Readings to take
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Reading::ALL)]
    pub(super) readings: Vec<Reading>,

    /// Response delays of the servers, in milliseconds
    #[arg(long, value_name = "MS", value_delimiter = ',', default_values_t = [0, 5, 20])]
    pub(super) delays: Vec<u64>,

    /// Scrapes of each reading at each delay, by each exporter, in each condition
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    pub(super) samples: usize,

    /// Show the packets of readings with a larger error than this
    #[arg(long, value_name = "MS")]
    pub(super) explain: Option<f64>,

    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Draw the distributions to this file
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,

    /// The flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    pub(super) fn delays(&self) -> Vec<Duration> {
        self.delays.iter().copied().map(Duration::from_millis).collect()
    }
}
