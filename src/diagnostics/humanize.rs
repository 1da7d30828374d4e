//! Times and numbers as text for people, on pages and on the terminal.

use std::{fmt::Display, time::Duration};

/// Formats a duration with a suitable unit and three significant digits.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (number, unit) = match seconds {
        ..0.001 => return format!("{:.0} µs", seconds * 1e6),
        ..1.0 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let decimals = match number {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}

/// Formats a long duration in whole units of one kind, rounded down.
#[must_use]
pub fn long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => count(seconds, "second"),
        120..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / 86_400, "day"),
    }
}

/// Formats a number with its noun in singular or plural.
#[must_use]
pub fn count(number: impl Display + Copy + PartialEq + From<u8>, what: &str) -> String {
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_suitable_unit() {
        for (seconds, text) in [
            (0.000_012, "12 µs"),
            (0.001_234, "1.23 ms"),
            (0.012_34, "12.3 ms"),
            (0.123_4, "123 ms"),
            (2.5, "2.50 s"),
            (119.6, "120 s"),
        ] {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
        for (seconds, text) in
            [(1, "1 second"), (150, "2 minutes"), (7_300, "2 hours"), (172_800, "2 days")]
        {
            assert_eq!(long(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn only_one_is_singular() {
        let texts = [0_u64, 1, 2].map(|number| count(number, "error"));
        assert_eq!(texts, ["0 errors", "1 error", "2 errors"]);
    }
}
