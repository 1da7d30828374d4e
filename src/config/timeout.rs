//! The timeout of a probe, from the module and the scrape timeout.

use std::time::Duration;

use crate::settings::{duration::GoDuration, rule::Warning};

/// Timeout of a probe if neither the scrape request nor the module has one.
pub const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_mins(2);

/// Default of `--timeout-offset`: seconds to subtract from the scrape timeout.
pub const DEFAULT_TIMEOUT_OFFSET: f64 = 0.5;

/// Maximum timeout, a hundred years; all clocks can represent it.
const MAX_TIMEOUT: Duration = Duration::from_hours(100 * 365 * 24);

/// Returns a warning about the timeout of a module.
pub(super) fn warning(timeout: Duration) -> Option<Warning> {
    let shown = GoDuration::from(timeout);
    if timeout < MIN_TIMEOUT {
        let message = format!("{shown} is too short for a probe; write for example 5s");
        return Some(Warning::at("timeout", message));
    }
    (timeout > DEFAULT_SCRAPE_TIMEOUT).then(|| {
        let longest = GoDuration::from(DEFAULT_SCRAPE_TIMEOUT);
        let message = format!(
            "{shown} takes effect only if the scrape timeout is longer; without a scrape timeout, \
             the limit is {longest}"
        );
        Warning::at("timeout", message)
    })
}

/// Shortest timeout without a warning: no exchange over a network is faster.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// Describes the timeout for `check --explain`.
pub(super) fn explain(timeout: Option<Duration>, offset: f64) -> String {
    let scrape = match Duration::try_from_secs_f64(offset) {
        Ok(offset) if !offset.is_zero() => {
            format!("the scrape timeout minus {} (--timeout-offset)", GoDuration::from(offset))
        }
        _ => "the scrape timeout".to_owned(),
    };
    let without = GoDuration::from(shortest(None, offset, timeout));
    match timeout {
        Some(timeout) => {
            let timeout = GoDuration::from(timeout);
            let default_is_less = without < timeout;
            let longest = if default_is_less {
                format!(" {without} if a request has no scrape timeout.")
            } else {
                String::new()
            };
            format!("At most {timeout}, or {scrape} if that is less.{longest}")
        }
        None => format!("At most {scrape}; {without} if a request has no scrape timeout."),
    }
}

/// Returns the smaller of the module's timeout and what the scraper allows.
pub(super) fn shortest(scrape: Option<f64>, offset: f64, module: Option<Duration>) -> Duration {
    let allowed = allowed_by_scraper(scrape, offset);
    module.filter(|module| !module.is_zero()).map_or(allowed, |module| module.min(allowed))
}

/// Returns the scrape timeout minus the offset; both are in seconds.
///
/// Unlike upstream, an offset that leaves no time is ignored, and a negative one
/// does not extend the scrape timeout.
#[must_use]
pub fn allowed_by_scraper(scrape: Option<f64>, offset: f64) -> Duration {
    let scrape = scrape.unwrap_or(DEFAULT_SCRAPE_TIMEOUT.as_secs_f64());
    let remaining = scrape - offset;
    let seconds = if remaining > 0.0 { remaining.min(scrape) } else { scrape };
    let allowed = Duration::try_from_secs_f64(seconds).unwrap_or(MAX_TIMEOUT);
    allowed.min(MAX_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn uses_the_smaller_of_scrape_and_module_timeout() {
        // (scrape timeout, offset, module timeout, expected), in seconds; 0 = not given.
        let cases = [
            (0.0, 0.5, 0.0, 119.5),
            (10.0, 0.5, 0.0, 9.5),
            (15.0, 0.5, 20.0, 14.5),
            (15.0, 0.5, 5.0, 5.0),
            (0.3, 0.5, 0.0, 0.3),
            (0.3, 0.5, 2.0, 0.3),
            (0.5, 0.5, 0.0, 0.5),
            (10.0, -5.0, 0.0, 10.0),
            (10.0, 0.0, 0.0, 10.0),
            (1e300, 0.5, 3.0, 3.0),
        ];
        for (scrape, offset, module, expected) in cases {
            let given = |seconds: f64| Some(seconds).filter(|seconds| *seconds > 0.0);
            let module = given(module).map(Duration::from_secs_f64);
            let timeout = shortest(given(scrape), offset, module);
            assert!(
                (timeout.as_secs_f64() - expected).abs() < 1e-9,
                "{scrape} {offset} {module:?}: {timeout:?}"
            );
        }
    }

    #[test]
    fn explained_timeout_matches_the_effective_timeout() {
        for (keys, offset, expected) in [
            (
                "",
                0.5,
                "At most the scrape timeout minus 500ms (--timeout-offset); 1m59.5s if a request \
                 has no scrape timeout.",
            ),
            ("", 0.0, "At most the scrape timeout; 2m0s if a request has no scrape timeout."),
            ("", -3.0, "At most the scrape timeout; 2m0s if a request has no scrape timeout."),
            (
                ", timeout: 5s",
                1.5,
                "At most 5s, or the scrape timeout minus 1.5s (--timeout-offset) if that is less.",
            ),
            (
                ", timeout: 3m",
                0.5,
                "At most 3m0s, or the scrape timeout minus 500ms (--timeout-offset) if that is \
                 less. 1m59.5s if a request has no scrape timeout.",
            ),
        ] {
            let yaml = format!("modules: {{a: {{prober: tcp{keys}}}}}");
            let module = Config::parse(yaml, "a.yml").unwrap().module("a").unwrap();
            assert_eq!(explain(module.timeout, offset), expected, "{keys} {offset}");
        }
    }
}
