//! What the exporter was told at its start; a value that exists makes sense.

use std::{path::PathBuf, time::Duration};

use crate::{
    app::listen::ListenAddress,
    config::DEFAULT_TIMEOUT_OFFSET,
    server::{ExternalUrl, RoutePrefix},
};

/// Everything that a start depends on.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file of modules; without one that of the working directory, or else the built-in ones.
    pub config_file: Option<PathBuf>,
    /// Seconds taken off the scraper's timeout, so that the answer still reaches it in time.
    pub timeout_offset: f64,
    /// How often to look whether the configuration changed; `None` = never.
    pub auto_reload: Option<Duration>,
    /// How many probes are kept to look at, and as many older failures.
    pub history_limit: usize,
    /// Where to listen; never empty.
    pub listen: Listen,
    /// The file that sets up TLS and users of the listeners.
    pub web_config_file: Option<PathBuf>,
    /// Where users reach the exporter, when that was said.
    pub external_url: Option<ExternalUrl>,
    /// Where the routes lie.
    pub route_prefix: RoutePrefix,
    /// Who looks names up.
    pub resolver: ResolverChoice,
    /// Lines of probes from this level on are copied to the log of the process.
    pub probe_log: Option<log::Level>,
    /// The level of the line about a failed probe; `None` = no such lines.
    pub failure_log: Option<log::Level>,
    /// Whether the kernel is asked when packets left and arrived.
    pub kernel_stamps: bool,
}

/// Where listeners come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// They are opened at these addresses.
    Addresses(Vec<ListenAddress>),
    /// They were opened by systemd, and handed to this process.
    Systemd,
}

/// Who looks names up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolverChoice {
    /// The exporter itself: the hosts file, then DNS. Lookups can be cut off and need no thread.
    #[default]
    Dns,
    /// The operating system, for those who need what only it knows.
    System,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_file: None,
            timeout_offset: DEFAULT_TIMEOUT_OFFSET,
            auto_reload: None,
            history_limit: 100,
            listen: Listen::Addresses(vec![ListenAddress::default()]),
            web_config_file: None,
            external_url: None,
            route_prefix: RoutePrefix::default(),
            resolver: ResolverChoice::default(),
            probe_log: None,
            failure_log: Some(log::Level::Info),
            kernel_stamps: true,
        }
    }
}
