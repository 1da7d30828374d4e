//! Tests of the limit of memory.

use super::*;
use crate::probe::history::samples;

const MIB: usize = 1 << 20;

/// A table that is fed with probes at made-up times.
struct Feeder {
    table: Table,
    next_id: u64,
    now: SystemTime,
    budget: usize,
}

impl Feeder {
    fn new(budget: usize) -> Self {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1_000);
        Self { table: Table::default(), next_id: 0, now, budget }
    }

    fn probe(&mut self, target: &str, failure: Option<&str>) {
        let mut report = samples::https(target, failure);
        report.started = self.now;
        self.feed(&report);
    }

    fn feed(&mut self, report: &ProbeReport) {
        self.table.record(self.next_id, report, &Recent::new(0), self.budget);
        self.next_id += 1;
        assert!(self.table.weight() <= self.budget, "{}", self.table.weight());
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn history(&self, target: &str) -> Option<&TargetHistory> {
        self.table.of_target(target).next()
    }

    /// Returns the messages of the failures of a target whose reports are kept.
    fn failures(&self, target: &str) -> Vec<String> {
        let history = self.history(target).unwrap();
        let reports = history.reports().filter_map(|stored| {
            let report = stored.packed.report(&history.key).unwrap();
            report.verdict.failure().map(|failure| failure.message.clone())
        });
        reports.collect()
    }

    /// Asserts that the totals are those of the slots.
    fn assert_consistent(&self) {
        let table = &self.table;
        let slots = || table.slots.iter().flatten();
        let total = |wanted: &dyn Fn(Kind) -> bool| {
            slots().filter(|it| wanted(it.kind)).map(|it| it.lines + it.reports).sum::<usize>()
        };
        assert_eq!(total(&Kind::is_stranger), table.strangers);
        assert_eq!(total(&|kind| kind == Kind::Failed), table.failed);
        assert_eq!(total(&|kind| matches!(kind, Kind::Good | Kind::Bare)), table.others);
        assert_eq!(table.order.len(), table.count());
        for (place, index) in &table.order {
            let slot = table.slot(*index).unwrap();
            assert_eq!((slot.kind, slot.place), *place);
        }
        let ids: usize = slots().map(|it| it.history.reports().count()).sum();
        assert_eq!(ids, table.by_id.len());
        for stored in slots().flat_map(|it| it.history.reports()) {
            assert_eq!(table.report(stored.id).unwrap().1.id, stored.id);
        }
        let found = slots().filter(|it| {
            let is_own = |other: &TargetHistory| Arc::ptr_eq(&other.key, &it.history.key);
            table.of_target(it.history.key.target()).any(is_own)
        });
        assert_eq!(found.count(), table.count());
    }
}

const TARGETS: u32 = 150;
const FAILING: u32 = 5;

fn name(number: u32) -> String {
    format!("https://shop{number}.example/")
}

/// Probes all targets for a night; some fail from 3:00 to 3:10, and one all the time.
fn night(feeder: &mut Feeder, meanwhile: impl Fn(&mut Feeder, u32)) {
    const ROUNDS: u32 = 12 * 12;
    for round in 0..ROUNDS {
        for number in 0..TARGETS {
            let is_down = (36..38).contains(&round) && number < FAILING || number == FAILING;
            feeder.probe(&name(number), is_down.then_some("connection refused by 192.0.2.7"));
        }
        meanwhile(feeder, round);
        feeder.wait(Duration::from_mins(5));
    }
    feeder.assert_consistent();
}

fn assert_night(feeder: &Feeder) {
    for number in 0..=FAILING {
        let history = feeder.history(&name(number)).unwrap();
        assert!(!feeder.failures(&name(number)).is_empty(), "{number}");
        let (bad, _) = history.last_bad_and_good();
        assert_eq!(bad.unwrap().failures, if number == FAILING { 144 } else { 2 });
    }
}

/// The memory is a tenth of what the reports of all successes would take.
#[test]
fn the_failure_of_last_night_is_found_in_the_morning() {
    let mut feeder = Feeder::new(MIB / 4);
    night(&mut feeder, |_, _| ());
    assert_night(&feeder);
    assert_eq!(feeder.table.count(), usize::try_from(TARGETS).unwrap());
    assert!(feeder.history(&name(0)).unwrap().last_bad_and_good().1.is_some());
}

