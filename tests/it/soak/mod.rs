//! A soak: a million probes of all kinds, with reloads that change policy and limits. `make soak` runs it
//! with the release binary.
//!
//! `SOAK_PROBES` and `SOAK_SECONDS` bound it.

#[cfg(target_os = "linux")]
mod overload;
mod servers;

use std::{
    collections::BTreeMap,
    env, fs,
    io::Write as _,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use self::servers::{Kind, Servers};
use crate::{
    harness::{connect, eventually, probe_path, request},
    running::Running,
};
use rustix::process::Signal;

/// Scrapes at once.
const SCRAPERS: usize = 16;

/// Time that each configuration is in force.
const TERM: Duration = Duration::from_secs(3);

/// Time that a scraper waits after a refusal.
const PAUSE: Duration = Duration::from_millis(5);

/// Bytes of anonymous memory that may stay in use after the soak.
const MORE_MEMORY: u64 = 1 << 20;

/// Maximum time of a response of `/-/healthy`, but for one in a thousand.
const HEALTHY: Duration = Duration::from_millis(100);

const MODULES: &str = "
modules:
  http: {prober: http, timeout: 20s, http: {fail_if_body_not_matches_regexp: [hello]}}
  https: {prober: http, timeout: 20s, http: {tls_config: {insecure_skip_verify: true}, fail_if_body_not_matches_regexp: [hello]}}
  verified: {prober: http, timeout: 20s}
  http3: {prober: http, timeout: 20s, http: {enable_http3: true, enable_http2: false, tls_config: {insecure_skip_verify: true}}}
  cut: {prober: http, timeout: 50ms}
  tcp: {prober: tcp, timeout: 20s, tcp: {query_response: [{expect: hello}]}}
  tls: {prober: tcp, timeout: 20s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}, query_response: [{expect: hello}]}}
  tcp_cut: {prober: tcp, timeout: 50ms, tcp: {query_response: [{expect: never}]}}
  dns: {prober: dns, timeout: 20s, dns: {query_name: host.example, query_type: A}}
  dns_tcp: {prober: dns, timeout: 20s, dns: {query_name: host.example, query_type: A, transport_protocol: tcp}}
  icmp: {prober: icmp, timeout: 20s}
  grpc: {prober: grpc, timeout: 20s, grpc: {service: '1'}}
  grpc_down: {prober: grpc, timeout: 20s, grpc: {service: '2'}}
  websocket: {prober: websocket, timeout: 20s}
  unix: {prober: unix, timeout: 20s, unix: {query_response: [{expect: hello}]}}
";

/// Configurations that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Open,
    /// The policy denies the first target.
    Denied,
    /// Few probes may run at once.
    Limited,
}

impl Rule {
    const fn bit(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Denied => 2,
            Self::Limited => 4,
        }
    }
}

const RULES: [Rule; 4] = [Rule::Open, Rule::Denied, Rule::Limited, Rule::Denied];

/// Counts of results.
#[derive(Debug, Default)]
struct Tally {
    /// Those that were not refused.
    probes: AtomicUsize,
    hung_up: AtomicUsize,
    reloads: AtomicUsize,
    denied: AtomicUsize,
    limited: AtomicUsize,
    /// Refusals for lack of CPU time.
    overloaded: AtomicUsize,
    wrong: Mutex<BTreeMap<String, usize>>,
    health: Mutex<Vec<Duration>>,
}

struct Soak<'a> {
    address: SocketAddr,
    servers: &'a Servers,
    /// Bits of the rules that may be in force.
    rules: &'a AtomicU8,
    tally: Tally,
}

