//! The rounds in which the exporters take turns.

use anyhow::{Result, ensure};

use super::{
    arguments::Arguments,
    condition::Condition,
    results::{Cell, Contender},
    signals::is_interrupted,
};
use accuracy::{Exporter, Group, Outcome, Reading, Stage};

/// Measures all exporters in one condition. They take turns, and who goes first changes, so that
/// whatever else happens on the machine happens to all.
pub(super) fn measure(
    stage: &mut Stage,
    condition: Condition,
    contenders: &[Contender],
    arguments: &Arguments,
) -> Result<Vec<Cell>> {
    let mut running = Vec::new();
    for contender in contenders {
        let group = condition.group(contender.name)?;
        let mut exporter = Exporter::start(&stage.config(), &contender.program, group)?;
        warm_up(stage, &mut exporter)?;
        running.push(Turn::new(contender, exporter, arguments));
    }
    let _burners = condition.burners()?;
    let plan = plan(condition, arguments);
    for (round, wanted) in plan.chunks(turn_length(condition, arguments)).enumerate() {
        for index in 0..running.len() {
            ensure!(!is_interrupted(), "interrupted");
            let count = running.len();
            if let Some(turn) = running.get_mut((index + round) % count) {
                for wanted in wanted.chunks(condition.at_once()) {
                    turn.take(stage, wanted, arguments.explain)?;
                }
            }
        }
    }
    for turn in &mut running {
        if let Some((by_kernel, by_process)) = turn.exporter.timed_arrivals() {
            let name = turn.contender.name;
            println!(
                "{name}: {by_kernel} packets with kernel timestamps, {by_process} with process \
                 timestamps"
            );
        }
        if let Some((periods, stopped)) = turn.exporter.group().and_then(Group::throttling) {
            println!("{}: throttled in {stopped} of {periods} periods", turn.contender.name);
        }
    }
    Ok(running.into_iter().flat_map(|turn| turn.cells).collect())
}

/// The first probe of a kind reads files and makes what later ones use again.
fn warm_up(stage: &mut Stage, exporter: &mut Exporter) -> Result<()> {
    for reading in Reading::ALL {
        stage.measure(exporter, &[(reading, 0)])?;
    }
    Ok(())
}

/// The order of the readings: every reading at every delay, again and again. Concurrent scrapes are
/// of all kinds, like those of a Prometheus server.
fn plan(condition: Condition, arguments: &Arguments) -> Vec<(Reading, usize)> {
    let all = || {
        (0..arguments.delays.len())
            .flat_map(|delay| arguments.readings.iter().map(move |reading| (*reading, delay)))
    };
    let count = (arguments.samples * all().count()).next_multiple_of(condition.at_once());
    all().cycle().take(count).collect()
}

/// The number of scrapes of an exporter before it is the next one's turn. If it were only one, an
/// exporter with little CPU time would save some up while another is slow.
fn turn_length(condition: Condition, arguments: &Arguments) -> usize {
    condition.at_once().max(arguments.readings.len() * arguments.delays.len())
}

/// A running exporter, and what it said so far.
struct Turn<'c> {
    contender: &'c Contender,
    exporter: Exporter,
    cells: Vec<Cell>,
    /// The number of delays.
    delays: usize,
}

impl<'c> Turn<'c> {
    fn new(contender: &'c Contender, exporter: Exporter, arguments: &Arguments) -> Self {
        let of_reading = |reading: Reading| {
            let cell = move |delay: &u64| Cell::new(contender.name, reading, *delay);
            arguments.delays.iter().map(cell)
        };
        let cells = Reading::ALL.into_iter().flat_map(of_reading).collect();
        Self { contender, exporter, cells, delays: arguments.delays.len() }
    }

    fn take(
        &mut self,
        stage: &mut Stage,
        wanted: &[(Reading, usize)],
        explain: Option<f64>,
    ) -> Result<()> {
        let outcomes = stage.measure(&mut self.exporter, wanted)?;
        for (&(reading, delay), outcome) in wanted.iter().zip(outcomes) {
            // The probe takes part in the load, although there is nothing to read off.
            if reading == Reading::TcpQuery && !self.contender.times_tcp {
                continue;
            }
            if let (Outcome::Sample(sample), Some(limit)) = (&outcome, explain)
                && sample.error().abs() * 1e3 > limit
            {
                println!(
                    "{} {reading}: reported {:.0} µs, true {:.0} µs:{}",
                    self.contender.name,
                    sample.reported * 1e6,
                    sample.truth * 1e6,
                    sample.flow,
                );
            }
            let row = Reading::ALL.iter().position(|known| *known == reading);
            if let Some(cell) = row.and_then(|row| self.cells.get_mut(row * self.delays + delay)) {
                cell.add(outcome);
            }
        }
        Ok(())
    }
}
