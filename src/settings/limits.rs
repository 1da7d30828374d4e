//! Limits of the exporter: the section `limits` at the top of the configuration file.

use std::{fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::settings::{duration::GoDuration, rule::RuleError, section::section, size::ByteSize};

section! {
    /// Limits of what all probes take together.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Limits {
        /// Number of probes that run at once; `0` means no limit. `auto` is what the memory of the
        /// control group or machine and the limit of open files are enough for. Further probes wait,
        /// first come, first served.
        #[key(extension)]
        pub in_flight: InFlight,
        /// Maximum time for which a probe waits until it may run, at most `30s`; never more than a
        /// fifth of the scrape timeout. `0s` means that none waits. A probe that may not run in time is
        /// refused, and so is one for which as many wait as may run.
        #[key(extension)]
        pub queue_timeout: GoDuration = GoDuration::from(DEFAULT_QUEUE_TIMEOUT),
        /// Memory for data that peers make running probes hold: bodies, decompressed or parsed ones,
        /// headers, messages, dialogues, certificates. `auto` is a quarter of the memory of the
        /// control group or machine, but at least 8 MiB and at most 192 MiB; `0` means no limit. Each
        /// probe may hold 64 KiB in addition.
        #[key(extension)]
        pub body_memory: BodyMemory,
        /// Memory for the reports of past probes, at least `4MiB`. It is used as far as it is needed: for
        /// the latest probes, and for the last success and the last failures of each target. With
        /// `--history.limit=0`, none is used.
        #[key(extension)]
        pub history_memory: ByteSize = ByteSize::rounded(DEFAULT_HISTORY_MEMORY),
    }
    check Self::check;
}

section! {
    /// Limits of the probes of one module.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ModuleLimits {
        /// Number of probes of the module that run at once. By default there is no limit.
        #[key(extension)]
        pub in_flight: Option<u32>,
    }
    check Self::check;
}

/// Number of probes that run at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InFlight {
    /// As many as memory and file descriptors are enough for.
    #[default]
    Auto,
    /// A number, or 0 for no limit.
    Number(u32),
}

/// The resources of the process for its probes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// Memory in bytes, if it is known.
    pub memory: Option<u64>,
    /// Maximum number of open files.
    pub descriptors: u64,
    /// CPU time per second.
    pub cpu: Duration,
}

/// Default of `queue_timeout`.
const DEFAULT_QUEUE_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum of `queue_timeout`.
const MAX_QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum of `in_flight`.
const MAX_IN_FLIGHT: u32 = 1_000_000;

/// Default and minimum of `history_memory` in bytes.
pub const DEFAULT_HISTORY_MEMORY: u64 = 16 << 20;
const MIN_HISTORY_MEMORY: u64 = 4 << 20;

/// Memory of the process without probes and their bodies in bytes, with the default history.
const BASE_MEMORY: u64 = 24 << 20;

/// Memory of a running probe in bytes, that of the kernel and of its scrape included: 56 KiB for one over
/// HTTP/3, and 14 KiB for each of two more connections, one that waits and an idle one. docs/sizing.md
/// has the measurements.
const PROBE_MEMORY: u64 = (56 + 2 * 14) << 10;

/// Bounds of the automatic number as far as it depends on the memory. With the upper one, a client that
/// requests all of them and as many that wait has connections left.
const AUTO_NUMBERS: RangeInclusive<u64> = 64..=18_000;

/// File descriptors of the process without probes; three quarters of all if there are few.
const OWN_DESCRIPTORS: u64 = 128;

/// File descriptors of a probe: its scrape, its connection, and a lookup or a second connection.
const DESCRIPTORS_PER_PROBE: u64 = 3;

impl Limits {
    fn check(&mut self) -> Result<(), RuleError> {
        let timeout = self.queue_timeout;
        if timeout.is_negative() || timeout > GoDuration::from(MAX_QUEUE_TIMEOUT) {
            let message = format!("{timeout} is not between 0s and 30s");
            return Err(RuleError::at("queue_timeout", message));
        }
        let memory = self.history_memory;
        if memory.limit().is_none_or(|bytes| bytes < MIN_HISTORY_MEMORY) {
            let message = format!(
                "{memory} is less than 4MiB; the flag --history.limit=0 turns the history off"
            );
            return Err(RuleError::at("history_memory", message));
        }
        Ok(())
    }

    /// Returns the memory for the history in bytes.
    #[must_use]
    pub fn history_bytes(&self) -> u64 {
        self.history_memory.limit().unwrap_or(DEFAULT_HISTORY_MEMORY)
    }

    /// Returns the number of probes that run at once, if there is a limit.
    #[must_use]
    pub fn max_in_flight(&self, resources: Resources) -> Option<u32> {
        match self.in_flight {
            InFlight::Number(0) => None,
            InFlight::Number(number) => Some(number),
            InFlight::Auto => {
                let descriptors = resources.descriptors;
                let free = descriptors.saturating_sub(OWN_DESCRIPTORS.min(descriptors / 4 * 3));
                let by_descriptors = (free / DESCRIPTORS_PER_PROBE).max(1);
                let by_memory = self.free_memory(resources).map(|free| {
                    (free / PROBE_MEMORY).clamp(*AUTO_NUMBERS.start(), *AUTO_NUMBERS.end())
                });
                let number = by_memory.unwrap_or(*AUTO_NUMBERS.end()).min(by_descriptors);
                Some(u32::try_from(number).unwrap_or(MAX_IN_FLIGHT))
            }
        }
    }

