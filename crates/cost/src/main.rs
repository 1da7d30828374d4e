//! Compares the cost of two exporters: CPU time per probe, memory, start-up time.
//!
//! `make bench` runs it. Both exporters are real processes and are measured in turns within one run,
//! so that other load on the machine affects both; the figure to trust is the median of the ratios
//! of the rounds. All targets are servers of this program, on loopback addresses.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a failed measurement ends the run, and the connections of the load are not measured"
)]

mod arguments;
mod cpu;
mod exporter;
mod figures;
mod floor;
mod kinds;
mod load;
mod memory;
mod report;
mod responders;
mod rows;
mod startup;

use std::{fs, process::ExitCode};

use clap::Parser as _;

use crate::{
    arguments::{Arguments, Section},
    report::Results,
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_file_limit();
    let sides = arguments.sides();
    let mut results = Results::new(&sides);
    report::introduce(&results);
    if arguments.wants(Section::Cpu) {
        results.cpu = cpu::measure(&arguments, &sides);
    }
    if arguments.wants(Section::Memory) {
        results.memory = memory::measure(&arguments, &sides);
    }
    if arguments.wants(Section::Startup) {
        results.startup = startup::measure(&arguments, &sides);
    }
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&results).expect("figures are plain data");
        if let Err(error) = fs::write(path, json + "\n") {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if results.are_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Thousands of probes in flight need a connection each, at both ends; exporters inherit the limit.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("own limit");
}
