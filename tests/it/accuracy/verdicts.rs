//! Verdicts of an exporter that gets half of the CPU time that its scrapes need: a short form of the
//! verdicts of `make accuracy`.
//!
//! The test needs root and a network namespace, and is skipped without them.

use std::time::Duration;

use accuracy::{
    Exporter, Group, Program,
    verdicts::{Connections, Load, VerdictStage},
};
use test_fixtures::{Missing, skip};

use crate::running::binary;

const MILLICORES: u32 = 50;

/// Number of right answers that the test needs. On a busy machine, many are discarded, since the
/// responders were late.
const MIN_RIGHT: usize = 50;

/// Maximum number of runs until then.
const MAX_RUNS: usize = 5;

#[test]
fn an_exporter_short_of_cpu_time_calls_no_target_up_or_down_wrongly() {
    let stage = match VerdictStage::set(Duration::from_secs(1), Duration::from_secs(4)) {
        Ok(stage) => stage,
        Err(obstacle) => return skip(Missing::Root, &obstacle.to_string()),
    };
    let group = match Group::limited("verdicts", MILLICORES) {
        Ok(group) => group,
        Err(error) => return skip(Missing::Root, &format!("no limit of CPU time: {error:#}")),
    };
    let program = Program { binary: binary(), arguments: Vec::new() };
    let exporter = Exporter::start(&stage.config(), &program, Some(group)).unwrap();
    stage.warm_up(&exporter);
    let capacity = stage.capacity(&exporter, Connections::Kept, &[32], Duration::from_millis(1500));
    let load = Load {
        rate: (2.0 * capacity).clamp(40.0, 1000.0),
        lead: Duration::from_millis(500),
        time: Duration::from_millis(2500),
        connections: Connections::Kept,
        disturbance: None,
    };
    let mut right = 0;
    for _ in 0..MAX_RUNS {
        let tally = stage.run(&exporter, &load).unwrap();
        let (counts, causes) = (tally.total(), &tally.causes);
        assert_eq!(counts.false_failures, 0, "{load:?}: {counts:?}: {causes:#?}");
        assert_eq!(counts.missed_failures, 0, "{load:?}: {counts:?}: {causes:#?}");
        right += counts.right;
        if right >= MIN_RIGHT {
            break;
        }
    }
    assert!(right >= MIN_RIGHT, "only {right} right answers: {load:?}");
    let (_, throttled) = exporter.group().and_then(Group::throttling).unwrap();
    assert!(throttled > 10, "the exporter was not short of CPU time: {load:?}");
}
