//! Excerpts of what a peer sent, and of what was sent to it, for the report of a probe.
//!
//! A secret can continue beyond the end of an excerpt. Therefore a part has a margin until its secrets
//! are replaced: a secret that begins before the margin is found as a whole.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{humanize::count, logfmt::visible};

/// The probes whose excerpts are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recording {
    /// None.
    Never,
    /// Those that fail.
    #[default]
    Failures,
    /// All.
    Always,
}

/// An excerpt of a response or of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The part of the protocol.
    pub kind: PartKind,
    /// The text. Lines end with a line feed.
    pub text: String,
    /// The relation of the text to the bytes.
    pub encoding: Encoding,
    /// Number of bytes that are left out at the end.
    pub omitted: u64,
    /// Length of the end of the text that is not shown, in bytes.
    #[serde(skip)]
    margin: usize,
    /// The text before its secrets are replaced; empty at other times.
    #[serde(skip)]
    original: String,
}

/// The kind of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartKind {
    /// Status line of an HTTP response.
    StatusLine,
    /// Headers of an HTTP response, one per line.
    Headers,
    /// Body of an HTTP response.
    Body,
    /// Trailers of an HTTP response, one per line.
    Trailers,
    /// Line, message or bytes that were sent.
    Sent,
    /// Line, message or bytes that were received.
    Received,
    /// Decoded response.
    Answer,
}

/// The relation of a text to the bytes that were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// The bytes are this text in UTF-8.
    Text,
    /// The bytes are not UTF-8; the others are replaced.
    Lossy,
    /// The bytes are not a text; those that are not printable ASCII are escaped.
    Binary,
}

/// Number of bytes after an excerpt that are searched for secrets too: the longest pattern, with each byte
/// escaped (`\u00e4`). Of one that is longer, the beginning is found.
const MARGIN: usize = 64 * 6;

/// The replacement of a tab.
const TAB: &str = "    ";

/// Length of an escaped byte.
const ESCAPED: usize = 4;

/// The character after which a text may continue. The beginning of a secret before it is replaced.
pub const CONTINUED: char = '…';

impl Recording {
    /// Returns the recording of a module that `allows` it or not, for a client that wants to see a
    /// success too or not.
    #[must_use]
    pub const fn of(allows: bool, wants_success: bool) -> Self {
        match (allows, wants_success) {
            (false, _) => Self::Never,
            (true, false) => Self::Failures,
            (true, true) => Self::Always,
        }
    }
}

impl PartKind {
    /// Returns the name in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::StatusLine => "status_line",
            Self::Headers => "headers",
            Self::Body => "body",
            Self::Trailers => "trailers",
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Answer => "answer",
        }
    }

    /// Returns the name on pages and in texts.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::StatusLine => "Status",
            Self::Headers => "Headers",
            Self::Body => "Body",
            Self::Trailers => "Trailers",
            Self::Sent => "Sent",
            Self::Received => "Received",
            Self::Answer => "Answer",
        }
    }

    /// Returns the maximum length of an excerpt in bytes.
    const fn limit(self) -> usize {
        match self {
            Self::StatusLine => 512,
            Self::Headers | Self::Trailers | Self::Answer => 4 << 10,
            Self::Body | Self::Sent | Self::Received => 1 << 10,
        }
    }

    /// Returns the number of bytes from which a part is made; further ones have no effect on it.
    #[must_use]
    pub const fn needed(self) -> usize {
        self.limit() + MARGIN
    }
}

impl Encoding {
    /// Returns the name in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Text => "utf-8",
            Self::Lossy => "lossy",
            Self::Binary => "binary",
        }
    }

    fn of(bytes: &[u8]) -> Self {
        let is_foreign = |byte: &u8| matches!(byte, 0..=8 | 0xe..=0x1a | 0x1c..=0x1f);
        if bytes.iter().any(is_foreign) {
            Self::Binary
        } else if str::from_utf8(bytes).is_err() {
            Self::Lossy
        } else {
            Self::Text
        }
    }

    fn decode(self, bytes: &[u8], text: &mut String) {
        if self == Self::Binary {
            text.extend(bytes.escape_ascii().map(char::from));
            return;
        }
        let decoded = String::from_utf8_lossy(bytes);
        for (index, line) in decoded.split("\r\n").enumerate() {
            if index > 0 {
                text.push('\n');
            }
            text.push_str(line);
        }
    }
}

impl Part {
    /// Creates a part from the first bytes of `total`. More than [`PartKind::needed`] have no effect.
    #[must_use]
    pub fn new(kind: PartKind, bytes: &[u8], total: u64) -> Self {
        let limit = kind.limit();
        let encoding = Encoding::of(bytes.get(..limit.min(bytes.len())).unwrap_or_default());
        let limit = if encoding == Encoding::Binary { limit / ESCAPED } else { limit };
        let (shown, rest) = bytes.split_at(end_of_character(bytes, limit));
        let margin = rest.get(..MARGIN.min(rest.len())).unwrap_or_default();
        // The bytes of a character at the limit are in the margin.
        let encoding = if encoding == Encoding::Lossy { Encoding::of(shown) } else { encoding };
        let mut text = String::with_capacity(shown.len() + margin.len());
        encoding.decode(shown, &mut text);
        let shown_length = text.len();
        encoding.decode(margin, &mut text);
        let margin = text.len() - shown_length;
        let shown = u64::try_from(shown.len()).unwrap_or(u64::MAX);
        let omitted = total.saturating_sub(shown);
        Self { kind, text, encoding, omitted, margin, original: String::new() }
    }

