//! Measured times compared with kernel timestamps of the same packets, on an idle and on a
//! busy machine: a short form of `make accuracy`.
//!
//! The test needs root and a network namespace, and is skipped without them.

mod packets;
mod statistics;
mod verdicts;

use std::{env, path::PathBuf, time::Duration};

use accuracy::{
    Burners, Exporter, Group, Outcome, Program, Reading, Stage, statistics::Statistics,
};
use test_fixtures::{Missing, skip};

use crate::running::BINARY;

/// More arguments for the exporter. With `--wire.user-clock` the test must fail.
const FLAGS: &str = "PROBE_EXPORTER_ACCURACY_FLAGS";

/// Delays of the peers.
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(5)];

#[test]
fn measured_times_stay_accurate_when_the_process_gets_little_cpu_time() {
    let mut stage = match Stage::set(&DELAYS) {
        Ok(stage) => stage,
        Err(obstacle) => return skip(Missing::Root, &obstacle.to_string()),
    };
    check(&mut stage, "idle", None, 6);
    let burners = Burners::start().unwrap();
    check(&mut stage, "busy", None, 6);
    drop(burners);
    match Group::limited("test", 20) {
        Ok(group) => check(&mut stage, "limited to 20 millicores", Some(group), 3),
        Err(error) => skip(Missing::Root, &format!("no limit of CPU time: {error:#}")),
    }
}

/// Measures each time at each delay several times, and limits the errors.
#[track_caller]
fn check(stage: &mut Stage, condition: &str, group: Option<Group>, times: usize) {
    let arguments = env::var(FLAGS).unwrap_or_default();
    let program = Program {
        binary: PathBuf::from(BINARY),
        arguments: arguments.split_whitespace().map(str::to_owned).collect(),
    };
    let mut exporter = Exporter::start(&stage.config(), &program, group).unwrap();
    let (mut errors, mut worst) = (Vec::new(), Vec::new());
    for _ in 0..times {
        for (reading, delay) in
            Reading::ALL.iter().flat_map(|reading| [(*reading, 0), (*reading, 1)])
        {
            match &stage.measure(&mut exporter, &[(reading, delay)]).unwrap()[..] {
                [Outcome::Sample(sample)] => {
                    errors.push(sample.error());
                    if sample.error().abs() > 0.001 {
                        worst.push(format!("{reading}: {} s off:{}", sample.error(), sample.flow));
                    }
                }
                [Outcome::Failed(why)] => panic!("{condition}: {reading}: {why}"),
                _ => {}
            }
        }
    }
    if let Some((periods, stopped)) = exporter.group().and_then(Group::throttling) {
        assert!(stopped > 0, "{condition}: that shows nothing: never stopped in {periods} periods");
    }
    let statistics = Statistics::of(errors).unwrap();
    let wanted = times * Reading::ALL.len() * DELAYS.len();
    assert!(statistics.count * 10 >= wanted * 9, "{condition}: too many packets were lost");
    // One outlier is allowed: the time of a send is read before it, and the process may lose the
    // processor in between. No error may be so large that it looks like a problem of the target.
    assert!(
        worst.len() <= 1 && statistics.max < 0.010,
        "{condition}: {statistics:?}; arrivals timed by kernel and process: {:?}\n{worst:#?}",
        exporter.timed_arrivals()
    );
}
