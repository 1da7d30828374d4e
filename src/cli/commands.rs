//! The subcommands and their flags.

use std::{path::PathBuf, time::Duration};

use anstream::ColorChoice;
use clap::{ArgAction, Args, Subcommand, value_parser};
use clap_complete::Shell;

use crate::{
    app::ResolverChoice,
    cli::{
        check::Check,
        flag_values::{self, POLICY_PRESET_HELP},
        probe::{Adjustments, OutputFormat, Probe, Watch},
    },
    config::DEFAULT_TIMEOUT_OFFSET,
    policy::Preset,
    probe::request::DEFAULT_MODULE,
};

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum Subcommands {
    /// Probe a target once or repeatedly and print the result
    ///
    /// Exit code: 0 if every probe succeeded, 1 if one failed, 2 if no probe was run or all were
    /// refused.
    Probe(ProbeArguments),

    /// Validate configuration files, or describe a module
    ///
    /// Exit code: 0 if every file is valid, 1 if one has errors, 2 if one cannot be read.
    Check(CheckArguments),

    /// List the modules of the configuration, one per line
    Modules {
        /// Configuration file [default: blackbox.yml, else the built-in modules]
        #[arg(long = "config.file", value_name = "FILE")]
        config_file: Option<PathBuf>,

        /// Words of a command line that has the flag, for the completion of shells
        #[arg(last = true, hide = true)]
        line: Vec<String>,

        #[command(flatten)]
        help: Help,
    },

    /// Print the completion script for a shell
    Completions {
        /// Shell
        shell: Shell,

        #[command(flatten)]
        help: Help,
    },
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// Target, in the format expected by the prober (URL, host:port, host)
    target: String,

    #[arg(
        short,
        long,
        value_name = "MODULE",
        help = format!("Module to use [default: {DEFAULT_MODULE}; for ws:// and wss://, websocket_connect]")
    )]
    module: Option<String>,

    /// Host header and TLS server name, if different from the target
    #[arg(long, value_name = "HOST")]
    hostname: Option<String>,

    /// Scrape timeout to simulate, for example 500ms or 1m; the timeout of the module can be shorter
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = flag_values::positive_duration
    )]
    timeout: Duration,

    /// Configuration file [default: blackbox.yml, else the built-in modules]
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,

    #[arg(
        long = "policy.preset",
        help = POLICY_PRESET_HELP,
        value_name = "PRESET",
        default_value = "none",
        value_parser = flag_values::policy_preset()
    )]
    policy_preset: Preset,

    /// Resolver for the name of the target: dns (/etc/hosts, then DNS) or system (getaddrinfo)
    #[arg(
        long = "dns.resolver",
        value_name = "RESOLVER",
        default_value = "dns",
        value_parser = flag_values::resolver()
    )]
    resolver: ResolverChoice,

    /// Output format: text (human-readable), json, prometheus (metrics) or health (one line)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: OutputFormat,

    /// Print the log of the probe and details of certificates too, and the response also if it succeeds
    #[arg(short, long)]
    verbose: bool,

    /// Repeat the probe at this interval until Ctrl-C; without a value, every second
    #[arg(
        short,
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1s",
        value_parser = flag_values::positive_duration
    )]
    watch: Option<Duration>,

    /// Number of probes; the interval is 1 s unless --watch is set
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    display: DisplayArguments,

    #[command(flatten)]
    adjustments: Adjustments,
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Configuration files [default: blackbox.yml, else the built-in modules]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Describe this module in plain text
    #[arg(long, value_name = "MODULE")]
    explain: Option<String>,

    /// Seconds subtracted from the scrape timeout, as the server does
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_TIMEOUT_OFFSET,
        value_parser = flag_values::seconds,
        allow_negative_numbers = true
    )]
    timeout_offset: f64,

    /// Web config file to check too
    #[arg(long, value_name = "FILE")]
    web: Option<PathBuf>,

    #[command(flatten)]
    display: DisplayArguments,
}

