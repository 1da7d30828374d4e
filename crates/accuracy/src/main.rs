//! How far the readings of exporters are from the truth, when the processor is theirs and when it
//! is not.
//!
//! `make accuracy` runs it, as root. The truth is in the packets of each probe: the kernel's stamps
//! of when they left and arrived. So neither a late responder nor this program's own load counts as
//! an error of an exporter.

#![expect(clippy::print_stderr, reason = "whoever measures must see what goes on")]

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "the results are for the terminal")]
mod program;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("accuracy: needs Linux: its network namespaces, control groups and time stamps");
    std::process::ExitCode::from(2)
}
