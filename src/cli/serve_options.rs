//! What the flags of the serving form mean.

use std::time::Duration;

use log::Level;

use crate::{
    app::{Listen, ListenAddress, Options, ResolverChoice},
    cli::{
        ServeOptions, UsageError,
        arguments::{self, Arguments},
    },
    logging::LogFormat,
    server::{ExternalUrl, RoutePrefix},
};

/// Finds the meaning of flags that are each well-formed.
pub(super) fn interpret(arguments: Arguments) -> Result<ServeOptions, UsageError> {
    let wrong = |flag: &str, error: &dyn std::error::Error| {
        UsageError::of_flags(format!("{flag}: {error}"))
    };
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
        return Err(UsageError::of_flags(message.to_owned()));
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
        failure_log: arguments.log_failures.into(),
        kernel_timestamps: !arguments.user_clock,
    };
    let (log_level, log_format) = (arguments.log_level.into(), arguments.log_format.into());
    Ok(ServeOptions { options, log_level, log_format, warnings })
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

impl From<arguments::FailureLevel> for Option<Level> {
    fn from(level: arguments::FailureLevel) -> Self {
        match level {
            arguments::FailureLevel::Debug => Some(Level::Debug),
            arguments::FailureLevel::Info => Some(Level::Info),
            arguments::FailureLevel::Warn => Some(Level::Warn),
            arguments::FailureLevel::Error => Some(Level::Error),
            arguments::FailureLevel::Off => None,
        }
    }
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

impl From<arguments::Format> for LogFormat {
    fn from(format: arguments::Format) -> Self {
        match format {
            arguments::Format::Json => Self::Json,
            arguments::Format::Logfmt => Self::Logfmt,
        }
    }
}
