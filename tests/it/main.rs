//! The integration tests: one binary, so that the crate is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[cfg(target_os = "linux")]
mod accuracy;
mod activation;
mod admission;
mod blocked_log;
mod chaos;
mod checks;
mod cli;
mod cli_probe;
mod config;
mod crowded;
mod deployment;
mod dialects;
mod dns;
mod documents;
mod failures;
mod fallback;
mod fixtures;
mod grpc;
mod harness;
mod http;
mod icmp;
mod internationalized;
mod keys;
mod limits;
mod listening;
mod memory;
mod metric_text;
mod namespace;
mod notification;
mod openmetrics;
mod overhead;
mod pages;
mod parity;
mod policy;
mod probing;
mod process;
mod reference;
mod refusals;
mod resilience;
mod responses;
mod running;
mod schema;
mod secrets;
mod server;
mod shipped;
mod soak;
mod source;
mod stopping;
mod tcp;
mod unix;
mod verdicts;
mod weak_points;
mod web_config;
mod websocket;
mod wire;
mod zones;