    /// Creates a part from all of its bytes.
    #[must_use]
    pub fn of(kind: PartKind, bytes: &[u8]) -> Self {
        Self::new(kind, bytes, u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// Describes what the text lacks; empty if it is complete.
    #[must_use]
    pub fn remark(&self) -> String {
        let encoding = match self.encoding {
            Encoding::Text => None,
            Encoding::Lossy => Some("not UTF-8".to_owned()),
            Encoding::Binary => Some("binary".to_owned()),
        };
        let omitted = count(self.omitted, "byte");
        let omitted = (self.omitted > 0).then(|| format!("{omitted} omitted"));
        encoding.into_iter().chain(omitted).collect::<Vec<_>>().join(", ")
    }

    /// Returns the lines of the text, without invisible characters. Tabs are expanded.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.text.lines().map(|line| visible(&line.replace('\t', TAB)))
    }

    /// Creates a part that was finished before.
    #[cfg(test)]
    pub(crate) const fn finished(
        kind: PartKind,
        text: String,
        encoding: Encoding,
        omitted: u64,
    ) -> Self {
        Self { kind, text, encoding, omitted, margin: 0, original: String::new() }
    }

    /// Prepares the text for the replacement of secrets: the peer may have sent only the beginning of one.
    pub(crate) fn begin_redaction(&mut self) {
        self.original.clone_from(&self.text);
        self.text.push(CONTINUED);
    }

    /// Ends the replacement of secrets that began so.
    pub(crate) fn end_redaction(&mut self) {
        if self.text.ends_with(CONTINUED) {
            self.text.pop();
        }
        let original = std::mem::take(&mut self.original);
        self.move_cut(&original);
    }

    /// Finds the end of the shown text again after parts of `original` were replaced. A replacement that
    /// ends after it is shown as a whole.
    fn move_cut(&mut self, original: &str) {
        let cut = original.len() - self.margin;
        let bytes = || original.bytes().zip(self.text.bytes());
        if bytes().take_while(|(old, new)| old == new).count() >= cut {
            self.margin = self.text.len() - cut;
            return;
        }
        let same = original.bytes().rev().zip(self.text.bytes().rev());
        let same = same.take_while(|(old, new)| old == new).count();
        let shown_more = u64::try_from(self.margin.saturating_sub(same)).unwrap_or_default();
        self.omitted = self.omitted.saturating_sub(shown_more);
        self.margin = self.margin.min(same);
    }

    /// Replaces values that are secret by their name with `mask`, and removes the margin.
    pub(crate) fn finish(&mut self, mask: impl FnOnce(&mut String)) {
        // Headers are masked when they are read.
        if !matches!(self.kind, PartKind::Headers | PartKind::Trailers) {
            let original = self.text.clone();
            mask(&mut self.text);
            self.move_cut(&original);
        }
        let length = self.text.len().saturating_sub(std::mem::take(&mut self.margin));
        self.text.truncate(self.text.floor_char_boundary(length));
        self.text.shrink_to_fit();
    }
}

/// Returns the position of the last end of a character up to `limit`.
fn end_of_character(bytes: &[u8], limit: usize) -> usize {
    const MAX_CONTINUATION: usize = 3;
    if bytes.len() <= limit {
        return bytes.len();
    }
    let is_start = |index: &usize| bytes.get(*index).is_none_or(|byte| byte & 0xc0 != 0x80);
    let candidates = limit.saturating_sub(MAX_CONTINUATION)..=limit;
    candidates.rev().find(is_start).unwrap_or(limit)
}

/// The recorded parts of a running probe.
#[derive(Debug, Default)]
pub struct Transcript(Mutex<Vec<Part>>);

impl Transcript {
    /// Adds a part.
    pub fn add(&self, part: Part) {
        self.parts().push(part);
    }

    /// Returns and removes all parts.
    #[must_use]
    pub fn take(&self) -> Vec<Part> {
        std::mem::take(&mut *self.parts())
    }

    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Secrets;

    const SHOWN: &str = "<secret>";

    fn body(bytes: &[u8]) -> Part {
        Part::of(PartKind::Body, bytes)
    }

    fn finished(bytes: &[u8]) -> Part {
        let mut part = body(bytes);
        part.finish(|_| ());
        part
    }

    /// Returns the part of a body with a secret replaced.
    fn redacted(text: &str, secret: &str) -> Part {
        let mut part = body(text.as_bytes());
        let secrets = Secrets::default();
        secrets.note(secret.as_bytes(), SHOWN);
        part.begin_redaction();
        secrets.take(&[], SHOWN).redact(&mut part.text);
        part.end_redaction();
        part.finish(|_| ());
        part
    }

