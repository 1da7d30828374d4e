//! The command line.
//!
//! Without a command, the exporter starts its server, with upstream's flags. The commands print
//! results on a terminal.

mod arguments;
mod check;
mod commands;
mod completions;
mod exit_code;
mod flag_values;
mod manual_page;
mod modules;
mod output;
mod probe;
mod serve_options;
mod usage;

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, error::ErrorKind};
use log::Level;

use self::{arguments::Arguments, commands::Subcommands};
pub use self::{check::Check, modules::Modules, probe::Probe, usage::UsageError};
use crate::{app::Options, logging::LogFormat, version};

/// The action requested by the command line.
#[derive(Debug)]
pub enum Invocation {
    /// Print this text, without its colours unless the output is a terminal, and exit.
    Print(String),
    /// Check the configuration as at a start, and exit.
    CheckConfig(ServeOptions),
    /// Run the server until a signal.
    Serve(ServeOptions),
    /// Run the command `check`.
    Check(Check),
    /// Run the command `modules`.
    Modules(Modules),
    /// Run the command `probe`.
    Probe(Probe),
}

/// Options of the server and of the log of its process.
#[derive(Debug)]
pub struct ServeOptions {
    /// Options of the exporter.
    pub options: Options,
    /// Level of the log.
    pub log_level: Level,
    /// Format of the log.
    pub log_format: LogFormat,
    /// Warnings about the command line.
    pub warnings: Vec<String>,
}

