//! What was typed after the name of a command.

use std::{path::PathBuf, time::Duration};

use anstream::ColorChoice;
use clap::{ArgAction, Args, Command, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use crate::{
    cli::{
        arguments::{Resolver, finite},
        check::Check,
        probe::{self, Probe, Watch},
    },
    config::DEFAULT_TIMEOUT_OFFSET,
    probe::request::DEFAULT_MODULE,
    settings::duration::GoDuration,
    version,
};

/// The commands, each with its flags.
#[derive(Debug, Subcommand)]
pub(super) enum CommandLine {
    /// Probe a target once, or again and again, and say what was found
    ///
    /// Exit code: 0 when every probe succeeded, 1 when one failed, 2 when nothing could be probed.
    Probe(ProbeArguments),

    /// Say what is wrong with a file of modules, or what a module does
    ///
    /// Exit code: 0 when every file can be used, 1 when one has errors, 2 when one cannot be read.
    Check(CheckArguments),

    /// Print what a shell needs to complete flags and commands
    Completions {
        /// The shell
        shell: Shell,

        #[command(flatten)]
        help: Help,
    },
}

#[derive(Debug, Args)]
pub(super) struct ProbeArguments {
    /// What to probe, as the module's prober reads it
    target: String,

    #[arg(
        short,
        long,
        value_name = "MODULE",
        help = format!("The module to probe with [default: {DEFAULT_MODULE}]")
    )]
    module: Option<String>,

    /// Host header or TLS name, where it is not that of the target
    #[arg(long, value_name = "HOST")]
    hostname: Option<String>,

    /// The longest that the probe may take, such as 500ms or 1m; the module may allow less
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,

    /// File of modules [default: that which a start without flags would take]
    #[arg(long = "config.file", value_name = "FILE")]
    config_file: Option<PathBuf>,

    /// Who looks names up: the hosts file and DNS, or the operating system
    #[arg(long = "dns.resolver", value_name = "RESOLVER", default_value = "dns")]
    resolver: Resolver,

    /// What to print: a page for people, the document or the metrics that the server would answer,
    /// or one line
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Print the log of the probe too
    #[arg(short, long)]
    verbose: bool,

    /// Probe again and again, this long from one beginning to the next, until Ctrl-C
    #[arg(
        short,
        long,
        value_name = "INTERVAL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1s",
        value_parser = duration
    )]
    watch: Option<Duration>,

    /// Probe so many times, each second unless --watch says otherwise
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    look: Look,
}

/// What `probe` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Prometheus,
    Health,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse()?;
    duration.positive().ok_or_else(|| "not longer than nothing".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Files of modules [default: that which a start without flags would take]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Say in words what this module does
    #[arg(long, value_name = "MODULE")]
    explain: Option<String>,

    /// Seconds taken off the scrape timeout, as the server has them
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_TIMEOUT_OFFSET,
        value_parser = finite,
        allow_negative_numbers = true
    )]
    timeout_offset: f64,

    /// Check this web config file too
    #[arg(long, value_name = "FILE")]
    web: Option<PathBuf>,

    #[command(flatten)]
    look: Look,
}

/// The flag that every command has. That of clap is switched off for the serving form, and with it
/// for all.
#[derive(Debug, Args)]
pub(super) struct Help {
    /// Show the flags of this command and what they do
    #[arg(short = 'h', long, action = ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct Look {
    #[command(flatten)]
    help: Help,

    // Help has no use for the marks of Markdown.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        help = "When to use colours; auto means on terminals, unless NO_COLOR is set"
    )]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// The script that completes the command line of `command`.
pub(super) fn completions(shell: Shell, command: &mut Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, version::PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

impl From<ProbeArguments> for Probe {
    fn from(arguments: ProbeArguments) -> Self {
        const SECOND: Duration = Duration::from_secs(1);

        let ProbeArguments { target, module, hostname, timeout, config_file, resolver, .. } =
            arguments;
        let ProbeArguments { format, verbose, watch, count, look, .. } = arguments;
        let watch = watch.or(count.map(|_| SECOND)).map(|interval| Watch { interval, count });
        Self {
            target,
            module,
            hostname,
            timeout,
            config_file,
            resolver: resolver.into(),
            format: match format {
                Format::Text => probe::Format::Text,
                Format::Json => probe::Format::Json,
                Format::Prometheus => probe::Format::Prometheus,
                Format::Health => probe::Format::Health,
            },
            verbose,
            watch,
            color: look.color.into(),
        }
    }
}

impl From<CheckArguments> for Check {
    fn from(arguments: CheckArguments) -> Self {
        let CheckArguments { files, explain, timeout_offset, web, look } = arguments;
        Self { files, web, explain, timeout_offset, color: look.color.into() }
    }
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::ResolverChoice,
        cli::{Invocation, parse},
    };

    fn probe(flags: &[&str]) -> Probe {
        match parse([&["probe_exporter", "probe", "t"], flags].concat()) {
            Ok(Invocation::Probe(probe)) => probe,
            other => panic!("{flags:?}: {other:?}"),
        }
    }

    #[test]
    fn a_probe_without_flags_is_one_as_a_page() {
        let expected = Probe {
            target: "t".to_owned(),
            module: None,
            hostname: None,
            timeout: Duration::from_secs(10),
            config_file: None,
            resolver: ResolverChoice::Dns,
            format: probe::Format::Text,
            verbose: false,
            watch: None,
            color: ColorChoice::Auto,
        };
        assert_eq!(probe(&[]), expected);
    }

    #[test]
    fn a_watch_has_an_interval_and_may_have_an_end() {
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
    fn every_flag_of_a_probe_counts() {
        let flags = ["-m=m", "--hostname=h", "--timeout=1m", "--config.file=f", "-v"];
        let found = probe(&flags);
        assert_eq!((found.module.as_deref(), found.hostname.as_deref()), (Some("m"), Some("h")));
        assert_eq!((found.timeout, found.config_file), (Duration::from_mins(1), Some("f".into())));
        assert!(found.verbose);
        let flags = ["--dns.resolver=system", "--format=json", "--color=never"];
        let found = probe(&flags);
        assert_eq!(found.resolver, ResolverChoice::System);
        assert_eq!((found.format, found.color), (probe::Format::Json, ColorChoice::Never));
    }

    #[test]
    fn flags_of_the_serving_form_do_not_mix_with_commands() {
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
