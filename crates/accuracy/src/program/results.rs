//! The results, also as JSON.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::condition::Condition;
use accuracy::{Outcome, Program, Reading, statistics::Statistics};

/// An exporter that is measured.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) program: Program,
    /// Set if it times the phases of a tcp probe.
    pub(super) times_tcp: bool,
}

/// All samples of one exporter, reading and delay, in one condition.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) exporter: &'static str,
    pub(super) reading: Reading,
    /// In milliseconds.
    pub(super) delay: u64,
    /// Reported and true, in seconds.
    samples: Vec<(f64, f64)>,
    pub(super) failed: usize,
    /// Scrapes of which packets were lost to the capture.
    pub(super) discarded: usize,
    /// Why the first one failed.
    pub(super) failure: Option<String>,
}

impl Cell {
    pub(super) fn new(exporter: &'static str, reading: Reading, delay: u64) -> Self {
        let (samples, failure) = (Vec::new(), None);
        Self { exporter, reading, delay, samples, failed: 0, discarded: 0, failure }
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Sample(sample) => self.samples.push((sample.reported, sample.truth)),
            Outcome::Failed(why) => {
                self.failed += 1;
                self.failure.get_or_insert(why);
            }
            Outcome::Discarded => self.discarded += 1,
        }
    }

    /// Reported minus true, in seconds.
    pub(super) fn errors(&self) -> impl Iterator<Item = f64> {
        self.samples.iter().map(|(reported, truth)| reported - truth)
    }

    pub(super) fn statistics(&self) -> Option<Statistics> {
        Statistics::of(self.errors())
    }
}

/// Everything that was measured.
pub(super) struct Results {
    pub(super) exporters: Vec<&'static str>,
    pub(super) conditions: Vec<(Condition, Vec<Cell>)>,
    samples: usize,
}

impl Results {
    pub(super) fn new(contenders: &[Contender], samples: usize) -> Self {
        let exporters = contenders.iter().map(|contender| contender.name).collect();
        Self { exporters, conditions: Vec::new(), samples }
    }

    pub(super) fn add(&mut self, condition: Condition, cells: Vec<Cell>) {
        self.conditions.push((condition, cells));
    }

    pub(super) fn json(&self) -> Result<Value> {
        let cells = self.conditions.iter().flat_map(|(condition, cells)| {
            cells.iter().map(|cell| Row {
                exporter: cell.exporter,
                condition: condition.title(),
                reading: cell.reading.name(),
                delay_ms: cell.delay,
                failed: cell.failed,
                discarded: cell.discarded,
                statistics: cell.statistics(),
                reported_and_true_seconds: &cell.samples,
            })
        });
        let document = Document {
            about: "errors are reported time minus true time, in seconds; statistics use absolute \
                    values",
            samples: self.samples,
            rows: cells.collect(),
        };
        Ok(serde_json::to_value(&document)?)
    }
}

/// The errors, in one condition, of the readings that all exporters have.
pub(super) fn shared_errors(cells: &[Cell], exporter: &str, with_tls: bool) -> Vec<f64> {
    cells
        .iter()
        .filter(|cell| cell.exporter == exporter && cell.reading != Reading::TcpQuery)
        .filter(|cell| with_tls || cell.reading != Reading::HttpTls)
        .flat_map(Cell::errors)
        .collect()
}

#[derive(Serialize)]
struct Document<'r> {
    about: &'static str,
    samples: usize,
    rows: Vec<Row<'r>>,
}

#[derive(Serialize)]
struct Row<'r> {
    exporter: &'static str,
    condition: &'static str,
    reading: &'static str,
    delay_ms: u64,
    failed: usize,
    discarded: usize,
    statistics: Option<Statistics>,
    reported_and_true_seconds: &'r [(f64, f64)],
}
