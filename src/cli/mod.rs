//! The command line: what was typed, and what it means.

mod arguments;
mod manual;

use std::{ffi::OsString, time::Duration};

use clap::{CommandFactory as _, FromArgMatches as _};
use log::Level;
use thiserror::Error;

use self::arguments::Arguments;
use crate::{
    app::{Listen, ListenAddress, Options, ResolverChoice},
    logging::Format,
    server::{ExternalUrl, RoutePrefix},
    version,
};

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Print this text and exit.
    Print(String),
    /// Check the configuration and exit.
    Check(Process),
    /// Serve until a signal.
    Serve(Process),
}

/// What the exporter is to be, and how its process is to log.
#[derive(Debug)]
pub struct Process {
    /// What the exporter is to be.
    pub options: Options,
    /// The level of the log.
    pub log_level: Level,
    /// The format of the log.
    pub log_format: Format,
    /// What is odd about the command line, though it can be worked with.
    pub warnings: Vec<String>,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{program}: error: {0}, try --help", program = version::PROGRAM)]
pub struct UsageError(String);

/// Makes sense of a command line, program name included.
pub fn parse(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Invocation, UsageError> {
    let mut command = Arguments::command();
    let matches = command.try_get_matches_from_mut(line).map_err(|error| usage_error(&error))?;
    let arguments = Arguments::from_arg_matches(&matches).map_err(|error| usage_error(&error))?;
    if arguments.help {
        Ok(Invocation::Print(command.render_help().to_string()))
    } else if arguments.help_man {
        Ok(Invocation::Print(manual::page(&command)))
    } else if arguments.version {
        Ok(Invocation::Print(version::report()))
    } else if arguments.config_check {
        interpret(arguments).map(Invocation::Check)
    } else {
        interpret(arguments).map(Invocation::Serve)
    }
}

/// Finds the meaning of flags that are each well-formed.
fn interpret(arguments: Arguments) -> Result<Process, UsageError> {
    let wrong = |flag: &str, error: &dyn std::error::Error| UsageError(format!("{flag}: {error}"));
    let mut warnings = Vec::new();
    let probe_log = arguments.log_prober.as_deref().map(|text| level_of(text, &mut warnings));
    let listen = arguments.listen_addresses.iter().map(|text| text.parse::<ListenAddress>());
    let addresses = listen
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong("--web.listen-address", &error))?;
    let external_url = given(arguments.external_url)
        .map(|text| ExternalUrl::parse(&text))
        .transpose()
        .map_err(|error| wrong("--web.external-url", &error))?;
    if arguments.systemd_socket && external_url.is_none() {
        let message = "cannot automatically infer external URL with systemd socket listener: \
                       --web.systemd-socket needs --web.external-url";
        return Err(UsageError(message.to_owned()));
    }
    let prefix = given(arguments.route_prefix);
    let prefix = prefix.as_deref().or(external_url.as_ref().map(ExternalUrl::path));
    let route_prefix = RoutePrefix::parse(prefix.unwrap_or_default())
        .map_err(|error| wrong("--web.route-prefix", &error))?;
    let interval = Duration::from_secs(arguments.auto_reload_interval);
    let options = Options {
        config_file: arguments.config_file,
        timeout_offset: arguments.timeout_offset,
        auto_reload: Some(interval)
            .filter(|interval| arguments.enable_auto_reload && !interval.is_zero()),
        history_limit: arguments.history_limit,
        listen: if arguments.systemd_socket {
            Listen::Systemd
        } else {
            Listen::Addresses(addresses)
        },
        web_config_file: given(Some(arguments.web_config_file)).map(Into::into),
        external_url,
        route_prefix,
        resolver: arguments.resolver.into(),
        probe_log,
        kernel_stamps: !arguments.user_clock,
    };
    let (log_level, log_format) = (arguments.log_level.into(), arguments.log_format.into());
    Ok(Process { options, log_level, log_format, warnings })
}

/// The level from which lines of probes are copied; a bad one is no reason not to start.
fn level_of(text: &str, warnings: &mut Vec<String>) -> Level {
    let known = [Level::Debug, Level::Info, Level::Warn, Level::Error];
    known.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text)).unwrap_or_else(|| {
        warnings.push(format!(
            "--log.prober: unrecognized log level {text:?}, the level of probes stays info"
        ));
        Level::Info
    })
}

/// An empty value is none.
fn given(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}

/// Clap's first paragraph, and its tip when it has one, as one line.
fn usage_error(error: &clap::Error) -> UsageError {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let paragraphs = text.split("\n\n").take_while(|part| !part.starts_with("Usage:"));
    let lines = paragraphs.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    let kept = lines.filter(|line| !line.starts_with("For more information"));
    UsageError(kept.collect::<Vec<_>>().join("; "))
}

impl From<arguments::Level> for Level {
    fn from(level: arguments::Level) -> Self {
        match level {
            arguments::Level::Debug => Self::Debug,
            arguments::Level::Info => Self::Info,
            arguments::Level::Warn => Self::Warn,
            arguments::Level::Error => Self::Error,
        }
    }
}

impl From<arguments::Resolver> for ResolverChoice {
    fn from(resolver: arguments::Resolver) -> Self {
        match resolver {
            arguments::Resolver::Dns => Self::Dns,
            arguments::Resolver::System => Self::System,
        }
    }
}

