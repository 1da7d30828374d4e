//! Log of a probe. It is a part of the report, separate from the log of the process.

use std::{
    fmt::{self, Display, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use log::Level;
use serde::{Deserialize, Serialize};

use crate::{
    compact,
    diagnostics::{Part, PartKind, logfmt},
};

/// Message of an entry whose first field is a line that was received.
pub const READ_LINE: &str = "Read line";

/// Message of an entry whose first field is bytes that were received.
pub const READ_BYTES: &str = "Read bytes";

/// Message of an entry whose first field is a message that was received.
pub const READ_MESSAGE: &str = "Read message";

/// Message of an entry whose first field is a line, bytes or a message that was sent.
pub const SENDING: &str = "Sending";

/// Entry in the log of a probe.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogEntry {
    /// Time of the entry.
    pub time: SystemTime,
    /// Level of the entry.
    pub level: Level,
    /// The message.
    pub message: String,
    /// Key-value pairs, in order.
    #[serde(with = "compact::fields")]
    pub fields: Vec<(&'static str, String)>,
}

impl LogEntry {
    /// Returns the entry as one line of logfmt, without a newline.
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

    /// Returns what was received, if the entry is about that.
    pub fn received_mut(&mut self) -> Option<&mut String> {
        let is_received = matches!(self.message.as_str(), READ_LINE | READ_BYTES | READ_MESSAGE);
        self.fields.first_mut().filter(|_| is_received).map(|(_, text)| text)
    }

    /// Returns the part of a dialogue that the entry is about, if any.
    fn dialogue(&self) -> Option<Part> {
        let kind = match self.message.as_str() {
            READ_LINE | READ_BYTES | READ_MESSAGE => PartKind::Received,
            SENDING => PartKind::Sent,
            _ => return None,
        };
        let (_, text) = self.fields.first()?;
        // The end of a line that was sent; bytes are escaped.
        let line = text.strip_suffix("\\n").filter(|_| kind == PartKind::Sent);
        let line = line.map(|line| line.strip_suffix("\\r").unwrap_or(line));
        Some(Part::of(kind, line.unwrap_or(text).as_bytes()))
    }
}

/// Log of a probe.
///
/// Its size is limited, so that a peer cannot exhaust memory by causing entries.
#[derive(Debug, Default)]
pub struct ProbeLog {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<LogEntry>,
    /// Total length of the values of the fields.
    bytes: usize,
    is_full: bool,
}

/// Maximum number of bytes of a peer's text in an [`Excerpt`].
const MAX_EXCERPT: usize = 512;

/// Text from a peer, shortened if it is long.
#[derive(Debug, Clone, Copy)]
pub struct Excerpt<'t>(pub &'t [u8]);

impl Display for Excerpt<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        match text.split_at_checked(MAX_EXCERPT) {
            Some((start, rest)) if !rest.is_empty() => {
                write!(formatter, "{}… ({} bytes)", String::from_utf8_lossy(start), text.len())
            }
            _ => formatter.write_str(&String::from_utf8_lossy(text)),
        }
    }
}

/// Maximum number of bytes of a peer's text that [`Quoted`] shows.
const MAX_QUOTED: usize = 128;

/// Short text from a peer in quotation marks, shortened if it is long, with control characters and
/// invalid UTF-8 escaped.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'t>(pub &'t [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        let (shown, is_cut) = match text.split_at_checked(MAX_QUOTED) {
            Some((start, rest)) => (start, !rest.is_empty()),
            None => (*text, false),
        };
        formatter.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            write!(formatter, "{}", chunk.valid().escape_debug())?;
            write!(formatter, "{}", chunk.invalid().escape_ascii())?;
        }
        formatter.write_char('"')?;
        if is_cut { write!(formatter, "… ({} bytes)", text.len()) } else { Ok(()) }
    }
}

/// Maximum length of a message or a value in bytes, since a peer chooses texts such as redirect URLs.
const MAX_TEXT: usize = 4 << 10;

/// Initial capacity for a text in bytes, enough for addresses and times.
const TEXT_CAPACITY: usize = 32;

/// Formats `text` and shortens it if it is long. The remainder is not stored.
pub(super) fn cut(text: &dyn Display) -> String {
    let mut cut = Cut { text: String::with_capacity(TEXT_CAPACITY), length: 0 };
    // Writing to it cannot fail.
    let _ = write!(cut, "{text}");
    let Cut { mut text, length } = cut;
    if length > text.len() {
        let _ = write!(text, "… ({length} bytes)");
    }
    text
}

struct Cut {
    text: String,
    /// Length of the complete text in bytes.
    length: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.length == self.text.len() {
            let room = piece.floor_char_boundary(MAX_TEXT.saturating_sub(self.length));
            self.text.push_str(piece.get(..room).unwrap_or_default());
        }
        self.length += piece.len();
        Ok(())
    }
}

/// Maximum number of entries; normal probes have far fewer.
const MAX_ENTRIES: usize = 1_000;

/// Maximum total length of the values in bytes.
const MAX_BYTES: usize = 256 << 10;

/// Maximum number of entries including errors, which have room of their own because they contain the
/// cause of the failure.
const MAX_ENTRIES_WITH_ERRORS: usize = MAX_ENTRIES + 100;

/// Maximum number of lines and messages in the transcript of a dialogue.
const MAX_LINES: usize = 20;

