//! Measures the errors of the readings of exporters, on an idle processor and on a busy one, and of
//! their verdicts if they are short of CPU time.
//!
//! `make accuracy` runs it, as root. The truth about a reading is in the packets of each probe: the
//! kernel's timestamps of when they left and arrived. So neither a late responder nor the load of
//! this program counts as an error of an exporter. The truth about a verdict is the behaviour of the
//! target; scrapes are discarded if the responders were late.

#![expect(clippy::print_stderr, reason = "it shows the progress")]

#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "it prints the results")]
mod program;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::run()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("accuracy: Linux is required (network namespaces, control groups and timestamps)");
    std::process::ExitCode::from(2)
}
