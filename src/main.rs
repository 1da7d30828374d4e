//! The `probe_exporter` binary.

fn main() {}
