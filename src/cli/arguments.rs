//! What was typed: the flags as clap sees them, with upstream's names.

use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};

use crate::{cli::commands::CommandLine, config::DEFAULT_TIMEOUT_OFFSET, version};

/// The command line, before anything is made of it.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "a switch of the command line is a bool")]
#[command(
    name = version::PROGRAM,
    about = "Probes a target when Prometheus scrapes it",
    after_help = "Switches also have a form with --no-.",
    override_usage = concat!(
        env!("CARGO_PKG_NAME"), " [<flags>]\n       ",
        env!("CARGO_PKG_NAME"), " <command> [<flags>]"
    ),
    subcommand_help_heading = "Commands, instead of serving",
    subcommand_value_name = "command",
    args_conflicts_with_subcommands = true,
    disable_help_flag = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    /// What to do instead of serving
    #[command(subcommand)]
    pub(super) command: Option<CommandLine>,

    /// Show the flags and what they do
    #[arg(short = 'h', long, visible_alias = "help-long", action = ArgAction::SetTrue)]
    pub(super) help: bool,

    /// Show the same as a manual page
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) help_man: bool,

    /// Show version and build
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) version: bool,

    /// File of modules; without this flag and without the file, built-in modules serve
    /// [default: blackbox.yml]
    #[arg(long = "config.file", value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,

    /// Check the file of modules and exit: 0 when it is good, 1 when not
    #[arg(long = "config.check", overrides_with = "no_config_check")]
    pub(super) config_check: bool,

    #[arg(long = "no-config.check", hide = true)]
    no_config_check: bool,

    /// Look regularly whether the file of modules changed, and reload it then
    #[arg(long = "config.enable-auto-reload", overrides_with = "no_enable_auto_reload")]
    pub(super) enable_auto_reload: bool,

    #[arg(long = "no-config.enable-auto-reload", hide = true)]
    no_enable_auto_reload: bool,

    /// Seconds between two looks; 0 = never
    #[arg(long = "config.auto-reload-interval", value_name = "SECONDS", default_value_t = 30)]
    pub(super) auto_reload_interval: u64,

    /// Seconds taken off Prometheus's scrape timeout, so that the answer still reaches it in time
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_TIMEOUT_OFFSET,
        value_parser = finite,
        allow_negative_numbers = true
    )]
    pub(super) timeout_offset: f64,

    /// Who looks names up: the exporter itself in the hosts file and by DNS, or the operating
    /// system, which also knows the other sources of nsswitch.conf
    #[arg(long = "dns.resolver", value_name = "RESOLVER", default_value = "dns")]
    pub(super) resolver: Resolver,

    /// Probes to keep for a later look, and as many older failures
    #[arg(long = "history.limit", value_name = "COUNT", default_value_t = 100)]
    pub(super) history_limit: usize,

    /// Leave the kernel's time stamps alone: readings come from this process's clock, which shows
    /// what the stamps are worth
    #[arg(long = "wire.user-clock", hide = true)]
    pub(super) user_clock: bool,

    /// Level of the exporter's log
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", ignore_case = true)]
    pub(super) log_level: Level,

    /// Format of the exporter's log
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "logfmt")]
    pub(super) log_format: Format,

    /// Level of the line about a failed probe, or off; the same failure of a target is told once a
    /// minute
    #[arg(long = "log.failures", value_name = "LEVEL", default_value = "info", ignore_case = true)]
    pub(super) log_failures: FailureLevel,

    /// Copy lines of probes from this level on to the exporter's log: debug, info, warn or error;
    /// without this flag they are only in `debug=true` and `/logs`
    #[arg(long = "log.prober", value_name = "LEVEL")]
    pub(super) log_prober: Option<String>,

    /// Address to listen on, such as `:9115`, `127.0.0.1:9115` or `[::1]:9115`; repeatable
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = ":9115")]
    pub(super) listen_addresses: Vec<String>,

    /// URL that users reach the exporter at, such as behind a proxy; its path becomes the prefix
    /// of all routes
    #[arg(long = "web.external-url", value_name = "URL")]
    pub(super) external_url: Option<String>,

    /// Prefix of all routes [default: path of --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub(super) route_prefix: Option<String>,

    /// File that sets up TLS, users, headers and rate limit of the exporter's own listener
    #[arg(
        long = "web.config.file",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) web_config_file: String,

    /// Take the listeners from systemd's socket activation instead; needs --web.external-url
    #[arg(long = "web.systemd-socket", overrides_with = "no_systemd_socket")]
    pub(super) systemd_socket: bool,

    #[arg(long = "no-web.systemd-socket", hide = true)]
    no_systemd_socket: bool,
}

/// The levels that the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The levels that a line about a failed probe can have, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FailureLevel {
    Debug,
    Info,
    Warn,
    Error,
    Off,
}

/// Who can look names up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Resolver {
    Dns,
    System,
}

/// The formats that the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Logfmt,
    Json,
}

pub(super) fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a number of seconds".to_owned()),
    }
}
