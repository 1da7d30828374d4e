//! Options of the exporter. Their values are valid.

use std::{path::PathBuf, time::Duration};

use crate::{
    app::listen::ListenAddress,
    config::DEFAULT_TIMEOUT_OFFSET,
    policy::Preset,
    server::{ExternalUrl, PrometheusUrl, RoutePrefix},
};

/// Options of the exporter.
#[derive(Debug, Clone)]
pub struct Options {
    /// Configuration file. Without it, blackbox.yml in the working directory or, if that does not
    /// exist, the built-in modules are used.
    pub config_file: Option<PathBuf>,
    /// Preset that is added to the policy of the configuration file.
    pub policy_preset: Preset,
    /// Seconds subtracted from the scrape timeout, so that the response arrives in time.
    pub timeout_offset: f64,
    /// Interval of checks for changes of the configuration file; never without it.
    pub auto_reload: Option<Duration>,
    /// Number of recent probes to keep, and of older failed probes in addition.
    pub history_limit: usize,
    /// Maximum number of modules with metrics of their own on `/metrics`.
    pub max_modules: usize,
    /// Source of the listeners.
    pub listen: Listen,
    /// Web config file: TLS, users, headers and rate limit of the listeners.
    pub web_config_file: Option<PathBuf>,
    /// URL under which users reach the exporter, if configured.
    pub external_url: Option<ExternalUrl>,
    /// URL of the Prometheus that pages link to, if configured.
    pub prometheus_url: Option<PrometheusUrl>,
    /// Path prefix of all routes.
    pub route_prefix: RoutePrefix,
    /// Time for which the exporter serves on after the request to stop.
    pub shutdown_delay: Duration,
    /// Age above which a connection of a client is closed after its response.
    pub max_connection_age: Option<Duration>,
    /// Resolver for names of targets.
    pub resolver: ResolverChoice,
    /// Minimum level of the probe log lines that are copied to the log of the process.
    pub probe_log: Option<log::Level>,
    /// Level of the line about a failed probe; without it there are no such lines.
    pub failure_log: Option<log::Level>,
    /// Use kernel timestamps of packets.
    pub kernel_timestamps: bool,
}

/// Source of the listeners.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Opened at these addresses, at least one.
    Addresses(Vec<ListenAddress>),
    /// Opened by systemd and passed to this process.
    Systemd,
}

/// Resolver for names of targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolverChoice {
    /// The exporter's own resolver: /etc/hosts, then DNS. Lookups can be cancelled and need no
    /// thread.
    #[default]
    Dns,
    /// The resolver of the operating system (getaddrinfo), with all sources of nsswitch.conf.
    System,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_file: None,
            policy_preset: Preset::None,
            timeout_offset: DEFAULT_TIMEOUT_OFFSET,
            auto_reload: None,
            history_limit: 100,
            max_modules: 1000,
            listen: Listen::Addresses(vec![ListenAddress::default()]),
            web_config_file: None,
            external_url: None,
            prometheus_url: None,
            route_prefix: RoutePrefix::default(),
            shutdown_delay: Duration::ZERO,
            max_connection_age: None,
            resolver: ResolverChoice::default(),
            probe_log: None,
            failure_log: Some(log::Level::Info),
            kernel_timestamps: true,
        }
    }
}
