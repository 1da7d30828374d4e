//! Parsers of flag values, used by the server and by the commands.

use std::time::Duration;

use anstream::ColorChoice;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser, TypedValueParser};
use log::{Level, LevelFilter};

use crate::{
    app::ResolverChoice, logging::LogFormat, net::resolve::HAS_OPERATING_SYSTEM, policy::Preset,
    settings::duration::GoDuration,
};

/// Parses a log level.
pub(super) fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["debug", "info", "warn", "error"])
        .try_map(|text| text.parse().map_err(|_| format!("unknown level {text}")))
}

/// Parses a log level or `off`.
pub(super) fn level_or_off() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(["debug", "info", "warn", "error", "off"])
        .try_map(|text| text.parse().map_err(|_| format!("unknown level {text}")))
}

/// Parses a log format.
pub(super) fn log_format() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(["logfmt", "json"]).map(|text| match text.as_str() {
        "json" => LogFormat::Json,
        _ => LogFormat::Logfmt,
    })
}

/// Parses the choice of a resolver.
pub(super) fn resolver() -> impl TypedValueParser<Value = ResolverChoice> {
    PossibleValuesParser::new(["dns", "system"]).try_map(|text| match text.as_str() {
        "system" if !HAS_OPERATING_SYSTEM => {
            Err("this binary is static and cannot call getaddrinfo; \
             use dns, or a binary that is linked to the C library of this machine")
        }
        "system" => Ok(ResolverChoice::System),
        _ => Ok(ResolverChoice::Dns),
    })
}

/// The help of `--policy.preset`. Not a doc comment: clippy would want backticks.
pub(super) const POLICY_PRESET_HELP: &str = "Limit what probes may connect to, in addition to the policy of the configuration file: none, \
     no_metadata (no metadata services of clouds), internal (public and private addresses) or public";

/// Parses a preset of the policy.
pub(super) fn policy_preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.iter().map(|preset| preset.word()))
        .try_map(|text| text.parse())
}

/// Parses the choice of colours.
pub(super) fn color() -> impl TypedValueParser<Value = ColorChoice> {
    PossibleValuesParser::new(["auto", "always", "never"]).map(|text| match text.as_str() {
        "always" => ColorChoice::Always,
        "never" => ColorChoice::Never,
        _ => ColorChoice::Auto,
    })
}

/// Parses a number of modules from 0 to a million.
pub(super) fn max_modules() -> impl TypedValueParser<Value = usize> {
    RangedU64ValueParser::new().range(..=1_000_000)
}

/// Parses a finite number of seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err("not a number of seconds".to_owned()),
    }
}

/// Parses a duration of 0 or more, such as `0s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse()?;
    if duration.is_negative() {
        return Err("must not be negative".to_owned());
    }
    Ok(duration.positive().unwrap_or_default())
}

/// Longest shutdown delay: a supervisor ends the process long before.
const MAX_SHUTDOWN_DELAY: Duration = Duration::from_mins(10);

/// Parses a duration from 0 to [`MAX_SHUTDOWN_DELAY`].
pub(super) fn shutdown_delay(text: &str) -> Result<Duration, String> {
    let is_short = |delay: &Duration| *delay <= MAX_SHUTDOWN_DELAY;
    Some(duration(text)?).filter(is_short).ok_or_else(|| "must be at most 10m".to_owned())
}

/// Parses a duration greater than 0, such as `500ms`.
pub(super) fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration: GoDuration = text.parse()?;
    duration.positive().ok_or_else(|| "must be greater than 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shutdown_delay_has_a_maximum_and_no_duration_is_negative() {
        for (text, seconds) in [("0s", 0), ("0", 0), ("30s", 30), ("1m30s", 90), ("10m", 600)] {
            assert_eq!(shutdown_delay(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(shutdown_delay("10m1ms"), Err("must be at most 10m".to_owned()));
        assert_eq!(shutdown_delay("-1s"), Err("must not be negative".to_owned()));
        assert!(shutdown_delay("30").unwrap_err().contains("has no unit"));
        assert_eq!(duration("1d"), Ok(Duration::from_hours(24)));
    }
}
