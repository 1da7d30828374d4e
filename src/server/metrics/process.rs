//! Metrics of the process, with the names that all Prometheus exporters use.
//!
//! The collector of the `prometheus` crate counts CPU time in whole seconds, which is too coarse
//! for an exporter that uses little of it.

use std::{
    collections::HashMap,
    fmt::Display,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::{Counter, Gauge, Registry};
use rustix::{
    param::page_size,
    process::{Resource, getrlimit},
    time::{ClockId, clock_gettime},
};

use crate::server::metrics::register;

pub(super) struct ProcessMetrics {
    cpu: Counter,
    open_files: Gauge,
    max_files: Gauge,
    virtual_memory: Gauge,
    max_virtual_memory: Gauge,
    resident_memory: Gauge,
    threads: Gauge,
    received: Counter,
    sent: Counter,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| register(registry, Gauge::new(name, help)?);
        let counter = |name: &str, help: &str| register(registry, Counter::new(name, help)?);
        let start = gauge(
            "process_start_time_seconds",
            "Start time of the process as Unix time, in seconds.",
        )?;
        // Not read from the kernel: `/proc/stat` is missing with `ProcSubset=pid` of systemd.
        start.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        Ok(Self {
            cpu: counter(
                "process_cpu_seconds_total",
                "User and system CPU time spent, in seconds.",
            )?,
            open_files: gauge("process_open_fds", "Number of open file descriptors.")?,
            max_files: gauge("process_max_fds", "Maximum number of open file descriptors.")?,
            virtual_memory: gauge(
                "process_virtual_memory_bytes",
                "Size of the virtual memory in bytes.",
            )?,
            max_virtual_memory: gauge(
                "process_virtual_memory_max_bytes",
                "Maximum size of the virtual memory in bytes.",
            )?,
            resident_memory: gauge(
                "process_resident_memory_bytes",
                "Size of the resident memory in bytes.",
            )?,
            threads: gauge("process_threads", "Number of threads of the process.")?,
            received: counter(
                "process_network_receive_bytes_total",
                "Number of bytes received in the network namespace of the process.",
            )?,
            sent: counter(
                "process_network_transmit_bytes_total",
                "Number of bytes sent in the network namespace of the process.",
            )?,
        })
    }

    /// Reads the current values. A value that cannot be read is kept.
    pub(super) fn refresh(&self) {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        raise(&self.cpu, number(cpu.tv_sec) + number(cpu.tv_nsec) / 1e9);
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // Listing the directory opens one file itself.
            self.open_files.set(number(files.count().saturating_sub(1)));
        }
        self.max_files.set(limit(Resource::Nofile));
        self.max_virtual_memory.set(limit(Resource::As));
        if let [size, resident, ..] = numbers("/proc/self/statm").as_slice() {
            self.virtual_memory.set(size * number(page_size()));
            self.resident_memory.set(resident * number(page_size()));
        }
        self.threads.set(threads().unwrap_or_default());
        if let Some(traffic) = traffic() {
            raise(&self.received, traffic.get("InOctets").copied().unwrap_or_default());
            raise(&self.sent, traffic.get("OutOctets").copied().unwrap_or_default());
        }
    }
}

/// Raises a counter to `total`. It never falls, also if a concurrent scrape has read a later total.
fn raise(counter: &Counter, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}

/// Converts a count of the kernel. Counts stay below the 53 bits of a float's mantissa.
fn number(count: impl Display) -> f64 {
    count.to_string().parse().unwrap_or_default()
}

/// A resource limit. Like Go's collector, exports "unlimited" as the largest number.
fn limit(resource: Resource) -> f64 {
    getrlimit(resource).current.map_or_else(|| number(u64::MAX), number)
}

fn numbers(file: &str) -> Vec<f64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Number of threads, from the field of `/proc/self/stat` that proc(5) describes.
fn threads() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The command name can contain parentheses; the last one ends it.
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_whitespace().nth(17)?.parse().ok()
}

/// Network counters of the lines that begin with `IpExt:`: one with names, one with values.
fn traffic() -> Option<HashMap<String, f64>> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let values = values.split(' ').map(|value| value.parse().unwrap_or_default());
    Some(names.split(' ').map(str::to_owned).zip(values).collect())
}
