//! Many concurrent scrapes of a target that accepts and never answers.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::LATENESS;
use crate::{
    fixtures::hostile::{
        Then::{Close, Wait},
        greeting,
    },
    harness::{Answer, probe_path, request},
    running::Running,
};

const MODULES: &str = "
modules:
  silent: {prober: http, timeout: 3s}
  healthy: {prober: tcp, timeout: 10s, tcp: {query_response: [{expect: hello}]}}
";

const CROWD: usize = 200;
const OTHERS: usize = 20;

#[test]
fn many_waiting_probes_are_answered_and_do_not_delay_others() {
    let exporter = Running::start(MODULES, &[]);
    let address = exporter.address;
    let (silent, healthy) = (greeting("", Wait), greeting("hello\r\n", Close));
    let before = exporter.memory();
    let probe = |module: &str, target: String| -> (Answer, Duration) {
        let begun = Instant::now();
        let answer = request(address, "GET", &probe_path(module, &target), &[]);
        (answer, begun.elapsed())
    };
    let (crowd, others): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        // All are started before the first is joined.
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            crowd.push(scope.spawn(|| probe("silent", silent.address.to_string())));
        }
        let others = (0..OTHERS).map(|_| probe("healthy", healthy.address.to_string())).collect();
        (crowd.into_iter().map(|scrape| scrape.join().unwrap()).collect(), others)
    });
    for (answer, took) in &crowd {
        answer.metrics().expect(&[
            "probe_success 0",
            "probe_failure_info{stage=\"response\",reason=\"timeout\"} 1",
        ]);
        assert!(*took < Duration::from_secs_f64(3.0 + LATENESS), "answered after {took:?}");
    }
    for (answer, _) in &others {
        answer.metrics().expect(&["probe_success 1"]);
    }
    let each = exporter.peak_memory().saturating_sub(before) / u64::try_from(CROWD).unwrap();
    assert!(each < 150 << 10, "{each} bytes for each scrape that waits");
}