    /// Returns the memory in bytes that is left for probes without their bodies and for connections, if
    /// it is known.
    #[must_use]
    pub fn free_memory(&self, resources: Resources) -> Option<u64> {
        let memory = resources.memory;
        let bodies = self.body_memory.limit(memory).or_else(|| BodyMemory::Auto.limit(memory));
        let history = self.history_bytes().saturating_sub(DEFAULT_HISTORY_MEMORY);
        Some(memory?.saturating_sub(bodies.unwrap_or_default() + history + BASE_MEMORY))
    }

    /// Returns the time for which a probe waits at most, if its scraper allows `scrape` for it.
    #[must_use]
    pub fn max_wait(&self, scrape: Duration) -> Duration {
        self.queue_timeout.positive().unwrap_or_default().min(scrape / 5)
    }
}

impl ModuleLimits {
    fn check(&mut self) -> Result<(), RuleError> {
        match self.in_flight {
            Some(0) => {
                let message = "0 would refuse every probe; leave the key out for no limit";
                Err(RuleError::at("in_flight", message.to_owned()))
            }
            Some(number) if number > MAX_IN_FLIGHT => {
                Err(RuleError::at("in_flight", format!("{number} is more than {MAX_IN_FLIGHT}")))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for InFlight {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == AUTO {
            return Ok(Self::Auto);
        }
        let number = text.parse().ok().filter(|number| *number <= MAX_IN_FLIGHT);
        number.map(Self::Number).ok_or_else(|| {
            format!(
                "'{text}' is not a number of probes; write auto, 0 for no limit, or at most \
                 {MAX_IN_FLIGHT}"
            )
        })
    }
}

impl<'de> Deserialize<'de> for InFlight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for InFlight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Number(number) => serializer.serialize_u32(*number),
        }
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
const AUTO_SIZES: RangeInclusive<u64> = 8 << 20..=192 << 20;

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

    fn limits(in_flight: &str, queue_timeout: &str) -> Limits {
        let (in_flight, queue_timeout) =
            (in_flight.parse().unwrap(), queue_timeout.parse().unwrap());
        Limits { in_flight, queue_timeout, ..Limits::default() }
    }

    #[test]
    fn the_automatic_number_of_probes_depends_on_memory_and_descriptors() {
        const MIB: u64 = 1 << 20;
        for (memory, descriptors, expected) in [
            (Some(40 * MIB), 1 << 20, 73),
            (Some(128 * MIB), 1 << 20, 877),
            (Some(1024 * MIB), 1 << 20, 9_849),
            (Some(16 * MIB), 1 << 20, 64),
            (Some(1024 * MIB), 1024, 298),
            (None, 1024, 298),
            (None, 256, 42),
            (None, 64, 5),
            (None, 0, 1),
            (None, u64::MAX, 18_000),
        ] {
            let number = limits("auto", "1s").max_in_flight(Resources {
                memory,
                descriptors,
                ..Resources::default()
            });
            assert_eq!(number, Some(expected), "{memory:?} {descriptors}");
        }
        let few = Resources { memory: Some(40 * MIB), descriptors: 1024, ..Resources::default() };
        assert_eq!(limits("0", "1s").max_in_flight(few), None);
        assert_eq!(limits("5000", "1s").max_in_flight(few), Some(5000));
        for wrong in ["-1", "1000001", "many", "", "1.5"] {
            assert!(wrong.parse::<InFlight>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn probes_wait_for_a_fifth_of_the_scrape_timeout_at_most() {
        let seconds = Duration::from_secs;
        for (queue_timeout, scrape, expected) in [
            ("1s", seconds(10), seconds(1)),
            ("1s", seconds(2), Duration::from_millis(400)),
            ("0s", seconds(10), Duration::ZERO),
            ("30s", seconds(100), seconds(20)),
        ] {
            assert_eq!(limits("1", queue_timeout).max_wait(scrape), expected);
        }
        assert!(limits("1", "31s").check().is_err() && limits("1", "-1s").check().is_err());
        assert!(ModuleLimits { in_flight: Some(0) }.check().is_err());
    }

    #[test]
    fn a_larger_history_leaves_less_memory_for_probes() {
        let resources = Resources { memory: Some(1 << 30), ..Resources::default() };
        let free = |size: &str| {
            let limits = Limits { history_memory: size.parse().unwrap(), ..Limits::default() };
            (limits.clone().check().is_ok(), limits.free_memory(resources).unwrap())
        };
        let (is_valid, usual) = free("16MiB");
        assert!(is_valid && free("4MiB") == (true, usual));
        assert_eq!(free("64MiB"), (true, usual - (48 << 20)));
        for wrong in ["0", "4095KiB", "-1MiB"] {
            assert!(!free(wrong).0, "{wrong}");
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
