//! Sizes in bytes with a unit: `10MB`, `1.5KiB`, `1MB512KB`. Both spellings mean powers of 1024.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A size in bytes; zero or less means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize {
    bytes: i64,
}

impl ByteSize {
    /// Returns the number of bytes, or `None` if there is no limit.
    #[must_use]
    pub fn limit(self) -> Option<u64> {
        u64::try_from(self.bytes).ok().filter(|bytes| *bytes > 0)
    }

    /// Returns a size to show: sizes of more than 10 MiB in whole ones, smaller ones in KiB.
    #[must_use]
    pub fn rounded(bytes: u64) -> Self {
        let unit: u64 = if bytes > 10 << 20 { 1 << 20 } else { 1 << 10 };
        Self { bytes: i64::try_from(bytes - bytes % unit).unwrap_or(i64::MAX) }
    }
}

/// The prefixes of the units; each is 1024 times the one before. Plain bytes have none.
const PREFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// The exponents of the units, as powers of two.
const SHIFTS: [u32; 7] = [0, 10, 20, 30, 40, 50, 60];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = |what: &str| format!("'{text}' {what}; write for example 512KB, 10MB or 1GiB");
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(error("is not a size"));
        }
        // A size may have several units, but not both `KB` and `KiB`.
        let mut spelling = None;
        let mut total: f64 = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            let end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            rest = tail;
            let number: f64 = number.parse().map_err(|_| error("is not a size"))?;
            if unit.is_empty() {
                return Err(error("has no unit"));
            }
            let Some((factor, binary)) = factor(unit) else {
                let has_space = unit.contains(char::is_whitespace);
                let unknown = format!("has an unknown unit '{unit}'");
                return Err(error(if has_space { "contains a space" } else { &unknown }));
            };
            if binary.is_some() && spelling.is_some() && binary != spelling {
                return Err(error("mixes the spellings KB and KiB"));
            }
            spelling = binary.or(spelling);
            total += number * factor;
        }
        let bytes = truncate(total).ok_or_else(|| error("is too large"))?;
        Ok(Self { bytes: if negative { -bytes } else { bytes } })
    }
}

/// Returns the factor of a unit, and true if it has the binary spelling (`KiB`). The spelling of
/// plain bytes is `None`.
fn factor(unit: &str) -> Option<(f64, Option<bool>)> {
    let prefix = unit.strip_suffix('B')?;
    let (prefix, binary) = match prefix.strip_suffix('i') {
        Some(prefix) => (prefix, Some(true)),
        None => (prefix, (!prefix.is_empty()).then_some(false)),
    };
    let power = PREFIXES.iter().position(|known| *known == prefix)?;
    if power == 0 && binary.is_some() {
        return None;
    }
    Some((1024_f64.powi(i32::try_from(power).ok()?), binary))
}

/// Returns the integer part of a non-negative number, if it fits.
fn truncate(number: f64) -> Option<i64> {
    format!("{:.0}", number.floor()).parse().ok()
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes == 0 {
            return formatter.write_str("0B");
        }
        if self.bytes < 0 {
            formatter.write_str("-")?;
        }
        let bytes = self.bytes.unsigned_abs();
        for (shift, prefix) in SHIFTS.iter().zip(PREFIXES).rev() {
            let part = (bytes >> shift) % 1024;
            if part > 0 {
                write!(formatter, "{part}{prefix}{}", if *shift == 0 { "B" } else { "iB" })?;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints_powers_of_1024() {
        for (written, printed) in [
            ("0", "0B"),
            ("128B", "128B"),
            ("10MB", "10MiB"),
            ("10MiB", "10MiB"),
            ("1.5KiB", "1KiB512B"),
            ("1MB512KB", "1MiB512KiB"),
            ("1MB5B", "1MiB5B"),
            ("1024KB", "1MiB"),
            ("7EB", "7EiB"),
            ("-1B", "-1B"),
        ] {
            let size: ByteSize = written.parse().unwrap();
            assert_eq!(size.to_string(), printed, "{written}");
        }
        assert_eq!("10MB".parse::<ByteSize>().unwrap().limit(), Some(10 << 20));
        assert_eq!("0".parse::<ByteSize>().unwrap().limit(), None);
        assert_eq!("-5MB".parse::<ByteSize>().unwrap().limit(), None);
    }

    #[test]
    fn rejects_invalid_sizes() {
        for (written, expected) in [
            ("", "is not a size"),
            ("B", "is not a size"),
            ("1..5KB", "is not a size"),
            ("10", "has no unit"),
            ("10K", "unknown unit 'K'"),
            ("10kB", "unknown unit 'kB'"),
            ("10iB", "unknown unit 'iB'"),
            ("10 MB", "contains a space"),
            ("1MB1KiB", "mixes the spellings"),
            ("8EB", "is too large"),
            ("99999999999999999999EB", "is too large"),
        ] {
            let error = written.parse::<ByteSize>().unwrap_err();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }
}