#[test]
fn invented_targets_displace_only_each_other() {
    let mut feeder = Feeder::new(MIB / 4);
    night(&mut feeder, |feeder, round| {
        for number in 0..if round % 4 == 3 { 2 * TARGETS } else { 0 } {
            feeder.probe(&format!("invented{round}-{number}.example"), Some("no such host"));
        }
    });
    assert_night(&feeder);
    for number in 0..TARGETS {
        assert!(feeder.history(&name(number)).is_some(), "{number}");
    }
}

/// A client probes real targets with failures of its own making, which differ each time.
#[test]
fn failures_that_a_client_causes_do_not_displace_those_of_others() {
    let mut feeder = Feeder::new(MIB / 4);
    night(&mut feeder, |feeder, round| {
        for attempt in 0..20 {
            let letter = char::from_u32(97 + attempt).unwrap().to_string();
            feeder.probe(&name(50 + round % 3), Some(&letter.repeat(8)));
        }
    });
    assert_night(&feeder);
}

#[test]
fn a_target_has_a_limited_number_of_modules_and_hostnames() {
    let mut feeder = Feeder::new(MIB);
    for _ in 0..4 {
        feeder.probe("https://a/", None);
        feeder.wait(Duration::from_mins(1));
    }
    for number in 0..1_000 {
        let hostname = Some(format!("h{number}"));
        let report = ProbeReport { hostname, ..samples::https("https://a/", None) };
        feeder.feed(&ProbeReport { started: feeder.now, ..report });
    }
    assert_eq!(feeder.table.of_target("https://a/").count(), MAX_VARIANTS);
    let is_first = |history: &TargetHistory| history.key.hostname().is_none();
    assert!(feeder.table.of_target("https://a/").any(is_first));
    feeder.assert_consistent();
}

#[test]
fn targets_that_are_not_probed_give_way_before_others_lose_reports() {
    let mut feeder = Feeder::new(MIB / 4);
    let probe_all = |feeder: &mut Feeder, prefix: &str| {
        for _ in 0..8 {
            for number in 0..110 {
                feeder.probe(&format!("https://{prefix}{number}/"), None);
            }
            feeder.wait(Duration::from_mins(1));
        }
    };
    probe_all(&mut feeder, "old");
    feeder.wait(MAX_IDLE);
    probe_all(&mut feeder, "new");
    feeder.assert_consistent();
    let has_report = |number: &u32| {
        let history = feeder.history(&format!("https://new{number}/"));
        history.is_some_and(|history| history.reports().next().is_some())
    };
    assert_eq!((0..110).filter(has_report).count(), 110);
    assert!((120..215).contains(&feeder.table.count()), "{}", feeder.table.count());
}

/// The reports of all targets would take five times the memory, and their episodes more than a half.
#[test]
fn of_too_many_targets_the_known_ones_stay() {
    let mut feeder = Feeder::new(MIB / 4);
    for _ in 0..12 {
        for number in 0..800 {
            feeder.probe(&name(number), (number % 40 == 0).then_some("refused"));
        }
        feeder.wait(Duration::from_mins(1));
    }
    let is_old = |number: &u32| feeder.history(&name(*number)).is_some_and(|it| it.probes > 8);
    let kept = (0..800).filter(is_old).count();
    // Which ones are known depends on the hashes.
    assert!(kept > 150, "{kept} of {}", feeder.table.count());
    let failing = (0..800).step_by(40).filter(is_old);
    let with_report = failing.clone().filter(|number| !feeder.failures(&name(*number)).is_empty());
    let (with_report, failing) = (with_report.count(), failing.count());
    assert!(failing > 0 && with_report == failing, "{with_report} of {failing}");
    feeder.assert_consistent();
}

#[test]
fn a_smaller_limit_is_applied_at_once() {
    let mut feeder = Feeder::new(4 * MIB);
    for number in 0..1_000 {
        feeder.probe(&name(number), Some("refused"));
    }
    feeder.table.shrink(MIB);
    assert!(feeder.table.weight() <= MIB && feeder.table.count() > 50);
    feeder.assert_consistent();
}
