//! Resident memory: idle, with many probes in flight, and after they ended.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    arguments::Arguments,
    exporter::Exporter,
    figures::Figure,
    kinds::{self, Kind},
    load::Load,
    report,
    responders::Responders,
    rows::MemoryRow,
};

/// Time after the last probe or connection until its memory should be returned.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Maximum time until all probes are in flight.
const PATIENCE: Duration = Duration::from_mins(1);

/// Each round with new processes; in turns.
pub(crate) fn measure(arguments: &Arguments, sides: &[&Path]) -> Vec<MemoryRow> {
    let responders = Responders::start();
    let load = Load::new();
    let mut rounds = Vec::new();
    for _ in 0..arguments.memory_rounds {
        let of_side = |side: &&Path| {
            let mut values = idle(side, &responders, &load).to_vec();
            for count in &arguments.in_flight {
                values.extend(in_flight(side, *count, &responders, &load));
            }
            values
        };
        rounds.push(sides.iter().map(of_side).collect::<Vec<_>>());
    }
    let mut names = vec![
        "idle after one probe of each kind".to_owned(),
        "idle, without pages of the binary".to_owned(),
    ];
    for count in &arguments.in_flight {
        names.push(format!("{count} probes in flight"));
        names.push(format!("{count} probes: peak"));
        names.push(format!("{count} probes: 10 s after they ended"));
        names.push(format!("{count} probes: 10 s after the scrapers left"));
    }
    let rows: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(index, when)| {
            let values = rounds.iter().map(|round| round.iter().map(|side| side[index]).collect());
            MemoryRow { when, mebibytes: Figure::of(&values.collect::<Vec<_>>()) }
        })
        .collect();
    report::memory(&rows);
    rows
}

fn start(side: &Path, responders: &Responders) -> Exporter {
    let config = responders.file("modules.yml");
    std::fs::write(&config, kinds::modules(responders)).expect("a file");
    Exporter::start(side, &config)
}

/// In all, and without the binary.
fn idle(side: &Path, responders: &Responders, load: &Load) -> [f64; 2] {
    let exporter = start(side, responders);
    for kind in Kind::ALL {
        let target = &kind.targets(responders)[0];
        let answer = load.one(exporter.address, &kind.scrape(target));
        assert!(answer.is_up(), "a probe failed:\n{}", answer.text());
    }
    thread::sleep(Duration::from_secs(2));
    [exporter.resident(), exporter.anonymous()].map(mebibytes)
}

/// In flight, at most, after the probes, and after the connections of their scrapers.
fn in_flight(side: &Path, count: usize, responders: &Responders, load: &Load) -> [f64; 4] {
    let exporter = start(side, responders);
    let silent = &responders.silent;
    let path = kinds::scrape(Kind::Http.name(), &format!("http://{}/", silent.address));
    let (mut resident, mut ended) = (0.0, 0.0);
    let meanwhile = async || {
        let begun = Instant::now();
        while silent.held() < count {
            let held = silent.held();
            assert!(begun.elapsed() < PATIENCE, "only {held} of {count} probes are in flight");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(silent.held(), count, "probes in flight");
        resident = exporter.resident();
        silent.hang_up();
    };
    let afterwards = async || {
        tokio::time::sleep(AFTERWARDS).await;
        ended = exporter.resident();
    };
    load.hold(exporter.address, &path, count, meanwhile, afterwards);
    thread::sleep(AFTERWARDS);
    [resident, exporter.peak(), ended, exporter.resident()].map(mebibytes)
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}
