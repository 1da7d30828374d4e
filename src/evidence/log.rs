//! The log of one probe: a value in its report, not lines of the process's log.

use std::{
    fmt::Display,
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
#[must_use]
pub fn excerpt(text: &[u8]) -> String {
    match text.split_at_checked(LONGEST_EXCERPT) {
        Some((start, rest)) if !rest.is_empty() => {
            format!("{}… ({} bytes)", String::from_utf8_lossy(start), text.len())
        }
        _ => String::from_utf8_lossy(text).into_owned(),
    }
}

/// Entries beyond this many are dropped; no honest probe comes near it.
const MOST_ENTRIES: usize = 1_000;

impl ProbeLog {
    /// Notes what only matters to somebody who looks closely.
    pub fn debug(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Debug, message.into(), fields);
    }

    /// Notes a step of the probe.
    pub fn info(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Info, message.into(), fields);
    }

    /// Notes what is odd, but does not decide the probe.
    pub fn warn(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Warn, message.into(), fields);
    }

    /// Notes what decides that the probe failed.
    pub fn error(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Error, message.into(), fields);
    }

    /// Takes all entries out.
    #[must_use]
    pub fn take(&self) -> Vec<LogEntry> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, level: Level, message: String, fields: &[(&'static str, &dyn Display)]) {
        let fields = fields.iter().map(|(key, value)| (*key, value.to_string())).collect();
        let entry = LogEntry { time: SystemTime::now(), level, message, fields };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() < MOST_ENTRIES {
            entries.push(entry);
        }
    }
}
