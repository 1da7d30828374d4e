//! The rows of the tables.

use serde::Serialize;

use crate::figures::{Figure, Spread};

/// One kind of probe at one number of scrapes at once.
#[derive(Debug, Serialize)]
pub(crate) struct CpuRow {
    pub(crate) kind: &'static str,
    pub(crate) at_once: usize,
    /// User and system time of the exporter per probe, in microseconds.
    pub(crate) cpu_microseconds: Figure,
    pub(crate) probes_per_second: Figure,
    /// As the scraper sees it, in microseconds.
    pub(crate) latency_p50_microseconds: Figure,
    /// As the scraper sees it, in microseconds.
    pub(crate) latency_p99_microseconds: Figure,
    /// The lookup of the target's name, in microseconds.
    pub(crate) lookup_p50_microseconds: Option<Figure>,
    /// The lookup of the target's name, in microseconds.
    pub(crate) lookup_p99_microseconds: Option<Figure>,
    /// A bare exchange with the target, in microseconds of CPU time.
    pub(crate) floor_exchange_microseconds: f64,
    /// A bare answer to the scraper, in microseconds of CPU time.
    pub(crate) floor_scrape_microseconds: f64,
    /// CPU time over both floors, for the exporter that is measured.
    pub(crate) measured_over_floor: Spread,
    /// The same for the exporter it is compared with.
    pub(crate) against_over_floor: Option<Spread>,
    /// Turns in which probes failed, with one of the answers. A probe that fails costs less or more
    /// than one that does not, so such a row is worthless.
    pub(crate) failures: Vec<String>,
}

/// Resident memory in mebibytes, at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct MemoryRow {
    pub(crate) when: String,
    pub(crate) mebibytes: Figure,
}

/// Start-up with a number of modules.
#[derive(Debug, Serialize)]
pub(crate) struct StartupRow {
    pub(crate) modules: usize,
    /// To the first connection that was taken, in milliseconds.
    pub(crate) listening_milliseconds: Figure,
    /// To the first answer to `/-/healthy`, in milliseconds.
    pub(crate) healthy_milliseconds: Figure,
}
