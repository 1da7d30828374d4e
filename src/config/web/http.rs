//! The sections of the web config file for response headers and the rate limit.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};

use crate::settings::{duration::GoDuration, header, rule::RuleError};

/// The section `http_server_config`.
#[derive(Default, Deserialize)]
#[serde(try_from = "RawHttpServer")]
pub(super) struct HttpServer {
    pub(super) headers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawHttpServer {
    /// Ignored: clients with HTTP/2 support HTTP/1.1 as well.
    http2: bool,
    headers: BTreeMap<String, String>,
}

/// The response headers that can be configured, with their values if only some are valid.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

impl TryFrom<RawHttpServer> for HttpServer {
    type Error = RuleError;

    fn try_from(raw: RawHttpServer) -> Result<Self, RuleError> {
        for (name, value) in &raw.headers {
            check_header(name, value)
                .map_err(|message| RuleError::at(["headers", name], message))?;
        }
        Ok(Self { headers: raw.headers })
    }
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    let Some((_, values)) = HEADERS.iter().find(|(known, _)| *known == name) else {
        let known = HEADERS.map(|(known, _)| known).join(", ");
        return Err(format!("HTTP header {name:?} can not be configured (only {known} can)"));
    };
    if !values.is_empty() && !values.contains(&value) {
        return Err(format!(
            "invalid value for {name}. Expected one of: {values:?}, but got: {value:?}"
        ));
    }
    header::check(name, value)
}

/// Rate limit of requests: `burst` at once, and one more per `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Time after which one more request is accepted; not 0.
    pub interval: Duration,
    /// Maximum number of requests at once; not 0.
    pub burst: u32,
}

/// The section `rate_limit`.
#[derive(Default, Deserialize)]
#[serde(try_from = "RawRateLimit")]
pub(super) struct RateLimitSection(pub(super) Option<RateLimit>);

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawRateLimit {
    interval: Interval,
    burst: i64,
}

impl TryFrom<RawRateLimit> for RateLimitSection {
    type Error = RuleError;

    fn try_from(raw: RawRateLimit) -> Result<Self, RuleError> {
        // As upstream has it: no interval, or one that is negative, is no limit.
        let Some(interval) = raw.interval.0 else { return Ok(Self(None)) };
        match u32::try_from(raw.burst) {
            Ok(burst @ 1..) => Ok(Self(Some(RateLimit { interval, burst }))),
            Err(_) if raw.burst > 0 => Err(RuleError::at("burst", "the value is too large")),
            Ok(0) | Err(_) => {
                let message = "burst must be at least 1 if interval is set; with 0, every request \
                               is rejected";
                Err(RuleError::new(message).involving(["burst"]))
            }
        }
    }
}

/// A duration. As in upstream, a number without a unit counts nanoseconds.
#[derive(Default)]
struct Interval(Option<Duration>);

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Interval;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as 100ms")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Interval, E> {
                let duration: GoDuration = text.parse().map_err(E::custom)?;
                Ok(Interval(duration.positive()))
            }

            fn visit_i64<E: de::Error>(self, nanoseconds: i64) -> Result<Interval, E> {
                let duration = u64::try_from(nanoseconds).ok().map(Duration::from_nanos);
                Ok(Interval(duration.filter(|duration| !duration.is_zero())))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
