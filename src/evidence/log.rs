//! The log of one probe: a value in its report, not lines of the process's log.

use std::{
    fmt::{self, Display},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use log::Level;

use crate::evidence::logfmt;

/// One line of a probe's log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// When it was noted.
    pub time: SystemTime,
    /// How much it matters to whoever reads the log of this probe.
    pub level: Level,
    /// What happened.
    pub message: String,
    /// The particulars, in order.
    pub fields: Vec<(&'static str, String)>,
}

impl LogEntry {
    /// The entry as one line of logfmt, without a line end.
    #[must_use]
    pub fn to_logfmt(&self) -> String {
        let mut line = String::new();
        logfmt::push_pair(&mut line, "time", &logfmt::timestamp(self.time));
        logfmt::push_pair(&mut line, "level", self.level.as_str());
        logfmt::push_pair(&mut line, "msg", &self.message);
        for (key, value) in &self.fields {
            logfmt::push_pair(&mut line, key, value);
        }
        line
    }
}

/// The log of one probe.
///
/// It is bounded: a peer must not be able to fill memory by making the prober talk.
#[derive(Debug, Default)]
pub struct ProbeLog {
    entries: Mutex<Vec<LogEntry>>,
}

/// Bytes of a peer's text that one entry quotes.
const LONGEST_EXCERPT: usize = 512;

/// What a peer said, as an entry or a failure quotes it: cut where it is long.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'t>(pub &'t [u8]);

impl Display for Excerpt<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        match text.split_at_checked(LONGEST_EXCERPT) {
            Some((start, rest)) if !rest.is_empty() => {
                write!(formatter, "{}… ({} bytes)", String::from_utf8_lossy(start), text.len())
            }
            _ => formatter.write_str(&String::from_utf8_lossy(text)),
        }
    }
}

/// Entries beyond this many are dropped; no honest probe comes near it.
const MOST_ENTRIES: usize = 1_000;

/// Errors are noted beyond that, since they say why the probe failed.
const MOST_ENTRIES_WITH_ERRORS: usize = MOST_ENTRIES + 100;

impl ProbeLog {
    /// Notes what only matters to somebody who looks closely.
    pub fn debug(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Debug, message, fields);
    }

    /// Notes a step of the probe.
    pub fn info(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Info, message, fields);
    }

    /// Notes what is odd, but does not decide the probe.
    pub fn warn(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Warn, message, fields);
    }

    /// Notes what decides that the probe failed.
    pub fn error(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Error, message, fields);
    }

    /// Takes all entries out.
    #[must_use]
    pub fn take(&self) -> Vec<LogEntry> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing is formatted that is not kept: a peer must not be able to make that costly either.
    fn note(
        &self,
        level: Level,
        message: impl Into<String>,
        fields: &[(&'static str, &dyn Display)],
    ) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if level == Level::Error { MOST_ENTRIES_WITH_ERRORS } else { MOST_ENTRIES };
        if entries.len() >= most {
            return;
        }
        let fields = fields.iter().map(|(key, value)| (*key, value.to_string())).collect();
        entries.push(LogEntry { time: SystemTime::now(), level, message: message.into(), fields });
        if entries.len() == MOST_ENTRIES {
            let message = "Further entries are left out".to_owned();
            let (time, level) = (SystemTime::now(), Level::Warn);
            entries.push(LogEntry { time, level, message, fields: Vec::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_bounded_and_still_tells_the_error() {
        let log = ProbeLog::default();
        for number in 0..2 * MOST_ENTRIES {
            log.debug("line", &[("number", &number)]);
        }
        log.error("failed", &[]);
        let entries = log.take();
        assert_eq!(entries.len(), MOST_ENTRIES + 2);
        let last: Vec<_> = entries.iter().rev().take(3).map(|entry| &*entry.message).collect();
        assert_eq!(last, ["failed", "Further entries are left out", "line"]);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(Excerpt(b"short \xff").to_string(), "short \u{fffd}");
        assert_eq!(Excerpt(&[b'x'; LONGEST_EXCERPT]).to_string(), "x".repeat(LONGEST_EXCERPT));
        let cut = Excerpt(&[b'x'; LONGEST_EXCERPT + 1]).to_string();
        assert!(cut.ends_with("x… (513 bytes)"), "{cut}");
    }
}
