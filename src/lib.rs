//! A Prometheus exporter that probes a target when it is scraped.
//!
//! The modules in reading order, which is also the order of the layers: each uses only those above
//! it, and `tests/it/architecture.rs` holds that.
//!
//! What everything speaks in:
//! - [`metrics`]: a probe's metrics as plain data, and their text.
//! - [`settings`]: YAML values that several sections share; one that exists is right.
//! - [`diagnostics`]: what a probe notes while it runs: its log, its phases, why it failed.
//!
//! What a probe does:
//! - [`net`]: connections, and what is learned while making them.
//! - [`probers`]: one protocol each, whole: settings, measurements, probe, metrics.
//!
//! What makes it a program:
//! - [`version`], [`logging`]: what this build is, and the log of the process.
//! - [`config`]: the YAML file of modules, and its reload.
//! - [`probe`]: one probe from request to report.
//! - [`server`]: the HTTP server, with its pages.
//! - [`app`]: all parts put together, from the start to a signal.
//! - [`cli`]: what was typed, and what it means.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod config;
pub mod diagnostics;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod probe;
pub mod probers;
pub mod server;
pub mod settings;
pub mod version;
