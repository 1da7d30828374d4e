//! The measurement from the command line to the results.

mod arguments;
mod condition;
mod curve;
mod drawing;
mod results;
mod rounds;
mod signals;
mod svg;
mod table;
mod trouble;
mod verdict_cell;
mod verdict_svg;
mod verdict_table;
mod verdicts;

use std::{fs, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use serde_json::Value;

use self::{
    arguments::{Arguments, Part},
    results::{Contender, Results},
};
use accuracy::{Obstacle, Program, Stage, verdicts::VerdictStage};

/// Exit code if it is impossible to measure here.
const CANNOT_MEASURE: u8 = 2;

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(obstacle)) => {
            eprintln!("accuracy: cannot measure here: {obstacle}");
            ExitCode::from(CANNOT_MEASURE)
        }
        Err(error) => {
            eprintln!("accuracy: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Result<(), Obstacle>> {
    signals::handle()?;
    let mut json = serde_json::Map::new();
    if arguments.only.contains(&Part::Readings) {
        match Stage::set(&arguments.delays()) {
            Ok(mut stage) => {
                json.insert("readings".to_owned(), measure_readings(arguments, &mut stage)?);
            }
            Err(obstacle) => return Ok(Err(obstacle)),
        }
    }
    if arguments.only.contains(&Part::Verdicts) {
        let timeout = Duration::from_secs_f64(arguments.timeout);
        match VerdictStage::set(timeout, timeout * 2) {
            Ok(stage) => {
                let verdicts = verdicts::measure(&stage, &contenders(arguments), arguments)?;
                json.insert("verdicts".to_owned(), verdicts);
            }
            Err(obstacle) => return Ok(Err(obstacle)),
        }
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string(&json)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    Ok(Ok(()))
}

fn measure_readings(arguments: &Arguments, stage: &mut Stage) -> Result<Value> {
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
    if let Some(path) = &arguments.svg {
        fs::write(path, svg::draw(&results)).with_context(|| path.display().to_string())?;
    }
    results.json()
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
