//! The command line.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Parser, ValueEnum};

use crate::kinds::Kind;

/// Measures CPU time, memory and start-up of an exporter, alternating with another one.
#[derive(Debug, Parser)]
#[command(name = "make bench BENCH_ARGS=…", no_binary_name = false)]
pub(crate) struct Arguments {
    /// The exporter to measure.
    #[arg(long, value_name = "BINARY", default_value = "target/release/probe_exporter")]
    exporter: PathBuf,
    /// The exporter to compare with: blackbox_exporter, or another build.
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// Parts to measure
    #[arg(long, value_delimiter = ',', default_value = "cpu,memory,startup")]
    only: Vec<Section>,
    /// Kinds of probes, for the CPU part
    #[arg(long, value_delimiter = ',', default_value = "http,https,tcp,icmp,dns,http-body")]
    pub(crate) kinds: Vec<Kind>,
    /// Number of concurrent scrapes, for the CPU part
    #[arg(long, value_delimiter = ',', default_value = "1,32,200")]
    pub(crate) at: Vec<usize>,
    /// Number of rounds of the CPU part; both exporters run in each
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Duration of a turn, in seconds
    #[arg(long, value_parser = seconds, default_value = "1.5")]
    pub(crate) seconds: Duration,
    /// Number of probes in flight, for the memory part
    #[arg(long, value_delimiter = ',', default_value = "1000,5000")]
    pub(crate) in_flight: Vec<usize>,
    /// Number of rounds of the memory part, each with new processes
    #[arg(long, default_value_t = 1)]
    pub(crate) memory_rounds: usize,
    /// Numbers of modules, for the start-up part
    #[arg(long, value_delimiter = ',', default_value = "10,10000")]
    pub(crate) modules: Vec<usize>,
    /// Number of starts of each exporter
    #[arg(long, default_value_t = 15)]
    pub(crate) starts: usize,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// The flag that `cargo bench` passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// CPU time per probe, probes per second, scrape latency, and the floor.
    Cpu,
    /// Resident memory, idle and with many probes in flight.
    Memory,
    /// Time from process start to the first response.
    Startup,
}

impl Arguments {
    pub(crate) fn wants(&self, section: Section) -> bool {
        self.only.contains(&section)
    }

    /// The exporters: the one to measure, and the one to compare with if there is one.
    pub(crate) fn sides(&self) -> Vec<&Path> {
        let sides = [Some(&self.exporter), self.against.as_ref()];
        sides.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
