//! Tells the crate which compiler it was built with, and whether it can have the kernel's stamps.

use std::{env, process::Command};

/// Builds the crate as for a platform whose kernel stamps no packets: `make portable`.
const PORTABLE: &str = "PROBE_EXPORTER_PORTABLE";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kernel_stamps)");
    println!("cargo::rerun-if-env-changed={PORTABLE}");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_linux && env::var_os(PORTABLE).is_none() {
        println!("cargo::rustc-cfg=kernel_stamps");
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=PROBE_EXPORTER_RUST_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
