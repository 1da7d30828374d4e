//! Durations in Go's notation: `5s`, `1m30s`, `2.5s`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration in a configuration file. Zero and negative values are accepted and mean "no
/// duration".
///
/// Unlike upstream: days, weeks and years (`1d`, `1w`, `1y`) are accepted, as its documentation
/// says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration {
    nanoseconds: i64,
}

impl GoDuration {
    /// Returns the duration if it is greater than zero.
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        u64::try_from(self.nanoseconds).ok().filter(|n| *n > 0).map(Duration::from_nanos)
    }

    /// Returns true if the duration is less than zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanoseconds < 0
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        Self { nanoseconds: i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX) }
    }
}

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000 * MICROSECOND;
const SECOND: i64 = 1_000 * MILLISECOND;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Units by name. Both micro signs of Unicode are accepted, as in Go.
const UNITS: [(&str, i64); 11] = [
    ("ns", 1),
    ("us", MICROSECOND),
    ("\u{b5}s", MICROSECOND),
    ("\u{3bc}s", MICROSECOND),
    ("ms", MILLISECOND),
    ("s", SECOND),
    ("m", MINUTE),
    ("h", HOUR),
    ("d", DAY),
    ("w", 7 * DAY),
    ("y", 365 * DAY),
];

impl FromStr for GoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = |what: &str| format!("'{text}' {what}; write for example 5s, 1m30s or 500ms");
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(error("is not a duration"));
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number = take_while(&mut rest, |c| c.is_ascii_digit());
            let fraction = match rest.strip_prefix('.') {
                Some(after) => {
                    rest = after;
                    take_while(&mut rest, |c| c.is_ascii_digit())
                }
                None => "",
            };
            if number.is_empty() && fraction.is_empty() {
                return Err(error("is not a duration"));
            }
            let name = take_while(&mut rest, |c| c != '.' && !c.is_ascii_digit());
            if name.is_empty() {
                return Err(error("has no unit"));
            }
            let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == name) else {
                let has_space = name.contains(char::is_whitespace);
                let unknown = format!("has an unknown unit '{name}'");
                return Err(error(if has_space { "contains a space" } else { &unknown }));
            };
            total = scaled(number, fraction, *unit)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| error("is too long"))?;
        }
        let total = if negative { -total } else { total };
        let nanoseconds = i64::try_from(total).map_err(|_| error("is too long"))?;
        Ok(Self { nanoseconds })
    }
}

/// Returns `number.fraction` times `unit` in nanoseconds, truncated.
fn scaled(number: &str, fraction: &str, unit: i64) -> Option<i128> {
    /// Digits after this one are below a nanosecond in every unit.
    const FRACTION_DIGITS: usize = 18;

    let unit = i128::from(unit);
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let fraction = fraction.get(..FRACTION_DIGITS).unwrap_or(fraction);
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = digits(fraction)?.checked_mul(unit)? / scale;
    digits(number)?.checked_mul(unit)?.checked_add(part)
}

fn take_while<'t>(rest: &mut &'t str, wanted: impl Fn(char) -> bool) -> &'t str {
    let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    let (head, tail) = rest.split_at(end);
    *rest = tail;
    head
}

impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() {
            formatter.write_str("-")?;
        }
        let total = self.nanoseconds.unsigned_abs();
        let below = |unit: i64| total < unit.unsigned_abs();
        if total == 0 {
            formatter.write_str("0s")
        } else if below(MICROSECOND) {
            write!(formatter, "{total}ns")
        } else if below(MILLISECOND) {
            write_fraction(formatter, total, MICROSECOND, "µs")
        } else if below(SECOND) {
            write_fraction(formatter, total, MILLISECOND, "ms")
        } else {
            let (hours, minutes) =
                (total / HOUR.unsigned_abs(), total / MINUTE.unsigned_abs() % 60);
            if hours > 0 {
                write!(formatter, "{hours}h{minutes}m")?;
            } else if minutes > 0 {
                write!(formatter, "{minutes}m")?;
            }
            write_fraction(formatter, total % MINUTE.unsigned_abs(), SECOND, "s")
        }
    }
}

/// Writes `nanoseconds` in `unit`, without trailing zeros.
fn write_fraction(
    formatter: &mut fmt::Formatter<'_>,
    nanoseconds: u64,
    unit: i64,
    name: &str,
) -> fmt::Result {
    let unit = unit.unsigned_abs();
    write!(formatter, "{}", nanoseconds / unit)?;
    let rest = nanoseconds % unit;
    if rest > 0 {
        let digits = usize::try_from(unit.ilog10()).unwrap_or_default();
        let text = format!("{rest:0digits$}");
        write!(formatter, ".{}", text.trim_end_matches('0'))?;
    }
    formatter.write_str(name)
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = GoDuration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as 5s, 1m30s or 500ms")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<GoDuration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<GoDuration, E> {
                Err(E::custom(format!("{number} has no unit; write {number}s for seconds")))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<GoDuration, E> {
                Err(E::custom(format!("{number} has no unit; write {number}s for seconds")))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<GoDuration, E> {
                Err(E::custom(format!("{number} has no unit; write {number}s for seconds")))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_like_go() {
        for (written, printed) in [
            ("0", "0s"),
            ("0s", "0s"),
            ("5s", "5s"),
            ("+5s", "5s"),
            ("-5s", "-5s"),
            ("1.5s", "1.5s"),
            (".5s", "500ms"),
            ("5.s", "5s"),
            ("90s", "1m30s"),
            ("1m30s", "1m30s"),
            ("60m", "1h0m0s"),
            ("1h2m3.5s", "1h2m3.5s"),
            ("500us", "500µs"),
            ("500µs", "500µs"),
            ("1500us", "1.5ms"),
            ("1.000000001s", "1.000000001s"),
            ("1ns", "1ns"),
            ("0.3ns", "0s"),
            ("1d", "24h0m0s"),
            ("1w", "168h0m0s"),
            ("1y", "8760h0m0s"),
            ("1d12h", "36h0m0s"),
        ] {
            let duration: GoDuration = written.parse().unwrap();
            assert_eq!(duration.to_string(), printed, "{written}");
        }
    }

    #[test]
    fn rejects_invalid_durations() {
        for (written, expected) in [
            ("", "is not a duration"),
            ("-", "is not a duration"),
            ("s", "is not a duration"),
            (".s", "is not a duration"),
            ("5", "has no unit"),
            ("1s5", "has no unit"),
            ("5x", "has an unknown unit 'x'"),
            ("5 s", "contains a space"),
            ("5S", "has an unknown unit 'S'"),
            ("9999999h", "is too long"),
            ("99999999999999999999999999999999999999999s", "is too long"),
        ] {
            let error = written.parse::<GoDuration>().unwrap_err();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }

    #[test]
    fn rejects_a_number_without_unit() {
        let error = serde_json::from_str::<GoDuration>("5").unwrap_err().to_string();
        assert!(error.starts_with("5 has no unit; write 5s for seconds"), "{error}");
    }
}
