//! CPU time per probe, probes per second, scrape latency, and how far both are above the floor.

use std::{path::Path, thread, time::Duration};

use crate::{
    arguments::Arguments,
    exporter::Exporter,
    figures::{Figure, Spread, count, median, microseconds, percentile},
    floor, kinds,
    kinds::Kind,
    load::{Answer, Load},
    report,
    responders::{self, Responders},
    rows::CpuRow,
};

/// Work that an exporter does after its last answer, such as closing a connection, is its own.
const SETTLING: Duration = Duration::from_millis(20);

/// Everything about one turn of one exporter.
struct Sample {
    cpu: f64,
    per_second: f64,
    p50: f64,
    p99: f64,
    /// Both percentiles of the lookup's time.
    lookup: Option<[f64; 2]>,
    failure: Option<String>,
}

/// All exporters once, and the floor at that time.
struct Round {
    samples: Vec<Sample>,
    exchange: f64,
    scrape: f64,
}

/// Measures each kind at each number of scrapes at once, and prints while it goes.
pub(crate) fn measure(arguments: &Arguments, sides: &[&Path]) -> Vec<CpuRow> {
    let stage = Stage::set(sides);
    if arguments.kinds.contains(&Kind::Name) {
        responders::serve_names();
    }
    let mut rows = Vec::new();
    report::cpu_head(sides.len() > 1);
    for &kind in &arguments.kinds {
        for &at in &arguments.at {
            let rounds: Vec<_> = (0..arguments.rounds)
                .map(|number| stage.round(kind, at, arguments.seconds, number))
                .collect();
            let row = row(kind, at, &rounds);
            report::cpu_row(&row);
            rows.push(row);
        }
    }
    report::cpu_foot(&rows);
    rows
}

struct Stage {
    responders: Responders,
    exporters: Vec<Exporter>,
    load: Load,
}

impl Stage {
    fn set(sides: &[&Path]) -> Self {
        let responders = Responders::start();
        let start = |(number, side): (usize, &&Path)| {
            let config = responders.file(&format!("modules-{number}.yml"));
            std::fs::write(&config, kinds::modules(&responders)).expect("a file");
            Exporter::start(side, &config)
        };
        let exporters = sides.iter().enumerate().map(start).collect();
        Self { responders, exporters, load: Load::new() }
    }

    fn round(&self, kind: Kind, at: usize, duration: Duration, number: usize) -> Round {
        let targets = kind.targets(&self.responders);
        let paths: Vec<_> = targets.iter().map(|target| kind.scrape(target)).collect();
        let example = self.load.one(self.exporters[0].address, &paths[0]);
        let exchange = floor::exchange(kind, &self.responders, duration / 5);
        let scrape = floor::scrape(&self.load, &paths[0], &example, duration / 5);
        let sides = self.exporters.len();
        let mut order: Vec<usize> = (0..sides).collect();
        // Whoever comes second finds the machine as the first left it, so they take turns at that.
        order.rotate_left(number % sides);
        let mut samples: Vec<_> = order
            .into_iter()
            .map(|side| (side, self.sample(&self.exporters[side], kind, &paths, at, duration)))
            .collect();
        samples.sort_by_key(|(side, _)| *side);
        Round {
            samples: samples.into_iter().map(|(_, sample)| sample).collect(),
            exchange: microseconds(exchange),
            scrape: microseconds(scrape),
        }
    }

    fn sample(
        &self,
        exporter: &Exporter,
        kind: Kind,
        paths: &[String],
        at: usize,
        duration: Duration,
    ) -> Sample {
        // Files that a module names are read, and memory that an idle process gave back is taken.
        for path in paths {
            self.load.one(exporter.address, path);
        }
        let mut before = Duration::ZERO;
        let turn = self.load.turn(exporter.address, paths, at, duration, || {
            before = exporter.cpu_time();
        });
        thread::sleep(SETTLING);
        let cpu = exporter.cpu_time().saturating_sub(before);
        let down: Vec<_> = turn.answers.iter().filter(|answer| !answer.is_up()).collect();
        let failure = down.first().map(|answer| {
            let (count, all) = (down.len(), turn.answers.len());
            format!("{count} of {all} probes failed, for example:\n{}", answer.samples())
        });
        let mut latencies: Vec<_> = turn.answers.iter().map(|answer| answer.latency).collect();
        latencies.sort();
        let probes = count(latencies.len());
        Sample {
            cpu: microseconds(cpu) / probes,
            per_second: probes / turn.elapsed.as_secs_f64(),
            p50: microseconds(percentile(&latencies, 50)),
            p99: microseconds(percentile(&latencies, 99)),
            lookup: (kind == Kind::Name).then(|| lookups(&turn.answers)),
            failure,
        }
    }
}

/// The percentiles of the lookups' times.
fn lookups(answers: &[Answer]) -> [f64; 2] {
    let mut lookups: Vec<_> = answers.iter().filter_map(Answer::lookup).collect();
    lookups.sort();
    [50, 99].map(|hundredths| microseconds(percentile(&lookups, hundredths)))
}

fn row(kind: Kind, at: usize, rounds: &[Round]) -> CpuRow {
    let figure = |value: fn(&Sample) -> f64| {
        let values = rounds.iter().map(|round| round.samples.iter().map(value).collect());
        Figure::of(&values.collect::<Vec<_>>())
    };
    let lookup = |index: usize| {
        let of = |round: &Round| -> Option<Vec<f64>> {
            round.samples.iter().map(|sample| Some(sample.lookup?[index])).collect()
        };
        let values: Option<Vec<_>> = rounds.iter().map(of).collect();
        values.map(|values| Figure::of(&values))
    };
    let over_floor = |side: usize| {
        let over =
            |round: &Round| Some(round.samples.get(side)?.cpu / (round.exchange + round.scrape));
        let ratios: Option<Vec<f64>> = rounds.iter().map(over).collect();
        ratios.map(|ratios| Spread::of(&ratios))
    };
    CpuRow {
        kind: kind.name(),
        at_once: at,
        cpu_microseconds: figure(|sample| sample.cpu),
        probes_per_second: figure(|sample| sample.per_second),
        latency_p50_microseconds: figure(|sample| sample.p50),
        latency_p99_microseconds: figure(|sample| sample.p99),
        lookup_p50_microseconds: lookup(0),
        lookup_p99_microseconds: lookup(1),
        floor_exchange_microseconds: median(rounds.iter().map(|round| round.exchange)),
        floor_scrape_microseconds: median(rounds.iter().map(|round| round.scrape)),
        measured_over_floor: over_floor(0).expect("one exporter at least"),
        against_over_floor: over_floor(1),
        failures: rounds
            .iter()
            .flat_map(|round| round.samples.iter().zip(["A", "B"]))
            .filter_map(|(sample, side)| Some(format!("{side}: {}", sample.failure.as_ref()?)))
            .collect(),
    }
}
