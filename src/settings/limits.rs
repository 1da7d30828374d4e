//! Limits of the exporter: the section `limits` at the top of the configuration file.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::{section::section, size::ByteSize};

section! {
    /// Limits of what all probes take together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Limits {
        /// Memory for data that peers make running probes hold: bodies, decompressed or parsed ones,
        /// headers, messages, dialogues, certificates. `auto` is a quarter of the memory of the
        /// control group or machine, but at least 8 MiB and at most 192 MiB; `0` means no limit. Each
        /// probe may hold 64 KiB in addition.
        #[key(extension)]
        pub body_memory: BodyMemory,
    }
}

/// The memory for bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodyMemory {
    /// A part of the memory of the machine.
    #[default]
    Auto,
    /// A size, or no limit.
    Size(ByteSize),
}

const AUTO: &str = "auto";

/// Limits of the automatic size in bytes. The upper one is enough for three of the largest bodies, or
/// for 1,500 of 100 KiB at the same time.
const AUTO_SIZES: std::ops::RangeInclusive<u64> = 8 << 20..=192 << 20;

/// Minimum size in bytes.
const MIN: u64 = 1 << 20;

impl BodyMemory {
    /// Returns the size in bytes, if there is a limit. `memory` is that of the machine, if it is
    /// known.
    #[must_use]
    pub fn limit(self, memory: Option<u64>) -> Option<u64> {
        match self {
            Self::Size(size) => size.limit(),
            Self::Auto => {
                let quarter = memory? / 4;
                Some(quarter.clamp(*AUTO_SIZES.start(), *AUTO_SIZES.end()))
            }
        }
    }
}

impl FromStr for BodyMemory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == AUTO {
            return Ok(Self::Auto);
        }
        let size: ByteSize = text.parse()?;
        let is_valid = size.limit().map_or(size == ByteSize::default(), |bytes| bytes >= MIN);
        if is_valid {
            Ok(Self::Size(size))
        } else {
            Err(format!("'{text}' is too small; write auto, 0 for no limit, or at least 1MiB"))
        }
    }
}

impl fmt::Display for BodyMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str(AUTO),
            Self::Size(size) if size.limit().is_none() => formatter.write_str("0"),
            Self::Size(size) => size.fmt(formatter),
        }
    }
}

impl<'de> Deserialize<'de> for BodyMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for BodyMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (written, printed, limit) in [
            ("auto", "auto", Some(32 << 20)),
            ("0", "0", None),
            ("1MB", "1MiB", Some(1 << 20)),
            ("1.5GiB", "1GiB512MiB", Some(1536 << 20)),
        ] {
            let size: BodyMemory = written.parse().unwrap();
            assert_eq!((size.to_string().as_str(), size.limit(Some(128 << 20))), (printed, limit));
        }
        for wrong in ["1023KiB", "-1B", "-5MB", "automatic", "", "5"] {
            assert!(wrong.parse::<BodyMemory>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_automatic_size_is_a_quarter_within_bounds() {
        for (memory, limit) in [
            (Some(16 << 20), Some(8 << 20)),
            (Some(160 << 20), Some(40 << 20)),
            (Some(64 << 30), Some(192 << 20)),
            (None, None),
        ] {
            assert_eq!(BodyMemory::Auto.limit(memory), limit);
        }
    }
}