impl Soak<'_> {
    /// Probes until the number or the time is reached.
    fn run(&self, exporter: &Running, probes: usize, time: Duration) {
        let (begun, done) = (Instant::now(), AtomicBool::new(false));
        let scrape = |first: usize| {
            for turn in first.. {
                if self.tally.probes.load(SeqCst) >= probes || begun.elapsed() > time {
                    return;
                }
                if turn % 50 == 7 { self.hang_up() } else { self.probe(turn) }
            }
        };
        thread::scope(|scope| {
            let scrape = &scrape;
            let asker = scope.spawn(|| self.ask_health(&done));
            let scrapers: Vec<_> =
                (0..SCRAPERS).map(|first| scope.spawn(move || scrape(first))).collect();
            self.change_rules(exporter, || {
                scrapers.iter().all(thread::ScopedJoinHandle::is_finished)
            });
            done.store(true, SeqCst);
            let ends = scrapers.into_iter().chain([asker]).map(thread::ScopedJoinHandle::join);
            assert!(ends.collect::<Vec<_>>().iter().all(Result::is_ok));
        });
        eventually("all probes end", || exporter.in_flight() < 1.0);
    }

    fn probe(&self, turn: usize) {
        let number = turn % self.servers.kinds.len();
        let Kind { module, target, reason } = &self.servers.kinds[number];
        let before = self.rules.load(SeqCst);
        let answer = request(self.address, "GET", &probe_path(module, target), &[]);
        let rules = before | self.rules.load(SeqCst);
        let may_be = |rule: Rule| rules & rule.bit() > 0;
        if answer.status == 200 {
            self.tally.probes.fetch_add(1, SeqCst);
        } else {
            thread::sleep(PAUSE);
        }
        let text = answer.text();
        let leads_to_denied = target.contains(&format!(":{}/", self.servers.denied));
        let (outcome, is_right) = match answer.status {
            403 => {
                self.tally.denied.fetch_add(1, SeqCst);
                ("denied", leads_to_denied && may_be(Rule::Denied))
            }
            503 if text.contains("CPU time") => {
                self.tally.overloaded.fetch_add(1, SeqCst);
                ("overloaded", true)
            }
            503 => {
                self.tally.limited.fetch_add(1, SeqCst);
                ("limited", text.contains("limits.in_flight") && may_be(Rule::Limited))
            }
            _ if text.contains("\nprobe_success 1\n") => ("success", reason.is_empty()),
            _ => {
                let by_policy =
                    module == &"http" && may_be(Rule::Denied) && text.contains("reason=\"denied\"");
                let expected = text.contains(&format!("probe_failure_info{{reason=\"{reason}\""));
                (if by_policy { "denied redirect" } else { "failure" }, expected || by_policy)
            }
        };
        let always_denied = rules == Rule::Denied.bit() && leads_to_denied;
        if !is_right || (always_denied && outcome == "success") {
            let said = text.lines().find(|line| line.starts_with("probe_failure_info"));
            let said = said.or_else(|| text.lines().next()).unwrap_or_default();
            let line =
                format!("{module} {target} {outcome}, not {reason:?}: {} {said}", answer.status);
            *self.tally.wrong.lock().unwrap().entry(line).or_default() += 1;
        }
    }

    /// Scrapes a target that never responds, and leaves.
    fn hang_up(&self) {
        let mut stream = connect(self.address);
        let path = probe_path("http", &self.servers.hanging);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        stream.peek(&mut [0]).ok();
        self.tally.hung_up.fetch_add(1, SeqCst);
    }

    /// Reloads with each rule in turn, by signal and by request; invalid files in between.
    fn change_rules(&self, exporter: &Running, is_done: impl Fn() -> bool) {
        for turn in 1.. {
            let rule = RULES[turn % RULES.len()];
            self.rules.fetch_or(rule.bit(), SeqCst);
            fs::write(exporter.config(), "modules: {http: {prober: smoke}}").unwrap();
            assert_eq!(self.reload(), 500);
            fs::write(exporter.config(), configuration(rule, self.servers.denied)).unwrap();
            if turn % 2 == 0 {
                exporter.signal(Signal::HUP);
                let name = "blackbox_exporter_config_last_reload_successful";
                let reloaded = || exporter.own_metrics().value(name) == Some(1.0);
                eventually("the signal reloads", reloaded);
            } else {
                assert_eq!(self.reload(), 200);
            }
            self.rules.store(rule.bit(), SeqCst);
            self.tally.reloads.fetch_add(2, SeqCst);
            let until = Instant::now() + TERM;
            while Instant::now() < until {
                if is_done() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn reload(&self) -> u16 {
        request(self.address, "POST", "/-/reload", &[]).status
    }

    fn ask_health(&self, done: &AtomicBool) {
        while !done.load(SeqCst) {
            let begun = Instant::now();
            assert_eq!(request(self.address, "GET", "/-/healthy", &[]).status, 200);
            self.tally.health.lock().unwrap().push(begun.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn configuration(rule: Rule, denied: u16) -> String {
    let rule = match rule {
        Rule::Open => String::new(),
        Rule::Denied => format!("policy: {{ports: {{deny: [{denied}]}}}}"),
        Rule::Limited => "limits: {in_flight: 4, queue_timeout: 0s}".to_owned(),
    };
    format!("{rule}{MODULES}")
}

fn bound(name: &str, default: u32) -> u32 {
    env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[test]
#[ignore = "takes minutes: make soak"]
fn a_soak_leaves_nothing_behind() {
    let probes = usize::try_from(bound("SOAK_PROBES", 1_000_000)).unwrap();
    let time = Duration::from_secs(bound("SOAK_SECONDS", u32::MAX).into());
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start(folder.path());
    let yaml = configuration(Rule::Open, servers.denied);
    let exporter = Running::start(&yaml, &["--history.limit=10"]);
    let rules = AtomicU8::new(Rule::Open.bit());
    let soak = || Soak {
        address: exporter.address,
        servers: &servers,
        rules: &rules,
        tally: Tally::default(),
    };
    let at_rest = || {
        // Longer than freed memory is kept, and than connections to clients that are gone.
        thread::sleep(Duration::from_secs(15));
        (exporter.descriptors(), exporter.anonymous_memory())
    };
    soak().run(&exporter, probes / 10, time / 5);
    let (descriptors, memory) = at_rest();
    let (soak, begun) = (soak(), Instant::now());
    soak.run(&exporter, probes, time);
    let elapsed = begun.elapsed();
    let (descriptors_after, memory_after) = at_rest();
    let tally = soak.tally;
    let mut health = tally.health.into_inner().unwrap();
    health.sort_unstable();
    let wrong = tally.wrong.into_inner().unwrap();
    let made = tally.probes.into_inner();
    println!(
        "{made} probes of {} kinds in {elapsed:.0?}, and {:?} whose scrapers hung up; {:?} reloads; \
         refused: {:?} by the policy, {:?} by the limit, {:?} for lack of CPU time; wrong: {}\n\
         descriptors: {descriptors}, then {descriptors_after}; anonymous memory: {memory}, then {memory_after}\n\
         /-/healthy, {} requests: median {:?}, 99.9th percentile {:?}, maximum {:?}",
        servers.kinds.len(),
        tally.hung_up,
        tally.reloads,
        tally.denied,
        tally.limited,
        tally.overloaded,
        wrong.values().sum::<usize>(),
        health.len(),
        health[health.len() / 2],
        health[health.len() * 999 / 1000],
        health.last().unwrap(),
    );
    assert!(wrong.is_empty(), "wrong results: {wrong:#?}");
    assert!(descriptors_after <= descriptors, "descriptors are lost");
    assert!(memory_after <= memory + MORE_MEMORY, "memory is lost");
    assert!(health[health.len() * 999 / 1000] <= HEALTHY, "/-/healthy is slow");
}
