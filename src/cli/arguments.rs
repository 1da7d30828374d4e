//! The flags of the server, with upstream's names.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Parser};
use log::{Level, LevelFilter};

use crate::{
    app::ResolverChoice,
    cli::{
        commands::Subcommands,
        flag_values::{self, POLICY_PRESET_HELP},
    },
    config::DEFAULT_TIMEOUT_OFFSET,
    logging::LogFormat,
    policy::Preset,
    version,
};

/// The parsed command line.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "a switch of the command line is a bool")]
#[command(
    name = version::PROGRAM,
    about = "Prometheus exporter for HTTP, TCP, DNS, ICMP, gRPC and WebSocket probes",
    after_help = "Flags without a value can be negated with --no-<flag>.",
    override_usage = concat!(
        env!("CARGO_PKG_NAME"), " [<flags>]\n       ",
        env!("CARGO_PKG_NAME"), " <command> [<flags>]"
    ),
    subcommand_help_heading = "Commands",
    subcommand_value_name = "command",
    args_conflicts_with_subcommands = true,
    disable_help_flag = true,
    max_term_width = 100
)]
pub(super) struct Arguments {
    /// Command to run; without a command, the server is started
    #[command(subcommand)]
    pub(super) command: Option<Subcommands>,

    /// Show this help
    #[arg(short = 'h', long, visible_alias = "help-long", action = ArgAction::SetTrue)]
    pub(super) help: bool,

    /// Print the manual page
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) help_man: bool,

    /// Print version and build information
    #[arg(long, action = ArgAction::SetTrue)]
    pub(super) version: bool,

    /// Configuration file; if the flag is not set and blackbox.yml does not exist, built-in modules
    /// are used [default: blackbox.yml]
    #[arg(long = "config.file", value_name = "FILE")]
    pub(super) config_file: Option<PathBuf>,

    /// Check the configuration and exit (0: valid, 1: invalid)
    #[arg(long = "config.check", overrides_with = "no_config_check")]
    pub(super) config_check: bool,

    #[arg(long = "no-config.check", hide = true)]
    no_config_check: bool,

    /// Reload the configuration file automatically when it changes
    #[arg(long = "config.enable-auto-reload", overrides_with = "no_enable_auto_reload")]
    pub(super) enable_auto_reload: bool,

    #[arg(long = "no-config.enable-auto-reload", hide = true)]
    no_enable_auto_reload: bool,

    /// Interval in seconds between checks for changes (0 disables them)
    #[arg(long = "config.auto-reload-interval", value_name = "SECONDS", default_value_t = 30)]
    pub(super) auto_reload_interval: u64,

    #[arg(
        long = "policy.preset",
        help = POLICY_PRESET_HELP,
        value_name = "PRESET",
        default_value = "none",
        value_parser = flag_values::policy_preset()
    )]
    pub(super) policy_preset: Preset,

    /// Seconds subtracted from the scrape timeout of Prometheus, so that the response arrives in time
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_TIMEOUT_OFFSET,
        value_parser = flag_values::seconds,
        allow_negative_numbers = true
    )]
    pub(super) timeout_offset: f64,

    /// Resolver for names of targets: dns (/etc/hosts, then the DNS servers of resolv.conf) or system
    /// (getaddrinfo, with all sources of nsswitch.conf)
    #[arg(
        long = "dns.resolver",
        value_name = "RESOLVER",
        default_value = "dns",
        value_parser = flag_values::resolver()
    )]
    pub(super) resolver: ResolverChoice,

    /// Number of recent probes to keep for / and /logs; the same number of older failed probes is
    /// kept in addition
    #[arg(long = "history.limit", value_name = "COUNT", default_value_t = 100)]
    pub(super) history_limit: usize,

    /// Maximum number of modules with series of their own on /metrics, at most 1000000; the modules
    /// that are probed after them share the label module="_other"
    #[arg(
        long = "metrics.max-modules",
        value_name = "COUNT",
        default_value_t = 1000,
        value_parser = flag_values::max_modules()
    )]
    pub(super) max_modules: usize,

    /// Use the clock of the process instead of kernel timestamps, to measure their benefit
    #[arg(long = "wire.user-clock", hide = true)]
    pub(super) user_clock: bool,

    /// Level of the exporter's log
    #[arg(
        long = "log.level",
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true,
        value_parser = flag_values::level()
    )]
    pub(super) log_level: Level,

    /// Format of the exporter's log
    #[arg(
        long = "log.format",
        value_name = "FORMAT",
        default_value = "logfmt",
        value_parser = flag_values::log_format()
    )]
    pub(super) log_format: LogFormat,

    /// Log level for failed probes and unknown modules, or off; identical lines are logged once per
    /// minute
    #[arg(
        long = "log.failures",
        value_name = "LEVEL",
        default_value = "info",
        ignore_case = true,
        value_parser = flag_values::level_or_off()
    )]
    pub(super) log_failures: LevelFilter,

    /// Copy probe log lines of at least this level (debug, info, warn or error) to the exporter's
    /// log; without this flag they are only in debug=true and /logs
    #[arg(long = "log.prober", value_name = "LEVEL")]
    pub(super) log_prober: Option<String>,

    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        default_value = ":9115",
        help = "Address to listen on, for example :9115, 127.0.0.1:9115 or [::1]:9115; can be repeated"
    )]
    pub(super) listen_addresses: Vec<String>,

    /// URL under which users reach the exporter, for example behind a reverse proxy; its path is the
    /// default prefix of all routes
    #[arg(long = "web.external-url", value_name = "URL")]
    pub(super) external_url: Option<String>,

    /// URL under which users reach the Prometheus that scrapes this exporter; the page of a probe then
    /// links to a graph of its target
    #[arg(long = "web.prometheus-url", value_name = "URL")]
    pub(super) prometheus_url: Option<String>,

    /// Path prefix of all routes [default: path of --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub(super) route_prefix: Option<String>,

    /// Web config file: TLS, users, headers and rate limit of the exporter's listener
    #[arg(
        long = "web.config.file",
        value_name = "FILE",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) web_config_file: String,

    /// Time for which the exporter serves on after SIGTERM or SIGINT, while /-/ready is 503, so that
    /// load balancers stop using it; at most 10m
    #[arg(
        long = "web.shutdown-delay",
        value_name = "DURATION",
        default_value = "0s",
        value_parser = flag_values::shutdown_delay
    )]
    pub(super) shutdown_delay: Duration,

    /// Age above which a connection is closed after its response, plus or minus 10 %, so that load
    /// balancers spread connections over new replicas; 0s is no limit
    #[arg(
        long = "web.max-connection-age",
        value_name = "DURATION",
        default_value = "0s",
        value_parser = flag_values::duration
    )]
    pub(super) max_connection_age: Duration,

    /// Use listeners from systemd socket activation; requires --web.external-url
    #[arg(long = "web.systemd-socket", overrides_with = "no_systemd_socket")]
    pub(super) systemd_socket: bool,

    #[arg(long = "no-web.systemd-socket", hide = true)]
    no_systemd_socket: bool,
}
