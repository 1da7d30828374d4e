//! The binary `probe_exporter`: parses the command line and runs the exporter or a command.

#![forbid(unsafe_code)]

use std::{io::Write as _, process::ExitCode};

use probe_exporter::{
    app::{self, App},
    cli::{self, Invocation, ServeOptions},
    logging,
};

/// Jemalloc returns memory to the system after a burst of probes.
#[cfg(all(unix, feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let _flush = logging::FlushOnDrop;
    let result = match cli::parse(std::env::args_os()) {
        Ok(Invocation::Print(text)) => {
            anstream::stdout().write_all(text.as_bytes()).map_err(Into::into)
        }
        Ok(Invocation::Check(check)) => return check.run(),
        Ok(Invocation::Modules(modules)) => return modules.run(),
        Ok(Invocation::Probe(probe)) => return probe.run(),
        Ok(Invocation::CheckConfig(serve)) => app::check(&with_log(serve).options),
        Ok(Invocation::Serve(serve)) => App::build(with_log(serve).options).and_then(App::run),
        Err(error) => {
            error.print();
            return error.exit_code();
        }
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    for cause in app::causes(&error).lines() {
        log::error!(err = cause; "{error}");
    }
    if let Some(errors) = app::config_errors(&error) {
        log::error!(
            errors;
            "The config file is invalid; \"probe_exporter check FILE\" shows the lines"
        );
    }
    ExitCode::FAILURE
}

/// Initializes the log of the process and logs the warnings about the command line.
fn with_log(serve: ServeOptions) -> ServeOptions {
    logging::init(serve.log_level, serve.log_format);
    for warning in &serve.warnings {
        log::warn!("{warning}");
    }
    serve
}
