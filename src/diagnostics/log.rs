//! The log of one probe: a value in its report, not lines of the process's log.

use std::{
    fmt::{self, Display, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use log::Level;

use crate::diagnostics::logfmt;

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
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<LogEntry>,
    /// What the texts of their fields come to.
    bytes: usize,
    is_full: bool,
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

/// Maximum number of bytes of a peer's text that [`Quoted`] shows.
const MAX_QUOTED: usize = 128;

/// A short text of a peer in quotation marks, with control characters and bytes that are not UTF-8
/// escaped, and cut where it is long.
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

/// Bytes of one text, whatever it is made of; a peer chooses where its redirects lead.
const LONGEST_TEXT: usize = 4 << 10;

/// Most texts, such as addresses and times, are no longer.
const USUAL_TEXT: usize = 32;

/// `text`, cut where it is long; the rest of a long one is not even formatted.
pub(super) fn cut(text: &dyn Display) -> String {
    let mut cut = Cut { text: String::with_capacity(USUAL_TEXT), length: 0 };
    // It takes everything.
    let _ = write!(cut, "{text}");
    let Cut { mut text, length } = cut;
    if length > text.len() {
        let _ = write!(text, "… ({length} bytes)");
    }
    text
}

struct Cut {
    text: String,
    /// What the whole text comes to.
    length: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.length == self.text.len() {
            let room = piece.floor_char_boundary(LONGEST_TEXT.saturating_sub(self.length));
            self.text.push_str(piece.get(..room).unwrap_or_default());
        }
        self.length += piece.len();
        Ok(())
    }
}

/// Entries beyond this many are dropped, and beyond this many bytes; no honest probe comes near.
const MOST_ENTRIES: usize = 1_000;
const MOST_BYTES: usize = 256 << 10;

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
        std::mem::take(&mut *self.kept()).entries
    }

    /// Nothing is formatted that is not kept: a peer must not be able to make that costly either.
    fn note(
        &self,
        level: Level,
        message: impl Into<String>,
        fields: &[(&'static str, &dyn Display)],
    ) {
        let mut kept = self.kept();
        let is_room = level == Level::Error && kept.entries.len() < MOST_ENTRIES_WITH_ERRORS;
        if kept.is_full && !is_room {
            return;
        }
        let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, cut(value))).collect();
        kept.bytes += fields.iter().map(|(_, value)| value.len()).sum::<usize>();
        let time = SystemTime::now();
        kept.entries.push(LogEntry { time, level, message: message.into(), fields });
        if !kept.is_full && (kept.entries.len() >= MOST_ENTRIES || kept.bytes >= MOST_BYTES) {
            kept.is_full = true;
            let (level, message) = (Level::Warn, "Further entries are left out".to_owned());
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
    fn quoted_texts_are_escaped_and_cut() {
        for (text, expected) in [
            (&b""[..], "\"\""),
            (b"login: ", "\"login: \""),
            (b"a\"b\r\n\x00", r#""a\"b\r\n\0""#),
            ("gr\u{fc}n\u{202e}".as_bytes(), "\"gr\u{fc}n\\u{202e}\""),
            (b"\xff\xfd\x18", r#""\xff\xfd\u{18}""#),
            // A letter that the cut divides is not made up.
            (&[&b"\xc3\xa4"[..], &[b'x'; 125], b"\xc3\xa4"].concat(), r#"\xc3"… (129 bytes)"#),
        ] {
            let shown = Quoted(text).to_string();
            assert!(shown.ends_with(expected) && shown.starts_with('"'), "{shown}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(Excerpt(b"short \xff").to_string(), "short \u{fffd}");
        assert_eq!(Excerpt(&[b'x'; LONGEST_EXCERPT]).to_string(), "x".repeat(LONGEST_EXCERPT));
        let excerpt = Excerpt(&[b'x'; LONGEST_EXCERPT + 1]).to_string();
        assert!(excerpt.ends_with("x… (513 bytes)"), "{excerpt}");
        for (length, end) in [(LONGEST_TEXT / 2, "ä"), (LONGEST_TEXT, "ä… (8192 bytes)")] {
            let text = cut(&format_args!("{}", "ä".repeat(length)));
            assert!(text.ends_with(end) && text.len() <= LONGEST_TEXT + 20, "{text}");
        }
        assert_eq!(
            cut(&format_args!("{}{}{}", "x".repeat(LONGEST_TEXT - 1), "ä", "x")).len(),
            LONGEST_TEXT - 1 + "… (4098 bytes)".len()
        );
    }

    #[test]
    fn a_log_of_long_texts_is_bounded_too() {
        let log = ProbeLog::default();
        for _ in 0..MOST_ENTRIES {
            log.info("Received redirect", &[("location", &"x".repeat(100_000))]);
        }
        log.error("failed", &[]);
        let entries = log.take();
        let bytes: usize = entries.iter().map(|entry| entry.to_logfmt().len()).sum();
        assert!(bytes < 2 * MOST_BYTES, "{bytes}");
        assert!(entries.len() > 50 && entries.last().unwrap().message == "failed");
    }
}
