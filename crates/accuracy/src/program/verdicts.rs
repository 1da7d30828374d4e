//! The verdicts of exporters with little CPU time, at loads below and above what they can answer.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::{
    arguments::Arguments, results::Contender, signals::is_interrupted, trouble::Trouble,
    verdict_cell::Cell, verdict_svg, verdict_table as table,
};
use accuracy::{
    Exporter, Group,
    statistics::quantile,
    verdicts::{Counts, Disturbance, Kind, Load, Prober, Tally, VerdictStage},
};

/// Numbers of concurrent scrapes that the capacity is searched with.
const CONCURRENT: [usize; 3] = [48, 128, 320];
const CAPACITY_TIME: Duration = Duration::from_secs(6);

/// Measures all exporters, in turns for each condition, and prints the results.
pub(super) fn measure(
    stage: &VerdictStage,
    contenders: &[Contender],
    arguments: &Arguments,
) -> Result<Value> {
    let mut cells = Vec::new();
    table::print_head(arguments.timeout);
    for &millicores in &arguments.limits {
        let capacities: Vec<_> = contenders
            .iter()
            .map(|contender| {
                let exporter = start(stage, contender, millicores)?;
                Ok(stage.capacity(&exporter, arguments.connections(), &CONCURRENT, CAPACITY_TIME))
            })
            .collect::<Result<_>>()?;
        for (&trouble, &load) in arguments
            .troubles
            .iter()
            .flat_map(|it| arguments.loads.iter().map(move |load| (it, load)))
        {
            for (contender, &capacity) in contenders.iter().zip(&capacities) {
                ensure!(!is_interrupted(), "interrupted");
                ensure!(capacity > 0.0, "{} answers nothing", contender.name);
                let exporter = start(stage, contender, millicores)?;
                let tally = run(stage, &exporter, load * capacity, trouble, arguments)?;
                let exporter = contender.name;
                let cell = Cell { exporter, millicores, trouble, load, capacity, tally };
                table::print(&cell);
                cells.push(cell);
            }
        }
    }
    table::print_summary(&cells, contenders);
    if let Some(path) = &arguments.verdicts_svg {
        let exporters: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
        let svg = verdict_svg::draw(&cells, &exporters);
        fs::write(path, svg).with_context(|| path.display().to_string())?;
    }
    json(&cells, arguments)
}

fn start(stage: &VerdictStage, contender: &Contender, millicores: u32) -> Result<Exporter> {
    let group = Group::limited(contender.name, millicores)?;
    let exporter = Exporter::start(&stage.config(), &contender.program, Some(group))?;
    stage.warm_up(&exporter);
    Ok(exporter)
}

fn run(
    stage: &VerdictStage,
    exporter: &Exporter,
    rate: f64,
    trouble: Trouble,
    arguments: &Arguments,
) -> Result<Tally> {
    stage.run(
        exporter,
        &Load {
            rate,
            lead: Duration::from_secs_f64(arguments.timeout),
            time: Duration::from_secs_f64(arguments.seconds),
            connections: arguments.connections(),
            disturbance: match trouble {
                Trouble::None => None,
                Trouble::Busy => Some(Disturbance::Burners),
                Trouble::Stopped => Some(Disturbance::Stop(Duration::from_secs(2))),
            },
        },
    )
}

fn json(cells: &[Cell], arguments: &Arguments) -> Result<Value> {
    let row = |cell: &Cell| Row {
        exporter: cell.exporter,
        millicores: cell.millicores,
        condition: cell.trouble.title().trim_start_matches(", ").to_owned(),
        load: cell.load,
        capacity_per_second: cell.capacity,
        right_per_second: cell.tally.goodput,
        latency_seconds: [50, 99, 100].map(|percent| quantile(&cell.tally.latencies, percent)),
        cpu_seconds: cell.tally.cpu.as_secs_f64(),
        causes: cell.tally.causes.clone(),
        wrong: cell.tally.wrong.clone(),
        targets: cell
            .tally
            .counts
            .iter()
            .map(|((prober, kind), counts)| Targets {
                prober: *prober,
                kind: *kind,
                counts: *counts,
            })
            .collect(),
    };
    let document = Document {
        about: "latencies are the median, the 99th percentile and the maximum; scrapes without an \
                answer have none",
        timeout_seconds: arguments.timeout,
        new_connections: arguments.new_connections,
        rows: cells.iter().map(row).collect(),
    };
    Ok(serde_json::to_value(&document)?)
}

#[derive(Serialize)]
struct Document {
    about: &'static str,
    timeout_seconds: f64,
    new_connections: bool,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    exporter: &'static str,
    millicores: u32,
    condition: String,
    load: f64,
    capacity_per_second: f64,
    right_per_second: f64,
    latency_seconds: [Option<f64>; 3],
    cpu_seconds: f64,
    causes: BTreeMap<String, usize>,
    wrong: Vec<String>,
    targets: Vec<Targets>,
}

#[derive(Serialize)]
struct Targets {
    prober: Prober,
    kind: Kind,
    #[serde(flatten)]
    counts: Counts,
}