    #[test]
    fn the_start_of_a_long_text_is_kept() {
        let part = finished(&b"x\r\n".repeat(1000));
        assert_eq!((part.omitted, part.encoding), (3000 - 1024, Encoding::Text));
        assert_eq!(part.text.lines().count(), 342);
        let part = finished("é".repeat(600).as_bytes());
        assert_eq!((part.text.len(), part.omitted), (1024, 176));
        let part = finished(format!("x{}", "é".repeat(600)).as_bytes());
        assert_eq!((part.text.len(), part.omitted, part.encoding), (1023, 178, Encoding::Text));
        assert_eq!(finished(b"").text, "");
    }

    #[test]
    fn other_encodings_are_named() {
        let part = finished(b"caf\xe9");
        assert_eq!((part.text.as_str(), part.encoding), ("caf\u{fffd}", Encoding::Lossy));
        let part = finished(&b"\x1f\x8b\x08\x00 gzip \xff".repeat(200));
        assert!(part.text.starts_with(r"\x1f\x8b\x08\x00 gzip \xff\x1f"), "{part:?}");
        assert_eq!((part.encoding, part.omitted), (Encoding::Binary, 2200 - 256));
        assert!(part.text.len() <= 1024);
    }

    /// A secret is found wherever an excerpt, or what the peer has sent, ends within it.
    #[test]
    fn no_part_of_a_secret_is_left_at_the_end() {
        let secret = "hunter%2/pl\u{e4}nted-".to_owned() + &"long".repeat(30);
        let written = [
            secret.clone(),
            secret.replace('%', "%25").replace('/', "%2F").replace('\u{e4}', "%C3%A4"),
            secret.as_bytes().escape_ascii().to_string(),
            secret
                .chars()
                .map(|it| format!("\\u{:04x}", u32::from(it)))
                .collect::<Vec<_>>()
                .concat(),
        ];
        for secret_text in &written {
            for before in 850..1030 {
                for after in [0, 2000] {
                    for sent in [4, 9, 60, secret_text.len()] {
                        let Some(sent) = secret_text.get(..sent) else { continue };
                        if after > 0 && sent.len() < secret_text.len() {
                            continue;
                        }
                        let text = "x".repeat(before) + sent + &"y".repeat(after);
                        let part = redacted(&text, &secret);
                        assert!(!part.text.contains("hunt"), "{before} {after}: {part:?}");
                        assert!(
                            part.text.len() <= 1024 + SHOWN.len(),
                            "{before} {after}: {part:?}"
                        );
                    }
                }
            }
        }
    }

    /// The peer may end within an escape, and the margin too.
    #[test]
    fn no_part_of_a_secret_is_left_wherever_a_text_ends() {
        let secret = "hunter/pl\u{e4}nted-".to_owned() + &"long".repeat(30);
        let percent =
            |text: &str| text.bytes().map(|it| format!("%{it:02X}")).collect::<Vec<_>>().concat();
        let twice = percent(&secret).replace('%', "%25");
        let json = |it| format!(r"\\u{:04x}", u32::from(it));
        let html = |it| format!("&amp;#{};", u32::from(it));
        let in_json = secret.chars().map(json).collect::<String>();
        let in_html = secret.chars().map(html).collect::<String>();
        for written in [percent(&secret), twice, in_json, in_html] {
            for before in [0, 1000] {
                // The first four bytes are there.
                for sent in (50..written.len()).step_by(11) {
                    let Some(sent) = written.get(..sent) else { continue };
                    let part = redacted(&("x".repeat(before) + sent), &secret);
                    let shown = part.text.trim_start_matches('x').strip_prefix(SHOWN);
                    // At most a part of the last escape.
                    assert!(shown.is_some_and(|rest| rest.len() < 10), "{before} {sent}: {part:?}");
                }
            }
        }
    }

    #[test]
    fn replacements_do_not_move_the_end_of_an_excerpt() {
        let mask = |secret: String| move |text: &mut String| *text = text.replace(&secret, SHOWN);
        let long = "A".repeat(1100);
        for (text, secret, shown, omitted) in [
            // It ends after the limit, begins after it, or ends before it.
            (format!("{{down: {long}}}"), long.clone(), "{down: <secret>", 1),
            (format!("{}secret!{}", "x".repeat(1030), "y".repeat(90)), "secret!".into(), "x", 103),
            (format!("secret!{}", "x".repeat(1100)), "secret!".into(), "<secret>x", 83),
            (format!("{long}{long}"), "none".into(), "A", 1176),
        ] {
            let mut part = body(text.as_bytes());
            part.finish(mask(secret));
            assert!(part.text.starts_with(shown), "{part:?}");
            assert!(!part.text.ends_with('y') && part.text.len() <= 1024 + SHOWN.len(), "{part:?}");
            assert_eq!(part.omitted, omitted, "{part:?}");
        }
    }

    #[test]
    fn a_text_that_is_replaced_as_a_whole_is_kept() {
        let mut part = body(&[b'x'; 2000]);
        part.begin_redaction();
        part.text = "<hidden>".to_owned();
        part.end_redaction();
        part.finish(|_| ());
        assert_eq!(part.text, "<hidden>");
    }
}
