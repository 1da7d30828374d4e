//! What the system knows of this process, under the names that all exporters share.
//!
//! The collector of the `prometheus` crate counts processor time in whole seconds, in which an
//! exporter that needs little of it cannot be seen at all.

use std::{collections::HashMap, fmt::Display, fs};

use prometheus::{Counter, Gauge, Registry};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::server::metrics::register;

pub(super) struct ProcessMetrics {
    cpu: Counter,
    open_files: Gauge,
    most_files: Gauge,
    virtual_memory: Gauge,
    most_virtual_memory: Gauge,
    resident_memory: Gauge,
    threads: Gauge,
    received: Counter,
    sent: Counter,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| register(registry, Gauge::new(name, help)?);
        let counter = |name: &str, help: &str| register(registry, Counter::new(name, help)?);
        let start = gauge("process_start_time_seconds", "When the process started, in Unix time.")?;
        start.set(start_time().unwrap_or_default());
        Ok(Self {
            cpu: counter("process_cpu_seconds_total", "Processor time used, user and system.")?,
            open_files: gauge("process_open_fds", "Open file descriptors.")?,
            most_files: gauge("process_max_fds", "File descriptors that may be open at once.")?,
            virtual_memory: gauge("process_virtual_memory_bytes", "Size of the address space.")?,
            most_virtual_memory: gauge(
                "process_virtual_memory_max_bytes",
                "Size that the address space may have.",
            )?,
            resident_memory: gauge("process_resident_memory_bytes", "Memory in use.")?,
            threads: gauge("process_threads", "Threads.")?,
            received: counter(
                "process_network_receive_bytes_total",
                "Bytes received in the network namespace of the process.",
            )?,
            sent: counter(
                "process_network_transmit_bytes_total",
                "Bytes sent in the network namespace of the process.",
            )?,
        })
    }

    /// Reads everything anew; what cannot be read keeps its value.
    pub(super) fn refresh(&self) {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        raise(&self.cpu, number(cpu.tv_sec) + number(cpu.tv_nsec) / 1e9);
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The listing itself is one of them.
            self.open_files.set(number(files.count().saturating_sub(1)));
        }
        self.most_files.set(limit(Resource::Nofile));
        self.most_virtual_memory.set(limit(Resource::As));
        if let [size, resident, ..] = numbers("/proc/self/statm").as_slice() {
            self.virtual_memory.set(size * number(page_size()));
            self.resident_memory.set(resident * number(page_size()));
        }
        self.threads.set(stat_field(THREADS).unwrap_or_default());
        if let Some(traffic) = traffic() {
            raise(&self.received, traffic.get("InOctets").copied().unwrap_or_default());
            raise(&self.sent, traffic.get("OutOctets").copied().unwrap_or_default());
        }
    }
}

/// Two scrapes at once may both have read before one of them adds.
fn raise(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}

/// Numbers that the system counts; none of them outgrows the 53 bits that a float keeps.
fn number(count: impl Display) -> f64 {
    count.to_string().parse().unwrap_or_default()
}

/// No limit is shown as the largest number, as Go's collector does.
fn limit(resource: Resource) -> f64 {
    getrlimit(resource).current.map_or_else(|| number(u64::MAX), number)
}

fn numbers(file: &str) -> Vec<f64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Fields of `/proc/self/stat`, counted from the one after the name; see proc(5).
const THREADS: usize = 17;
const START_TIME: usize = 19;

fn stat_field(field: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything, so the last parenthesis ends it.
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_whitespace().nth(field)?.parse().ok()
}

/// In Unix time: the kernel counts it from the boot.
fn start_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = text.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + stat_field(START_TIME)? / number(clock_ticks_per_second()))
}

/// The line of names and the line of values that begin with `IpExt:`.
fn traffic() -> Option<HashMap<String, f64>> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let values = values.split(' ').map(|value| value.parse().unwrap_or_default());
    Some(names.split(' ').map(str::to_owned).zip(values).collect())
}