/// The help flag of a command. Clap's own help flag is disabled.
#[derive(Debug, Args)]
pub(super) struct Help {
    /// Show the help of this command
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// The flags of all commands that print results.
#[derive(Debug, Args)]
pub(super) struct DisplayArguments {
    #[command(flatten)]
    help: Help,

    // Not a doc comment: clippy would want NO_COLOR in backticks.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        value_parser = flag_values::color(),
        help = "Use colours; auto means on terminals, unless NO_COLOR is set"
    )]
    color: ColorChoice,
}

impl From<ProbeArguments> for Probe {
    fn from(arguments: ProbeArguments) -> Self {
        const SECOND: Duration = Duration::from_secs(1);

        let ProbeArguments { target, module, hostname, timeout, config_file, resolver, .. } =
            arguments;
        let ProbeArguments { policy_preset, format, verbose, watch, count, display, .. } =
            arguments;
        let adjustments = arguments.adjustments;
        let watch = watch.or(count.map(|_| SECOND)).map(|interval| Watch { interval, count });
        Self {
            target,
            module,
            adjustments,
            hostname,
            timeout,
            config_file,
            policy_preset,
            resolver,
            format,
            verbose,
            watch,
            color: display.color,
        }
    }
}

impl From<CheckArguments> for Check {
    fn from(arguments: CheckArguments) -> Self {
        let CheckArguments { files, explain, timeout_offset, web, display } = arguments;
        Self { files, web, explain, timeout_offset, color: display.color }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Invocation, parse};

    fn probe(flags: &[&str]) -> Probe {
        match parse([&["probe_exporter", "probe", "t"], flags].concat()) {
            Ok(Invocation::Probe(probe)) => probe,
            other => panic!("{flags:?}: {other:?}"),
        }
    }

    #[test]
    fn a_probe_without_flags_runs_once_and_prints_text() {
        let expected = Probe {
            target: "t".to_owned(),
            module: None,
            adjustments: Adjustments::default(),
            hostname: None,
            timeout: Duration::from_secs(10),
            config_file: None,
            policy_preset: Preset::None,
            resolver: ResolverChoice::Dns,
            format: OutputFormat::Text,
            verbose: false,
            watch: None,
            color: ColorChoice::Auto,
        };
        assert_eq!(probe(&[]), expected);
    }

    #[test]
    fn a_watch_has_an_interval_and_optionally_a_count() {
        for (flags, seconds, count) in [
            (&["--watch"][..], 1.0, None),
            (&["-w"], 1.0, None),
            (&["--watch=2.5s"], 2.5, None),
            (&["-w=100ms", "-n", "3"], 0.1, Some(3)),
            (&["--count=3"], 1.0, Some(3)),
        ] {
            let interval = Duration::from_secs_f64(seconds);
            assert_eq!(probe(flags).watch, Some(Watch { interval, count }), "{flags:?}");
        }
    }

    #[test]
    fn every_flag_of_a_probe_is_used() {
        let flags = ["-m=m", "--hostname=h", "--timeout=1m", "--config.file=f", "-v"];
        let found = probe(&flags);
        assert_eq!((found.module.as_deref(), found.hostname.as_deref()), (Some("m"), Some("h")));
        assert_eq!((found.timeout, found.config_file), (Duration::from_mins(1), Some("f".into())));
        assert!(found.verbose);
        let flags = ["--dns.resolver=system", "--format=json", "--color=never"];
        let found = probe(&flags);
        assert_eq!(found.resolver, ResolverChoice::System);
        assert_eq!((found.format, found.color), (OutputFormat::Json, ColorChoice::Never));
    }

    #[test]
    fn flags_of_the_server_cannot_be_combined_with_commands() {
        for line in [
            &["--history.limit=1", "check"][..],
            &["check", "--history.limit=1"],
            &["probe", "t", "--web.listen-address=:1"],
        ] {
            let error = parse([&["probe_exporter"], line].concat()).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