impl From<arguments::Format> for Format {
    fn from(format: arguments::Format) -> Self {
        match format {
            arguments::Format::Json => Self::Json,
            arguments::Format::Logfmt => Self::Logfmt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_flags(flags: &[&str]) -> Result<Invocation, UsageError> {
        parse([&["probe_exporter"], flags].concat())
    }

    fn served(flags: &[&str]) -> Process {
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
    fn no_flags_mean_upstreams_defaults() {
        let Process { options, log_level, log_format, warnings } = served(&[]);
        assert_eq!(options.config_file, None);
        assert!((options.timeout_offset - 0.5).abs() < f64::EPSILON);
        assert_eq!(options.auto_reload, None);
        assert_eq!(options.history_limit, 100);
        assert_eq!(options.listen, Listen::Addresses(vec![":9115".parse().unwrap()]));
        assert_eq!(options.web_config_file, None);
        assert_eq!((options.external_url, options.probe_log), (None, None));
        assert_eq!(options.route_prefix.as_str(), "/");
        assert_eq!((log_level, log_format), (Level::Info, Format::Logfmt));
        assert!(warnings.is_empty());
    }

    #[test]
    fn values_follow_a_space_or_an_equals_sign() {
        for flags in [&["--history.limit", "7"][..], &["--history.limit=7"]] {
            assert_eq!(served(flags).options.history_limit, 7);
        }
        assert!(served(&["--timeout-offset=-1"]).options.timeout_offset < 0.0);
        assert_eq!(served(&["--config.file=x"]).options.config_file, Some("x".into()));
        assert_eq!(served(&["--log.level=DEBUG"]).log_level, Level::Debug);
        assert_eq!(served(&["--log.format=json"]).log_format, Format::Json);
        assert_eq!(served(&["--web.config.file="]).options.web_config_file, None);
        let web = served(&["--web.config.file", "web.yml"]).options.web_config_file;
        assert_eq!(web, Some("web.yml".into()));
        assert_eq!(served(&["--dns.resolver=system"]).options.resolver, ResolverChoice::System);
    }

    #[test]
    fn switches_can_be_switched_off() {
        served(&["--no-config.check"]);
        served(&["--no-web.systemd-socket", "--no-config.enable-auto-reload"]);
        assert!(matches!(parse_flags(&["--config.check"]), Ok(Invocation::Check(_))));
    }

    #[test]
    fn reloading_needs_the_switch_and_an_interval() {
        let interval = |flags: &[&str]| served(flags).options.auto_reload;
        assert_eq!(interval(&["--config.auto-reload-interval=5"]), None);
        let switch = "--config.enable-auto-reload";
        assert_eq!(interval(&[switch]), Some(Duration::from_secs(30)));
        assert_eq!(interval(&[switch, "--config.auto-reload-interval=0"]), None);
    }

    #[test]
    fn the_external_url_gives_the_prefix_unless_that_is_said_apart() {
        let options = served(&["--web.external-url=http://h/a/"]).options;
        assert_eq!(options.route_prefix.as_str(), "/a/");
        let flags = ["--web.external-url=http://h/a/", "--web.route-prefix=b"];
        assert_eq!(served(&flags).options.route_prefix.as_str(), "/b/");
        assert_eq!(served(&["--web.external-url="]).options.external_url, None);
    }

    #[test]
    fn lines_of_probes_are_copied_only_when_asked_for() {
        assert_eq!(served(&["--log.prober=Warn"]).options.probe_log, Some(Level::Warn));
        let process = served(&["--log.prober=loud"]);
        assert_eq!(process.options.probe_log, Some(Level::Info));
        assert_eq!(process.warnings.len(), 1);
    }

    #[test]
    fn the_kernels_stamps_are_used_unless_they_are_declined() {
        assert!(served(&[]).options.kernel_stamps);
        assert!(!served(&["--wire.user-clock"]).options.kernel_stamps);
        assert!(!printed("--help").contains("user-clock"), "for measurements only");
    }

    #[test]
    fn addresses_can_be_repeated() {
        let flags = ["--web.listen-address=:1", "--web.listen-address", "[::1]:2"];
        let listen = served(&flags).options.listen;
        let addresses = vec![":1".parse().unwrap(), "[::1]:2".parse().unwrap()];
        assert_eq!(listen, Listen::Addresses(addresses));
        let flags = ["--web.systemd-socket", "--web.external-url=http://h/"];
        assert_eq!(served(&flags).options.listen, Listen::Systemd);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_in_one_line() {
        let cases: &[&[&str]] = &[
            &["--bogus"],
            &["-x"],
            &["extra"],
            &["--config.file"],
            &["--history.limit=-1"],
            &["--history.limit=1", "--history.limit=2"],
            &["--timeout-offset=x"],
            &["--timeout-offset=NaN"],
            &["--config.check=yes"],
            &["--dns.resolver=other"],
            &["--log.level=loud"],
            &["--log.format=JSON"],
            &["--web.listen-address=foo"],
            &["--web.listen-address=vsock://:9115"],
            &["--web.external-url='http://h/'"],
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
    fn help_names_every_flag_and_version_has_upstreams_form() {
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
