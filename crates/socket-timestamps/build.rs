//! Sets the cfg `kernel_timestamps` where the platform has kernel timestamps.

use std::env;

/// Environment variable that builds the crate as for a platform without kernel timestamps, to test
/// that code on Linux.
const PORTABLE: &str = "SOCKET_TIMESTAMPS_PORTABLE";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(kernel_timestamps)");
    println!("cargo::rerun-if-env-changed={PORTABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_linux && env::var_os(PORTABLE).is_none() {
        println!("cargo::rustc-cfg=kernel_timestamps");
    }
}
