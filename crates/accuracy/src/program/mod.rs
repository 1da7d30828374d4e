//! The measurement from the command line to the results.

mod arguments;
mod condition;
mod curve;
mod results;
mod rounds;
mod signals;
mod svg;
mod table;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser as _;

use self::{
    arguments::Arguments,
    results::{Contender, Results},
};
use accuracy::{Program, Stage};

/// Exit code if it is impossible to measure here.
const CANNOT_MEASURE: u8 = 2;

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mut stage = match Stage::set(&arguments.delays()) {
        Ok(stage) => stage,
        Err(obstacle) => {
            eprintln!("accuracy: cannot measure here: {obstacle}");
            return ExitCode::from(CANNOT_MEASURE);
        }
    };
    match measure(&arguments, &mut stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("accuracy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments, stage: &mut Stage) -> Result<()> {
    signals::handle()?;
    let contenders = contenders(arguments);
    let mut results = Results::new(&contenders, arguments.samples);
    for &condition in &arguments.conditions {
        eprintln!("measuring: {}", condition.title());
        let cells = rounds::measure(stage, condition, &contenders, arguments)
            .with_context(|| format!("in the condition “{}”", condition.title()))?;
        table::print(condition, &cells);
        results.add(condition, cells);
    }
    table::print_summary(&results);
    if let Some(path) = &arguments.json {
        fs::write(path, results.json()?).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &arguments.svg {
        fs::write(path, svg::draw(&results)).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn contenders(arguments: &Arguments) -> Vec<Contender> {
    let ours =
        Program { binary: arguments.binary.clone(), arguments: arguments.exporter_flag.clone() };
    let theirs = arguments
        .blackbox
        .clone()
        .map(|binary| Program { binary, arguments: vec!["--log.level=error".to_owned()] });
    let ours = Contender { name: "probe_exporter", program: ours, times_tcp: true };
    let theirs =
        theirs.map(|program| Contender { name: "blackbox_exporter", program, times_tcp: false });
    [ours].into_iter().chain(theirs).collect()
}
