//! The `probe_exporter` binary: command line, log, exporter, exit code.

#![forbid(unsafe_code)]

use std::{
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

use probe_exporter::{
    app::{self, App},
    cli::{self, Invocation, ServeOptions},
    logging,
};

/// Gives memory back to the system when a wave of probes is over.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let result = match cli::parse(std::env::args_os()) {
        Ok(Invocation::Print(text)) => stdout().write_all(text.as_bytes()).map_err(Into::into),
        Ok(Invocation::Check(check)) => return check.run(),
        Ok(Invocation::Probe(probe)) => return probe.run(),
        Ok(Invocation::CheckConfig(process)) => app::check(&logged(process).options),
        Ok(Invocation::Serve(process)) => App::build(logged(process).options).and_then(App::run),
        Err(error) => {
            // Nobody is left to tell when this fails.
            writeln!(stderr(), "{error}").ok();
            return error.exit_code();
        }
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    for cause in app::causes(&error).lines() {
        log::error!(err = cause; "{error}");
    }
    ExitCode::FAILURE
}

/// Starts the log of the process.
fn logged(process: ServeOptions) -> ServeOptions {
    logging::init(process.log_level, process.log_format);
    for warning in &process.warnings {
        log::warn!("{warning}");
    }
    process
}