/// Maximum total length of the lines and messages in the transcript of a dialogue, in bytes.
const MAX_DIALOGUE: usize = 2 << 10;

impl ProbeLog {
    /// Adds an entry of level debug, for details.
    pub fn debug(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Debug, message, fields);
    }

    /// Adds an entry of level info, for a step of the probe.
    pub fn info(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Info, message, fields);
    }

    /// Adds an entry of level warn, for unusual events that do not fail the probe.
    pub fn warn(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Warn, message, fields);
    }

    /// Adds an entry of level error, for the cause of a failure.
    pub fn error(&self, message: impl Into<String>, fields: &[(&'static str, &dyn Display)]) {
        self.note(Level::Error, message, fields);
    }

    /// Returns the last lines and messages of a dialogue, unless the log is full, so that the last ones
    /// are missing.
    #[must_use]
    pub fn dialogue(&self) -> Vec<Part> {
        let kept = self.kept();
        let mut bytes = 0;
        let last = kept.entries.iter().rev().filter_map(LogEntry::dialogue).take(MAX_LINES);
        let last = last.take_while(|part| {
            let is_first = bytes == 0;
            bytes += part.text.len();
            is_first || bytes <= MAX_DIALOGUE
        });
        let mut parts: Vec<_> = if kept.is_full { Vec::new() } else { last.collect() };
        parts.reverse();
        parts
    }

    /// Returns whether entries were omitted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kept().is_full
    }

    /// Returns and removes all entries.
    #[must_use]
    pub fn take(&self) -> Vec<LogEntry> {
        std::mem::take(&mut *self.kept()).entries
    }

    /// Adds an entry. Entries beyond the limits are not formatted, so that a peer cannot cause that cost.
    fn note(
        &self,
        level: Level,
        message: impl Into<String>,
        fields: &[(&'static str, &dyn Display)],
    ) {
        let mut kept = self.kept();
        let is_room = level == Level::Error && kept.entries.len() < MAX_ENTRIES_WITH_ERRORS;
        if kept.is_full && !is_room {
            return;
        }
        let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, cut(value))).collect();
        kept.bytes += fields.iter().map(|(_, value)| value.len()).sum::<usize>();
        let time = SystemTime::now();
        kept.entries.push(LogEntry { time, level, message: message.into(), fields });
        if !kept.is_full && (kept.entries.len() >= MAX_ENTRIES || kept.bytes >= MAX_BYTES) {
            kept.is_full = true;
            let (level, message) = (Level::Warn, "Further entries are omitted".to_owned());
            kept.entries.push(LogEntry { time, level, message, fields: Vec::new() });
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_still_accepts_errors() {
        let log = ProbeLog::default();
        for number in 0..2 * MAX_ENTRIES {
            log.debug("line", &[("number", &number)]);
        }
        log.error("failed", &[]);
        let entries = log.take();
        assert_eq!(entries.len(), MAX_ENTRIES + 2);
        let last: Vec<_> = entries.iter().rev().take(3).map(|entry| &*entry.message).collect();
        assert_eq!(last, ["failed", "Further entries are omitted", "line"]);
    }

    #[test]
    fn quoted_texts_are_escaped_and_shortened() {
        for (text, expected) in [
            (&b""[..], "\"\""),
            (b"login: ", "\"login: \""),
            (b"a\"b\r\n\x00", r#""a\"b\r\n\0""#),
            ("gr\u{fc}n\u{202e}".as_bytes(), "\"gr\u{fc}n\\u{202e}\""),
            (b"\xff\xfd\x18", r#""\xff\xfd\u{18}""#),
            // A character that is divided stays incomplete.
            (&[&b"\xc3\xa4"[..], &[b'x'; 125], b"\xc3\xa4"].concat(), r#"\xc3"… (129 bytes)"#),
        ] {
            let shown = Quoted(text).to_string();
            assert!(shown.ends_with(expected) && shown.starts_with('"'), "{shown}");
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(Excerpt(b"short \xff").to_string(), "short \u{fffd}");
        assert_eq!(Excerpt(&[b'x'; MAX_EXCERPT]).to_string(), "x".repeat(MAX_EXCERPT));
        let excerpt = Excerpt(&[b'x'; MAX_EXCERPT + 1]).to_string();
        assert!(excerpt.ends_with("x… (513 bytes)"), "{excerpt}");
        for (length, end) in [(MAX_TEXT / 2, "ä"), (MAX_TEXT, "ä… (8192 bytes)")] {
            let text = cut(&format_args!("{}", "ä".repeat(length)));
            assert!(text.ends_with(end) && text.len() <= MAX_TEXT + 20, "{text}");
        }
        assert_eq!(
            cut(&format_args!("{}{}{}", "x".repeat(MAX_TEXT - 1), "ä", "x")).len(),
            MAX_TEXT - 1 + "… (4098 bytes)".len()
        );
    }

    #[test]
    fn the_total_length_of_a_log_is_limited() {
        let log = ProbeLog::default();
        for _ in 0..MAX_ENTRIES {
            log.info("Received redirect", &[("location", &"x".repeat(100_000))]);
        }
        log.error("failed", &[]);
        let entries = log.take();
        let bytes: usize = entries.iter().map(|entry| entry.to_logfmt().len()).sum();
        assert!(bytes < 2 * MAX_BYTES, "{bytes}");
        assert!(entries.len() > 50 && entries.last().unwrap().message == "failed");
    }
}
