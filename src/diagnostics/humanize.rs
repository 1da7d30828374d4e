//! How times and numbers are told to people, on pages and on a terminal alike.

use std::{fmt::Display, time::Duration};

/// A reading, in a unit that suits it: three digits are enough to compare by eye.
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

/// A stretch of time that may be long, in one unit; what is less than one of it is left out.
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

/// So many of something.
#[must_use]
pub fn count(number: impl Display + Copy + PartialEq + From<u8>, what: &str) -> String {
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_that_suits_them() {
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
    fn only_one_is_not_many() {
        let told = [0_u64, 1, 2].map(|number| count(number, "error"));
        assert_eq!(told, ["0 errors", "1 error", "2 errors"]);
    }
}
