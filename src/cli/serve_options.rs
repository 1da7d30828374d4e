//! Converts the flags of the server to its options.

use std::time::Duration;

use log::Level;

use crate::{
    app::{Listen, ListenAddress, Options},
    cli::{ServeOptions, UsageError, arguments::Arguments},
    server::{ExternalUrl, PrometheusUrl, RoutePrefix},
};

/// Converts the flags. Each flag is well-formed; combinations of them may be invalid.
pub(super) fn from_arguments(arguments: Arguments) -> Result<ServeOptions, UsageError> {
    let wrong = |flag: &str, error: &dyn std::error::Error| {
        UsageError::of_flags(format!("{flag}: {error}"))
    };
    let mut warnings = Vec::new();
    let probe_log =
        arguments.log_prober.as_deref().map(|text| probe_log_level(text, &mut warnings));
    let listen = arguments.listen_addresses.iter().map(|text| text.parse::<ListenAddress>());
    let addresses = listen
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong("--web.listen-address", &error))?;
    let external_url = non_empty(arguments.external_url)
        .map(|text| ExternalUrl::parse(&text))
        .transpose()
        .map_err(|error| wrong("--web.external-url", &error))?;
    let prometheus_url = non_empty(arguments.prometheus_url)
        .map(|text| PrometheusUrl::parse(&text))
        .transpose()
        .map_err(|error| wrong("--web.prometheus-url", &error))?;
    if arguments.systemd_socket && external_url.is_none() {
        let message = "cannot automatically infer external URL with systemd socket listener: \
                       --web.systemd-socket needs --web.external-url";
        return Err(UsageError::of_flags(message.to_owned()));
    }
    let prefix = non_empty(arguments.route_prefix);
    let prefix = prefix.as_deref().or(external_url.as_ref().map(ExternalUrl::path));
    let route_prefix = RoutePrefix::parse(prefix.unwrap_or_default())
        .map_err(|error| wrong("--web.route-prefix", &error))?;
    let interval = Duration::from_secs(arguments.auto_reload_interval);
    let options = Options {
        config_file: arguments.config_file,
        policy_preset: arguments.policy_preset,
        timeout_offset: arguments.timeout_offset,
        auto_reload: Some(interval)
            .filter(|interval| arguments.enable_auto_reload && !interval.is_zero()),
        history_limit: arguments.history_limit,
        max_modules: arguments.max_modules,
        listen: if arguments.systemd_socket {
            Listen::Systemd
        } else {
            Listen::Addresses(addresses)
        },
        web_config_file: non_empty(Some(arguments.web_config_file)).map(Into::into),
        external_url,
        prometheus_url,
        route_prefix,
        shutdown_delay: arguments.shutdown_delay,
        max_connection_age: Some(arguments.max_connection_age).filter(|age| !age.is_zero()),
        resolver: arguments.resolver,
        probe_log,
        failure_log: arguments.log_failures.to_level(),
        kernel_timestamps: !arguments.user_clock,
    };
    let (log_level, log_format) = (arguments.log_level, arguments.log_format);
    Ok(ServeOptions { options, log_level, log_format, warnings })
}

/// Parses the minimum level of copied probe log lines. Like upstream, an invalid level is only a
/// warning.
fn probe_log_level(text: &str, warnings: &mut Vec<String>) -> Level {
    let known = [Level::Debug, Level::Info, Level::Warn, Level::Error];
    known.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text)).unwrap_or_else(|| {
        warnings.push(format!("--log.prober: unrecognized log level {text:?}, using info"));
        Level::Info
    })
}

/// Returns the value of a flag unless it is empty.
fn non_empty(value: Option<String>) -> Option<String> {
    value.filter(|text| !text.is_empty())
}
