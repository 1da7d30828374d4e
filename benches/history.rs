//! A night of the history: 5,000 targets every 15 s, 50 of which fail now and then, for 12 hours.
//!
//! `make bench-history` runs it with reports of real probes at made-up times, and prints the
//! memory, the cost of a probe, and what is found in the morning. Arguments: the number of targets, the
//! number of failing ones, hours, and the limit in MiB.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measurement"
)]

mod fixture;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use probe_exporter::{
    config::Config,
    net::resolve::Resolver,
    probe::{self, History, ProbeReport, ProbeRequest, request::RawRequest},
};

#[cfg(all(unix, feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MODULES: &str = include_str!("../config/blackbox.yml");
const INTERVAL: Duration = Duration::from_secs(15);

/// Parameters of the simulation.
#[derive(Debug)]
struct Night {
    targets: u64,
    failing: u64,
    hours: u64,
    memory: usize,
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let mut next = |default| numbers.next().unwrap_or(default);
    let night =
        Night { targets: next(5_000), failing: next(50), hours: next(12), memory: mib(next(16)) };
    println!("{night:?}");
    let [good, bad, tcp] = sample_reports();
    println!("report of a success: {} bytes, of a failure: {} bytes", good.weight(), bad.weight());
    let resident = resident();
    let history = History::new(100);
    history.set_memory(night.memory);
    let started = SystemTime::UNIX_EPOCH + Duration::from_hours(480_000);
    let probes = simulate(&night, &history, started, &good, &bad);
    println!("{probes} probes");
    println!("counted: {} of {} bytes", history.weight(), night.memory);
    println!("resident: {} bytes more", self::resident() - resident);
    println!("{:?}", history.extent());
    report_morning(&night, &history, started);
    report_costs("http", &night, &history, &good);
    report_costs("tcp", &night, &History::new(100), &tcp);
}

fn mib(number: u64) -> usize {
    usize::try_from(number).expect("a small number") << 20
}

fn target(number: u64) -> String {
    format!("https://shop{number}.customers.example/health")
}

/// Records the probes of a night. Each failing target fails for ten minutes once, at its own time before
/// the half of the night.
fn simulate(
    night: &Night,
    history: &History,
    started: SystemTime,
    good: &ProbeReport,
    bad: &ProbeReport,
) -> u64 {
    let rounds = night.hours * 240;
    for round in 0..rounds {
        let time = started + INTERVAL * u32::try_from(round).expect("a small number");
        for number in 0..night.targets {
            let begin = rounds / 6 + number * 9 % (rounds / 3);
            let fails = number < night.failing && (begin..begin + 40).contains(&round);
            let sample = if fails { bad } else { good };
            history.record(Arc::new(report(sample, number, time)));
        }
    }
    rounds * night.targets
}

fn report(sample: &ProbeReport, number: u64, started: SystemTime) -> ProbeReport {
    ProbeReport { target: target(number), started, ..sample.clone() }
}

/// Prints the CPU time of a probe in the history, in rounds that alternate with making a report and
/// dropping it after a hundred others, which every history does.
fn report_costs(kind: &str, night: &Night, history: &History, good: &ProbeReport) {
    const COUNT: u64 = 50_000;
    let now = SystemTime::now();
    let mut costs: Vec<_> = (0..15)
        .map(|run| {
            let next = |number: u64| {
                let rounds = (run * COUNT + number) / night.targets;
                let time = now + INTERVAL * u32::try_from(rounds).expect("a small number");
                report(good, number % night.targets, time)
            };
            let mut recent = VecDeque::new();
            let begin = cpu_time();
            for number in 0..COUNT {
                let copy = next(number);
                let weight = copy.weight();
                recent.push_back((Arc::new(copy), weight));
                if recent.len() > 100 {
                    recent.pop_front();
                }
            }
            let middle = cpu_time();
            for number in 0..COUNT {
                history.record(Arc::new(next(number)));
            }
            let [without, with] = [middle - begin, cpu_time() - middle].map(|it| it / COUNT);
            (with.saturating_sub(without), without)
        })
        .collect();
    costs.sort_unstable();
    let (median, without) = costs[costs.len() / 2];
    let (least, most) = (costs[0].0, costs[costs.len() - 1].0);
    println!(
        "CPU time of a probe, {kind}: {median} ns ({least} to {most}) besides {without} ns for its report"
    );
}

/// CPU time of this thread in nanoseconds.
fn cpu_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn report_morning(night: &Night, history: &History, started: SystemTime) {
    let mut found = [0; 4];
    for number in 0..night.targets {
        let Some(target) = history.target("http_2xx", &target(number), "") else { continue };
        let (bad, good) = target.last_bad_and_good();
        let has_report = |id: Option<u64>| id.is_some_and(|id| history.find(id).is_some());
        let is_kept = [
            bad.is_some(),
            bad.is_some_and(|episode| has_report(episode.ids()[1])),
            good.is_some_and(|episode| has_report(episode.ids()[1])),
            target.first <= started + INTERVAL,
        ];
        for (count, is_kept) in found.iter_mut().zip(is_kept) {
            *count += u64::from(is_kept);
        }
    }
    let [bad, bad_report, good_report, whole] = found;
    println!(
        "in the morning, failures found: {bad} of {} with {bad_report} reports; a report of a \
         success: {good_report} targets; known since the evening: {whole} targets",
        night.failing
    );
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// Probes a server that answers, a port where nobody listens, and the server over TCP.
fn sample_reports() -> [ProbeReport; 3] {
    let (runtime, server) = fixture::start();
    let config = Config::parse(MODULES, "blackbox.yml").expect("the shipped file loads");
    let resolver = Arc::new(Resolver::system());
    let probe = |module: &str, server: SocketAddr| {
        let query = format!("module={module}&target={server}");
        let raw = RawRequest { query: &query, scrape_timeout: None };
        let request = ProbeRequest::parse(raw, &config, 0.5).expect("a good request");
        runtime.block_on(probe::run(request, Arc::clone(&resolver)))
    };
    let closed = SocketAddr::from(([127, 0, 0, 1], 1));
    [probe("http_2xx", server), probe("http_2xx", closed), probe("tcp_connect", server)]
}
