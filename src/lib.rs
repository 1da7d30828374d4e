//! A Prometheus exporter that probes a target when Prometheus scrapes it.
//!
//! The modules in reading order, which is also the order of the layers. A module uses only modules
//! above it; `crates/source-checks` verifies this. `ARCHITECTURE.md` describes each layer.
//!
//! Vocabulary:
//! - `compact`: a compact form of names and numbers for serialization.
//! - [`scheduling`]: the share of CPU time that each task gets on a thread.
//! - [`metrics`]: the metrics of a probe as plain data, and their text formats.
//! - [`blocking`]: threads for calls that can block without an end.
//! - [`memory`]: the memory that running probes may hold together.
//! - [`admission`]: limits on how many probes run at once, and the queues for their places.
//! - [`settings`]: values and sections of the configuration that several modules share. A value
//!   that exists is valid.
//! - [`diagnostics`]: the records of a running probe: log, phases, attempts, checks, failure.
//! - [`policy`]: the rules about what probes may connect to.
//!
//! Probing:
//! - [`net`]: connections and exchanges, with their measurements.
//! - [`probers`]: one protocol per module: settings, measurements, probe, metrics.
//!
//! The program:
//! - [`version`], [`logging`]: build information, and the log of the process.
//! - [`config`]: the configuration file: parsing, the list of probers, reload.
//! - [`probe`]: one probe from request to report.
//! - [`server`]: the HTTP server: routes, pages, metrics of the exporter.
//! - [`app`]: assembly of all parts: listeners, threads, signals, reload.
//! - [`cli`]: the command line and its commands.

#![forbid(unsafe_code)]

pub mod admission;
pub mod app;
pub mod blocking;
pub mod cli;
mod compact;
pub mod config;
pub mod diagnostics;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod net;
pub mod policy;
pub mod probe;
pub mod probers;
pub mod scheduling;
pub mod server;
pub mod settings;
pub mod version;