/// Parses a command line, including the program name.
pub fn parse(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Invocation, UsageError> {
    let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
    let mut command = Arguments::command();
    let matches = match command.try_get_matches_from_mut(&line) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return Ok(Invocation::Print(error.render().ansi().to_string()));
        }
        Err(error) => return Err(UsageError::of_clap(&error, &command, &line)),
    };
    let arguments = Arguments::from_arg_matches(&matches)
        .map_err(|error| UsageError::of_clap(&error, &command, &line))?;
    match arguments.command {
        Some(Subcommands::Check(check)) => Ok(Invocation::Check(check.into())),
        Some(Subcommands::Probe(probe)) => Ok(Invocation::Probe(probe.into())),
        Some(Subcommands::Modules { config_file, line, .. }) => {
            Ok(Invocation::Modules(match config_file {
                None => Modules::for_completion(&line),
                config_file => Modules { config_file },
            }))
        }
        Some(Subcommands::Completions { shell, .. }) => {
            Ok(Invocation::Print(completions::script(shell, &mut command)))
        }
        None if arguments.help => Ok(Invocation::Print(command.render_help().ansi().to_string())),
        None if arguments.help_man => Ok(Invocation::Print(manual_page::page(&mut command))),
        None if arguments.version => Ok(Invocation::Print(version::report())),
        None if arguments.config_check => {
            serve_options::from_arguments(arguments).map(Invocation::CheckConfig)
        }
        None => serve_options::from_arguments(arguments).map(Invocation::Serve),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::app::{Listen, ResolverChoice};

    fn parse_flags(flags: &[&str]) -> Result<Invocation, UsageError> {
        parse([&["probe_exporter"], flags].concat())
    }

    fn served(flags: &[&str]) -> ServeOptions {
        match parse_flags(flags) {
            Ok(Invocation::Serve(process)) => process,
            other => panic!("{flags:?}: {other:?}"),
        }
    }

    fn printed(flag: &str) -> String {
        match parse_flags(&[flag]) {
            Ok(Invocation::Print(text)) => text,
            other => panic!("{flag}: {other:?}"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_upstream() {
        let ServeOptions { options, log_level, log_format, warnings } = served(&[]);
        assert_eq!(options.config_file, None);
        assert!((options.timeout_offset - 0.5).abs() < f64::EPSILON);
        assert_eq!(options.auto_reload, None);
        assert_eq!((options.history_limit, options.max_modules), (100, 1000));
        assert_eq!(options.listen, Listen::Addresses(vec![":9115".parse().unwrap()]));
        assert_eq!(options.web_config_file, None);
        assert_eq!((options.external_url, options.probe_log), (None, None));
        assert_eq!(options.route_prefix.as_str(), "/");
        assert_eq!((log_level, log_format), (Level::Info, LogFormat::Logfmt));
        assert!(warnings.is_empty());
    }

    #[test]
    fn values_follow_a_space_or_an_equal_sign() {
        for flags in [&["--history.limit", "7"][..], &["--history.limit=7"]] {
            assert_eq!(served(flags).options.history_limit, 7);
        }
        for max in [0, 1_000_000] {
            assert_eq!(served(&[&format!("--metrics.max-modules={max}")]).options.max_modules, max);
        }
        assert!(served(&["--timeout-offset=-1"]).options.timeout_offset < 0.0);
        assert_eq!(served(&["--config.file=x"]).options.config_file, Some("x".into()));
        assert_eq!(served(&["--log.level=DEBUG"]).log_level, Level::Debug);
        assert_eq!(served(&["--log.format=json"]).log_format, LogFormat::Json);
        assert_eq!(served(&["--web.config.file="]).options.web_config_file, None);
        let web = served(&["--web.config.file", "web.yml"]).options.web_config_file;
        assert_eq!(web, Some("web.yml".into()));
        assert_eq!(served(&["--dns.resolver=system"]).options.resolver, ResolverChoice::System);
    }

    #[test]
    fn boolean_flags_can_be_negated() {
        served(&["--no-config.check"]);
        served(&["--no-web.systemd-socket", "--no-config.enable-auto-reload"]);
        assert!(matches!(parse_flags(&["--config.check"]), Ok(Invocation::CheckConfig(_))));
    }

    #[test]
    fn automatic_reloads_need_the_flag_and_an_interval() {
        let interval = |flags: &[&str]| served(flags).options.auto_reload;
        assert_eq!(interval(&["--config.auto-reload-interval=5"]), None);
        let switch = "--config.enable-auto-reload";
        assert_eq!(interval(&[switch]), Some(Duration::from_secs(30)));
        assert_eq!(interval(&[switch, "--config.auto-reload-interval=0"]), None);
    }

    #[test]
    fn the_external_url_sets_the_prefix_unless_it_has_a_flag() {
        let options = served(&["--web.external-url=http://h/a/"]).options;
        assert_eq!(options.route_prefix.as_str(), "/a/");
        let flags = ["--web.external-url=http://h/a/", "--web.route-prefix=b"];
        assert_eq!(served(&flags).options.route_prefix.as_str(), "/b/");
        assert_eq!(served(&["--web.external-url="]).options.external_url, None);
    }

    #[test]
    fn probe_log_lines_are_copied_only_on_request() {
        assert_eq!(served(&["--log.prober=Warn"]).options.probe_log, Some(Level::Warn));
        let process = served(&["--log.prober=loud"]);
        assert_eq!(process.options.probe_log, Some(Level::Info));
        assert_eq!(process.warnings.len(), 1);
    }

    #[test]
    fn kernel_timestamps_are_used_unless_disabled() {
        assert!(served(&[]).options.kernel_timestamps);
        assert!(!served(&["--wire.user-clock"]).options.kernel_timestamps);
        assert!(!printed("--help").contains("user-clock"), "for measurements only");
    }

    #[test]
    fn listen_addresses_can_be_repeated() {
        let flags = ["--web.listen-address=:1", "--web.listen-address", "[::1]:2"];
        let listen = served(&flags).options.listen;
        let addresses = vec![":1".parse().unwrap(), "[::1]:2".parse().unwrap()];
        assert_eq!(listen, Listen::Addresses(addresses));
        let flags = ["--web.systemd-socket", "--web.external-url=http://h/"];
        assert_eq!(served(&flags).options.listen, Listen::Systemd);
    }

    #[test]
    fn invalid_flags_are_reported_on_one_line() {
        let cases: &[&[&str]] = &[
            &["--bogus"],
            &["-x"],
            &["extra"],
            &["--config.file"],
            &["--history.limit=-1"],
            &["--history.limit=1", "--history.limit=2"],
            &["--metrics.max-modules=-1"],
            &["--metrics.max-modules=1000001"],
            &["--metrics.max-modules=many"],
            &["--timeout-offset=x"],
            &["--timeout-offset=NaN"],
            &["--config.check=yes"],
            &["--dns.resolver=other"],
            &["--log.level=loud"],
            &["--log.format=JSON"],
            &["--web.listen-address=foo"],
            &["--web.listen-address=vsock://:9115"],
            &["--web.external-url='http://h/'"],
            &["--web.prometheus-url=prometheus:9090"],
            &["--web.route-prefix={x}"],
            &["--web.systemd-socket"],
        ];
        for flags in cases {
            let text = parse_flags(flags).expect_err(&format!("{flags:?}")).to_string();
            assert!(text.starts_with("probe_exporter: error: "), "{text}");
            assert!(text.ends_with(", try --help") && !text.contains('\n'), "{text}");
        }
    }

    #[test]
    fn help_stays_within_the_terminal() {
        for width in [60, 80, 100, 160] {
            let mut command = Arguments::command().term_width(width);
            command.build();
            let pages = command
                .get_subcommands_mut()
                .map(|command| command.clone().term_width(width).render_long_help().to_string());
            let pages: Vec<_> = pages.collect();
            for page in pages.iter().chain([&command.render_help().to_string()]) {
                assert!(page.lines().all(|line| line.chars().count() <= width), "{width}\n{page}");
            }
        }
    }

    #[test]
    fn help_lists_the_flags_and_version_has_the_form_of_upstream() {
        for flag in ["-h", "--help", "--help-long", "--help-man"] {
            // A manual page escapes its hyphens.
            let text = printed(flag).replace('\\', "");
            for name in ["config.file", "web.listen-address", "log.prober", "history.limit"] {
                assert!(text.contains(&format!("--{name}")), "{flag}: {name}");
            }
        }
        let text = printed("--version");
        assert!(text.starts_with("probe_exporter, version "), "{text}");
        assert_eq!(text.lines().count(), 6);
    }
}
